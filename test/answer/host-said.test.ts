import assert from "node:assert/strict";
import { it } from "node:test";
import { bootId, signatureId } from "../../src/model/identifiers.ts";
import { runProgram } from "../helpers/command-io.ts";
import { catalogue } from "../helpers/shipped-catalogue.ts";
import { withRecording } from "../report/replayed.ts";

const LOST = "NVRM: Xid (PCI:0000:2d:00): 79, pid=1, name=x, GPU has fallen off the bus.";

it("shows with a start what the kernel said in its boot beside the starts, before it or soon after", () =>
  withRecording("bios-update", async (store) => {
    const failed = store.attempts.list({ failedOnly: true, limit: 1 })[0];
    assert.ok(failed?.bootId !== undefined);
    const line = (text: string, signature: string, after: number, boot = failed.bootId) => ({
      ...({ source: "kernel-log", text, signature: signatureId(signature) } as const),
      ...{ at: failed.openedAt + after, ...(boot !== undefined && { bootId: boot }) },
    });
    store.sightings.record([
      line("PM: suspend exit", "kernel.suspend", -90_000),
      line("PM: suspend exit", "kernel.suspend", -30_000),
      line(LOST, "kernel.nvidia-off-the-bus", 1_000),
      line("PM: suspend entry (deep)", "kernel.suspend", 3_600_000),
      line(
        "PM: suspend entry (s2idle)",
        "kernel.suspend",
        -90_000,
        bootId("22222222-2222-4222-8222-222222222222"),
      ),
    ]);

    const shown = await runProgram(
      ["show", String(failed.number), "--database", store.path],
      {},
      { columns: 200 },
    );
    assert.match(shown.out, /beside its starts\n.*PM: suspend exit \(2 times, last .*\)\n(?:.*\n)*.*Xid/);
    assert.doesNotMatch(shown.out, /suspend entry/);
    const { out } = await runProgram(["show", String(failed.number), "--json", "--database", store.path], {});
    const said: readonly { text: string; count: number }[] = JSON.parse(out).hostSaid;
    const told = said.filter(({ text }) => text === LOST || text.startsWith("PM:"));
    assert.deepEqual(
      told.map(({ text, count }) => [text, count]),
      [
        ["PM: suspend exit", 2],
        [LOST, 1],
      ],
    );

    const report = await runProgram(
      ["report", String(failed.number), "--database", store.path],
      {},
      { columns: 200 },
    );
    assert.match(report.out, /beside its starts[\s\S]*PM: suspend exit[\s\S]*fallen off the bus/);
    assert.doesNotMatch(report.out, /suspend entry/);
  }));

const EVERYDAY = catalogue.signatures.find(({ role, severity }) => role === "context" && severity === "info");

it("leaves out what every healthy boot says", () =>
  withRecording("bios-update", async (store) => {
    const failed = store.attempts.list({ failedOnly: true, limit: 1 })[0];
    assert.ok(failed?.bootId !== undefined && EVERYDAY !== undefined);
    const everyday = { source: "kernel-log", text: "everyday words", at: failed.openedAt - 1_000 } as const;
    store.sightings.record([{ ...everyday, signature: EVERYDAY.id, bootId: failed.bootId }]);
    const { out } = await runProgram(["show", String(failed.number), "--database", store.path], {});
    assert.match(out, /in order/);
    assert.doesNotMatch(out, /everyday words/);
  }));
