import assert from "node:assert/strict";
import { utimesSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { vmName } from "../../src/model/identifiers.ts";
import { createWorkbench, signatures } from "./importing.ts";
import { type MadeUpBoot, makeDiagnostics, makeDomainLog, makeSyslog, VM } from "./make-diagnostics.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const BEGUN = Date.UTC(2026, 9, 1, 8);

function boot(day: number, bios: string, works: boolean, starts = 2): MadeUpBoot {
  const startedAt = BEGUN + day * DAY;
  return {
    ...{ bios, startedAt, madeAt: startedAt + 5 * HOUR },
    starts: Array.from({ length: starts }, (_, index) => ({ at: startedAt + (index + 1) * HOUR, works })),
  };
}
const [GOOD, BROKEN, HEALED] = [
  boot(0, "1.A63", true),
  boot(2, "1.A95", false),
  boot(4, "1.A63", true),
] as const;

type Piece = "good" | "healed" | "syslog-previous" | "vm-log";

/** A history that takes these pieces in, one command after the other. */
async function taken(context: TestContext, runs: readonly (readonly Piece[])[]) {
  const bench = createWorkbench(context);
  const diagnostics = (made: MadeUpBoot) => {
    const { name, bytes } = makeDiagnostics(made);
    return bench.write(name, bytes);
  };
  const paths: Readonly<Record<Piece, string>> = {
    good: diagnostics(GOOD),
    healed: diagnostics(HEALED),
    "syslog-previous": bench.write("syslog-previous", makeSyslog(BROKEN)),
    "vm-log": bench.write(`${VM}.log`, makeDomainLog(BROKEN.starts)),
  };
  // Its stamps have no year: when it was written last says which.
  utimesSync(paths["syslog-previous"], BROKEN.madeAt / 1000, BROKEN.madeAt / 1000);
  for (const run of runs) await bench.import(run.map((piece) => paths[piece]));
  return bench;
}

const startsOf = ({ store }: Awaited<ReturnType<typeof taken>>) =>
  store.attempts.list({ first: "oldest" }).map(({ vm, outcome, cause, devices, bootOrdinal, openedAt }) => ({
    ...{ vm, outcome, cause, devices, bootOrdinal },
    at: Math.round(openedAt / 10_000),
  }));

test("syslog-previous alone has its two refusals, of the device, for no VM is known yet", async (context) => {
  const bench = await taken(context, [["syslog-previous"]]);
  assert.deepEqual(
    startsOf(bench).map(({ vm, outcome, cause }) => ({ vm, outcome, cause })),
    [1, 2].map(() => ({
      ...{ vm: "unknown VM (0000:01:00.0)", outcome: "failed", cause: "iommu-direct-mapping-required" },
    })),
  );
});

test("a start of nobody's becomes the VM's as soon as that is known, and nobody's name is forgotten", async (context) => {
  for (const later of ["good", "vm-log"] as const) {
    const bench = await taken(context, [["syslog-previous"], [later]]);
    assert.deepEqual(
      bench.store.attempts.list({ failedOnly: true }).map(({ vm }) => vm),
      [VM, VM],
      later,
    );
    assert.deepEqual(bench.store.vms.everyName(), [vmName(VM)]);
  }
});

test("whatever is taken in first, and together or apart, the history says the same", async (context) => {
  const pieces: readonly Piece[] = ["good", "healed", "syslog-previous", "vm-log"];
  const together = startsOf(await taken(context, [pieces]));
  assert.equal(together.length, 6);
  assert.ok(together.every(({ vm }) => vm === VM));
  await fc.assert(
    fc.asyncProperty(
      fc.shuffledSubarray([...pieces], { minLength: pieces.length }),
      fc.subarray([1, 2, 3]),
      async (order, cuts) => {
        const ends = [...cuts, order.length];
        const runs = ends.map((end, index) => order.slice(index === 0 ? 0 : ends[index - 1], end));
        assert.deepEqual(startsOf(await taken(context, runs)), together, JSON.stringify(runs));
      },
    ),
    { numRuns: 15 },
  );
});

test("a journal as text has the VM that libvirt names in it, with what it said", async (context) => {
  const bench = createWorkbench(context);
  const recording = new URL("../fixtures/recordings/rmrr-intel-systemd/journal.txt.gz", import.meta.url);
  await bench.import([fileURLToPath(recording)]);
  const [start, ...others] = bench.store.attempts.list();
  assert.deepEqual([start?.vm, start?.outcome, start?.devices, others], [VM, "failed", ["0000:01:00.0"], []]);
  const said = bench.store.attempts.full(start?.number ?? 0, signatures)?.evidence ?? [];
  assert.ok(said.some(({ observation }) => observation.source === "libvirtd-log"));
});
