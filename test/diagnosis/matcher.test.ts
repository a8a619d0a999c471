import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import fc from "fast-check";
import { loadCatalogue } from "../../src/diagnosis/catalogue.ts";
import { createMatcher, LONGEST_TEXT } from "../../src/diagnosis/matcher.ts";
import { requiredLiterals } from "../../src/diagnosis/required-literals.ts";
import type { SpeakerKind } from "../../src/model/speaker.ts";

const shippedDirectory = join(import.meta.dirname, "../../config/signatures");
const recordings = join(import.meta.dirname, "../fixtures/recordings");
const { catalogue } = loadCatalogue({ shippedDirectory });
const scratch = mkdtempSync(join(tmpdir(), "matcher-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

const LAYERS: readonly SpeakerKind[] = ["kernel", "qemu", "program", "unknown"];

/** Every different line of the recorded logs. */
const recordedLines: readonly string[] = (() => {
  const lines = new Set<string>();
  for (const entry of readdirSync(recordings, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !/\.(?:log|txt)$/.test(entry.name)) continue;
    for (const line of readFileSync(join(entry.parentPath, entry.name), "utf8").split("\n")) {
      lines.add(line.replace(/^\d+,\d+,\d+,[^;]*;/, ""));
    }
  }
  return [...lines];
})();

describe("the pre-filter finds what rule by rule finds", () => {
  for (const ignoreCase of [false, true]) {
    const fast = createMatcher(catalogue, { ignoreCase });
    const slow = createMatcher(catalogue, { ignoreCase, prefilter: false });
    const agree = (text: string) => {
      for (const layer of LAYERS) {
        const found = slow.match(layer, text);
        assert.deepEqual(fast.match(layer, text), found, text);
        assert.equal(fast.knows(layer, text), found.length > 0, text);
      }
    };
    const manner = ignoreCase ? "whatever the case" : "in the very letters";

    test(`over all recorded logs, ${manner}`, () => {
      let hits = 0;
      for (const line of recordedLines) {
        agree(line);
        hits += fast.match("unknown", line).length;
      }
      assert.ok(recordedLines.length > 2000 && hits > 50, `${recordedLines.length} lines, ${hits} hits`);
    });

    test(`over mutilated examples, ${manner}`, () => {
      const examples = catalogue.signatures.flatMap((signature) => signature.examples);
      const piece = fc.record({ text: fc.constantFrom(...examples), from: fc.nat(60), length: fc.nat(200) });
      fc.assert(
        fc.property(fc.array(fc.oneof(piece, fc.string({ maxLength: 8 })), { maxLength: 4 }), (pieces) => {
          agree(
            pieces.map((p) => (typeof p === "string" ? p : p.text.slice(p.from, p.from + p.length))).join(""),
          );
        }),
        { numRuns: 300 },
      );
    });
  }
});

describe("required literals", () => {
  const cases: readonly (readonly [string, readonly string[] | undefined])[] = [
    ["plain text", ["plain text"]],
    ["a\\.b\\[c\\] tail", ["a.b[c] tail"]],
    ["first|second", ["first", "second"]],
    ["first|\\d+", undefined],
    ["(?:optional )?always", ["always"]],
    ["(?:optional )*always", ["always"]],
    ["(?:wanted){2}", ["wanted"]],
    ["(?:unwanted){0,2}short", ["short"]],
    ["longest one[a-z]shorter", ["longest one"]],
    ["lette?r", ["lett"]],
    ["repeat+ed", ["repeat"]],
    ["(?<name>group one|group two) x", ["group one", "group two"]],
    ["abc", undefined],
    ["\\bword\\b", ["word"]],
    ["\\x41bcdefgh", ["bcdefgh"]],
    ["[(]bracket", ["bracket"]],
  ];
  for (const [pattern, expected] of cases) {
    test(`of ${pattern}`, () => assert.deepEqual(requiredLiterals(pattern), expected));
  }
});

describe("a matcher", () => {
  const matcher = createMatcher(catalogue);

  test("does not take QEMU's words in the kernel's log for QEMU's", () => {
    const line = "vfio 0000:03:00.0: group 17 is not viable";
    assert.deepEqual(matcher.match("kernel", line), []);
    assert.equal(matcher.match("qemu", line)[0]?.signature.id, "qemu.group-not-viable");
  });

  test("finds QEMU's message in the text that libvirt wraps around it", () => {
    const text =
      "internal error: QEMU unexpectedly closed the monitor (vm='Windows 11'): 2026-03-02T18:11:40.512345Z " +
      "qemu-system-x86_64: -device vfio-pci,host=0000:03:00.0: vfio 0000:03:00.0: group 17 is not viable\n" +
      "Please ensure all devices within the iommu_group are bound to their vfio bus driver.";
    const ids = matcher.match("libvirt", text).map((match) => match.signature.id);
    assert.ok(ids.includes(signatureIdOf("qemu.group-not-viable")), ids.join());
    assert.ok(ids.includes(signatureIdOf("libvirt.monitor-closed")), ids.join());
    const [first] = matcher.match("libvirt", text);
    assert.deepEqual(first?.captures, { bdf: "0000:03:00.0", group: "17" });
  });

  test("gives the words to the more specific of two signatures", () => {
    const ids = matcher
      .match("qemu", "Could not open '/dev/vfio/17': Permission denied")
      .map((match) => match.signature.id);
    assert.deepEqual(ids, ["qemu.group-node-denied"]);
  });

  test("reads old wordings and addresses without a domain", () => {
    const line =
      "qemu-kvm: -device vfio-pci,host=04:00.1,id=hostdev0: vfio error: 04:00.1: failed to open /dev/vfio/24: Device or resource busy";
    const [match] = matcher.match("qemu", line);
    assert.equal(match?.signature.id, "qemu.group-node-busy");
    assert.deepEqual(match?.captures, { bdf: "04:00.1", group: "24" });
  });

  test("judges the same text anew for each layer, however often it is asked", () => {
    const text = "vfio 0000:03:00.0: group 17 is not viable";
    for (let round = 0; round < 2; round++) {
      assert.equal(matcher.knows("kernel", text), false);
      assert.equal(matcher.knows("qemu", text), true);
      assert.equal(matcher.match("qemu", text).length, 1);
      assert.deepEqual(matcher.match("kernel", text), []);
    }
  });

  test("looks only at the beginning of an endless text", () => {
    const line = "vfio 0000:03:00.0: group 17 is not viable";
    assert.equal(matcher.match("qemu", `${line}${"x".repeat(LONGEST_TEXT)}`).length, 1);
    assert.deepEqual(matcher.match("qemu", `${"x".repeat(LONGEST_TEXT)}${line}`), []);
  });

  test("comes back from a user's rule that would backtrack for ever", () => {
    const rule = (id: string, pattern: string, example: string) => ({
      ...{ id, pattern, layer: "kernel", role: "cause", severity: "info" },
      ...{ meaning: "hostile", examples: [example] },
    });
    const signatures = [
      rule("user.a", "^(a+)+$", "aa"),
      rule("user.b", "^(?:a|a)*b$", "ab"),
      rule("user.c", "(a*)*x", "ax"),
    ];
    writeFileSync(join(scratch, "hostile.json"), JSON.stringify({ class: "device-lost", signatures }));
    const root = join(import.meta.dirname, "../../src/diagnosis");
    const program = `
      import { loadCatalogue } from ${JSON.stringify(`${root}/catalogue.ts`)};
      import { createMatcher } from ${JSON.stringify(`${root}/matcher.ts`)};
      const { catalogue, problems } = loadCatalogue({ shippedDirectory: ${JSON.stringify(scratch)} });
      const matcher = createMatcher(catalogue);
      const found = matcher.match("kernel", "a".repeat(4000) + "!").length;
      console.log(JSON.stringify({ problems: problems.length, rules: catalogue.signatures.length, found }));`;
    // Without the linear engine each rule alone outlives the universe; the limit only has to end the test.
    const run = spawnSync(process.execPath, ["--input-type=module", "--eval", program], {
      encoding: "utf8",
      timeout: 60_000,
    });
    assert.equal(run.signal, null, "it had to be killed");
    assert.deepEqual(JSON.parse(run.stdout), { problems: 0, rules: 3, found: 0 });
  });
});

function signatureIdOf(id: string) {
  const known = catalogue.signatures.find((signature) => signature.id === id);
  assert.ok(known, id);
  return known.id;
}
