import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BRIEF_LIMIT, briefOf, SUBJECT_LIMIT } from "../../src/alerts/brief.ts";
import { composeFailure, composeWillNotStart } from "../../src/alerts/compose.ts";
import { alertText, plainLines } from "../../src/alerts/message.ts";
import { SHORT_CAUSES } from "../../src/alerts/short-causes.ts";
import { singleSpaced } from "../../src/alerts/text.ts";
import { makeAnswer } from "../../src/answer/answer.ts";
import { remediesFor } from "../../src/diagnosis/remedies.ts";
import type { AlertContent } from "../../src/model/alert.ts";
import { CAUSE_CLASSES } from "../../src/model/catalogue.ts";
import type { Cause } from "../../src/model/diagnosis.ts";
import type { Change } from "../../src/model/fact.ts";
import { signatureId, vmName } from "../../src/model/identifiers.ts";
import { catalogue } from "../helpers/shipped-catalogue.ts";
import { bdf, failureOf, HOSTILE, messageOf } from "./examples.ts";

const HASH = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

/** Everything that an alert of a start can be about: each signature that names a cause, and each class by state. */
const anyCause = fc
  .constantFrom(
    ...catalogue.signatures.flatMap(({ id, class: named }) =>
      CAUSE_CLASSES.some((one) => one === named) ? [{ id, named }] : [],
    ),
    ...CAUSE_CLASSES.map((named) => ({ id: signatureId(`state.${named}`), named })),
  )
  .chain(({ id, named }) =>
    fc.record({
      class: fc.constant(named as Cause["class"]),
      certainty: fc.constantFrom<Cause["certainty"]>("certain", "likely", "possible"),
      signature: fc.constant(id),
      sentence: fc.constant("Something about 0000:01:00.0 is not as it has to be."),
      evidence: fc.constant([]),
      devices: fc.constant([bdf("01:00.0")]),
      groups: fc.constant([14]),
    }),
  );

const anyName = fc.oneof(
  fc.constantFrom("w", "Windows 11", HOSTILE, "Mr. Big's 'VM'", "ä".repeat(120), "a; b", "  "),
  fc.string({ unit: "grapheme", minLength: 1, maxLength: 80 }),
);

const anyChange = fc
  .record({
    key: fc.constantFrom(
      "firmware.bios.version",
      "kernel.release",
      "kernel.parameter.amd_iommu",
      "pci.10de:2805.driver",
    ),
    sentence: fc.constantFrom(
      "BIOS E7E49AMSI.1A63 (2025-08-01) → E7E49AMSI.1A95 (2026-03-12)",
      "Kernel 6.12.24-Unraid → 6.12.54-Unraid",
      `Content of the firmware table IVRS (hash): ${HASH} → ${HASH.slice(1)}0`,
      "Memory that the firmware demands for group 14: none → 0x00000000ccbf0000-0x00000000ccbf7fff",
      `Kernel parameter amd_iommu: none → ${"a very long value ".repeat(20)}`,
    ),
  })
  .map(
    ({ key, sentence }): Change => ({
      ...{ group: "firmware", key, sentence },
      before: { state: "value", value: "before" },
      after: { state: "value", value: "after" },
    }),
  );

const anyFailure = fc
  .record({ cause: fc.option(anyCause), vm: anyName, changes: fc.array(anyChange, { maxLength: 4 }) })
  .map(({ cause, vm, changes }) => {
    const at = Date.UTC(2026, 10, 23, 9);
    const name = vmName(vm);
    const answer = makeAnswer(
      {
        ...{
          vm: name,
          causes: cause === null ? [] : [cause],
          unexplained: "Nobody knows.",
          outcome: "failed",
        },
        ...{
          here: { at, bios: "A95" },
          lastGood: { at, bios: "A63" },
          failing: undefined,
          comparedWith: "good start",
        },
        ...{ changes, newKeys: undefined, matters: () => true, suspects: [], truths: {}, demand: undefined },
        ...{ demandedThen: false, failedWith: () => false },
      },
      catalogue,
    );
    const attempt = {
      ...({
        id: "a",
        vm: name,
        bootId: undefined,
        openedAt: at,
        closedAt: at,
        outcome: "failed",
        groups: [14],
      } as const),
      ...{
        devices: [bdf("01:00.0")],
        evidence: [],
        diagnosis: { causes: [], summary: "", deviceRelated: true, noEffect: [] },
      },
    };
    const failed = composeFailure({ attempt, answer, deviceNames: new Map() });
    const expected = composeWillNotStart({ vm: name, answer, deviceNames: new Map() });
    return { vm, cause, answer, contents: [failed, expected] };
  });

