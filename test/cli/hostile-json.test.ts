import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import fc from "fast-check";
import { COMMAND_SUMMARIES } from "../../src/cli/commands.ts";
import { jsonText } from "../../src/json-text.ts";
import { vmName } from "../../src/model/identifiers.ts";
import { runProgram } from "../helpers/command-io.ts";
import { kernelLine, sampleAttempt, withStore } from "../store/samples.ts";

/** C0 without the line end of the document, DEL, C1, what turns the direction of writing, other ends of lines. */
const RAW =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/;
const HOSTILE = "a\u0007\u001b]0;x\u007f\u0085\u009b2J\u061c\u200e\u200f\u2028\u202e\u2066\u2069\ufeffb";

describe("a document for programs", () => {
  it("says the same as without escapes, and holds nothing that a terminal obeys", () => {
    const text = fc.oneof(fc.string({ unit: "binary" }), fc.constant(HOSTILE));
    fc.assert(
      fc.property(fc.dictionary(text, fc.array(text)), fc.constantFrom(undefined, 1, 2), (value, indent) => {
        const document = jsonText(value, indent);
        assert.doesNotMatch(document, RAW);
        assert.deepEqual(JSON.parse(document), JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it("holds none in any command, whatever a VM is called and a log says", () =>
    withStore(async (store, path) => {
      const vm = vmName(HOSTILE);
      const said = kernelLine(3, `vfio-pci 0000:01:00.0: Firmware has requested this device ${HOSTILE}`);
      const attempt = sampleAttempt({ vm });
      store.attempts.save({ ...attempt, evidence: [...attempt.evidence, said] }, { origin: "live" });
      const asked: readonly (readonly string[])[] = [
        ...[
          "starts",
          "history",
          "boots",
          "status",
          "check",
          "facts",
          "diff",
          "report",
          "blame",
          "alerts",
        ].map((name) => [name, "--database", path]),
        ["show", "1", "--database", path],
        ["blame", "--vm", HOSTILE, "--database", path],
        ["report", "--vm", `no ${HOSTILE}`, "--database", path],
        ["starts", HOSTILE, "--database", `/nonexistent/${HOSTILE}`],
        ["import", `/nonexistent/${HOSTILE}`, "--database", path],
        ["replay", `/nonexistent/${HOSTILE}`],
        ["explain", "-"],
        ["signatures"],
        ["config"],
      ];
      let shown = 0;
      for (const args of asked) {
        const { out } = await runProgram(
          [...args, "--json"],
          { VFIO_WATCH_ROOT: "/nonexistent" },
          { input: said.observation.kind === "kernel-record" ? said.observation.text : "" },
        );
        assert.doesNotMatch(out, RAW, args.join(" "));
        if (out.includes("\\u202e")) shown++;
      }
      assert.ok(shown >= 5, `only ${shown} commands showed the name at all`);
      const metrics = await runProgram(["status", "--metrics", "--database", path]);
      assert.match(metrics.out, /vfio_watch_starts\{vm="a/);
      assert.doesNotMatch(metrics.out, RAW);
    }));

  it("is made in one way by every command that makes one", () => {
    const commands = new URL("../../src/cli/commands/", import.meta.url);
    assert.ok(readdirSync(commands).length >= Object.keys(COMMAND_SUMMARIES).length);
    for (const file of readdirSync(commands))
      assert.doesNotMatch(readFileSync(new URL(file, commands), "utf8"), /out\([^;]*JSON\.stringify/, file);
  });
});