/** What stands in front, as plain text with line breaks. */
function headOf(content: AlertContent): readonly string[] {
  const text = alertText(messageOf(content));
  const head = text.parts.filter(({ place }) => place === "head");
  return [text.title, ...plainLines({ ...text, parts: head })];
}

test("whatever fails: VM and cause in 60 characters, what to do and what changed in 200 with them", () => {
  fc.assert(
    fc.property(anyFailure, ({ vm, cause, answer, contents }) => {
      for (const content of contents) {
        const [subject = "", ...rest] = headOf(content);
        assert.ok(subject.length <= SUBJECT_LIMIT, subject);
        assert.ok([subject, ...rest].join("\n").length <= BRIEF_LIMIT, rest.join("\n"));
        const why = cause === null ? "no log says why" : SHORT_CAUSES[cause.class];
        assert.ok(subject.endsWith(why), subject);
        assert.ok(subject.startsWith(singleSpaced(`'${vm}'`).slice(0, 6)), subject);
        // What to do comes before anything else, and says something.
        if (answer.remedies.length > 0) assert.ok((rest[0]?.length ?? 0) >= 20, rest[0]);
        if (content.changes.length > 0) assert.match(rest.at(-1) ?? "", /^Changed: \S/);
        assert.doesNotMatch(rest.join("\n"), /[0-9a-f]{16}|0x[0-9a-f]{5}/);
      }
    }),
    { numRuns: 2_000 },
  );
});

test("each first piece of advice of the catalogue can be told in front of a change, without a word cut in two", () => {
  for (const { id, class: named } of catalogue.signatures) {
    if (named === "benign-noise" || named === "start-failure-wrapper") continue;
    for (const { text } of remediesFor(catalogue, { class: named, signature: id })) {
      const content = { ...failureOf(), remedies: [text], changes: ["BIOS E7E49AMSI.1A63 → E7E49AMSI.1A95"] };
      const { remedy = "" } = briefOf(content);
      assert.ok(remedy.length >= 20, `${id}: ${remedy}`);
      assert.ok(/[.!…]$/.test(remedy), remedy);
      const kept = remedy.replace(/…$/, "");
      const plain = text.replaceAll(/ ?\([^()]*\)/g, "");
      assert.ok(text.startsWith(kept) || plain.startsWith(kept), remedy);
    }
  }
});

test("a BIOS update is one line, and what only a machine can compare is told as changed", () => {
  const { changes } = briefOf({
    ...failureOf(),
    changes: [
      "BIOS E7E49AMSI.1A63 (2025-08-01) → E7E49AMSI.1A95 (2026-03-12) [new since the last failure]",
      `Content of the firmware table IVRS (hash): ${HASH} → ${HASH.slice(1)}0`,
      "and 3 more",
    ],
  });
  const demand = briefOf({
    ...failureOf(),
    changes: [
      "IVRS now contains a 1:1 demand: IVMD type 22h, memory 0x7fff0000-0x7fff7fff",
      "IOMMU group of VGA 1234:1111 gained a direct region 0x7fff0000-0x7fff7fff",
    ],
  });
  assert.deepEqual(demand.changes, [
    "IVRS now contains a 1:1 demand",
    "IOMMU group of VGA 1234:1111 gained a direct region",
  ]);
  assert.deepEqual(changes, [
    "BIOS E7E49AMSI.1A63 (2025-08-01) → E7E49AMSI.1A95 (2026-03-12)",
    "Content of the firmware table IVRS changed",
  ]);
});

test("a name that the subject has to cut stands whole in the text", () => {
  const vm = "a name that is much longer than any subject may be";
  const [long, short] = [vm, "w"].map((name) =>
    plainLines(
      alertText(messageOf({ ...failureOf(name), subject: `'${name.slice(0, 20)}…': device is in use` })),
    ),
  );
  assert.ok(long?.includes(`VM: ${vm}`));
  assert.ok(short?.every((line) => !line.startsWith("VM: ")));
});

test("a name with a full stop in quotes does not end the advice", () => {
  const text = "Stop 'Mr. Big', or give each VM a device of its own. Then try again.";
  assert.equal(
    briefOf({ ...failureOf(), remedies: [text], changes: [] }).remedy,
    "Stop 'Mr. Big', or give each VM a device of its own.",
  );
});

test("every cause has words that fit", () => {
  for (const words of Object.values(SHORT_CAUSES)) assert.ok(words.length <= 30, words);
});
