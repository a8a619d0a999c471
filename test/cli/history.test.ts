import assert from "node:assert/strict";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { readTimeLine, type TimeLineEntry } from "../../src/history/time-line.ts";
import type { Incident } from "../../src/model/alert.ts";
import { type Bdf, bootId, vmName } from "../../src/model/identifiers.ts";
import { runProgram } from "../helpers/command-io.ts";
import { BEGINNING, BIOS_A95, bad, DAY, good, hostFacts, storeHistory } from "../helpers/made-history.ts";
import { temporaryDirectory } from "../helpers/recorded-tree.ts";
import { opened, sampleAttempt } from "../store/samples.ts";

const directory = temporaryDirectory();
after(() => directory.remove());
const path = join(directory.path, "history.db");
const store = opened(path);
after(() => store.close());
storeHistory(store, [
  { facts: hostFacts(), starts: [good(), good(1, { vm: "Other", devices: [] })] },
  { facts: hostFacts({ "vm.Other.machine": "pc-i440fx-9.2" }), starts: [] },
  { facts: hostFacts({ ...BIOS_A95, "vm.Other.machine": "pc-i440fx-9.2" }), starts: [bad(2)] },
]);
store.durable(() =>
  store.alerts.saveIncident({
    id: "inc-1",
    key: "start-failed:Windows 11",
    openedAt: BEGINNING + 2 * DAY + 61_000,
    lastAt: BEGINNING + 2 * DAY + 61_000,
    count: 1,
    closedAt: undefined,
    acknowledgedAt: undefined,
    silencedUntil: undefined,
    lastToldAt: undefined,
    reminders: 0,
    bootId: undefined,
    attemptId: undefined,
    content: {
      kind: "start-failed",
      importance: "alert",
      vm: vmName("Windows 11"),
      devices: [],
      subject: "'Windows 11' did not start",
      changes: [],
    },
  }),
);

const short = (entry: TimeLineEntry): string => {
  switch (entry.kind) {
    case "boot":
      return `b${entry.boot.ordinal} ${entry.bios}`;
    case "start":
      return `#${entry.start.number} ${entry.start.outcome}`;
    case "change":
      return `changed ${entry.changes.map(({ key }) => key)[0]}`;
    case "hot-plug":
      return `${entry.hotPlug.action} ${entry.hotPlug.outcome}`;
    case "alert":
      return `alert ${entry.incident.id}`;
  }
};
const line = (filter: Partial<Parameters<typeof readTimeLine>[1]> = {}) =>
  readTimeLine(store, { limit: 50, ...filter }).map(short);

describe("the time line", () => {
  it("tells boots, changes, starts and alerts in order", () => {
    assert.deepEqual(line(), [
      "b1 E7E49AMSI.1A63",
      "#1 started",
      "#2 started",
      "b2 E7E49AMSI.1A63",
      "changed vm.Other.machine",
      "b3 E7E49AMSI.1A95",
      "changed firmware.bios.version",
      "#3 failed",
      "alert inc-1",
      "#4 failed",
    ]);
  });

  it("keeps to one VM: its starts, its alerts, and changes that can matter for it", () => {
    assert.deepEqual(line({ vm: vmName("Windows 11") }), [
      "b1 E7E49AMSI.1A63",
      "#1 started",
      "b3 E7E49AMSI.1A95",
      "changed firmware.bios.version",
      "#3 failed",
      "alert inc-1",
      "#4 failed",
    ]);
    assert.deepEqual(
      line({ device: "0000:01:00.0" as Bdf }).filter((text) => text.startsWith("#")),
      ["#1 started", "#3 failed", "#4 failed"],
    );
  });

  it("keeps to a time, and to the newest so many", () => {
    assert.deepEqual(line({ until: BEGINNING + DAY / 2 }), ["b1 E7E49AMSI.1A63", "#1 started", "#2 started"]);
    assert.deepEqual(line({ since: BEGINNING + 2 * DAY + 61_000 }), ["alert inc-1", "#4 failed"]);
    assert.deepEqual(line({ limit: 2 }), ["alert inc-1", "#4 failed"]);
  });

  it("is printed with the ids that other commands take, and given to programs", async () => {
    const { code, out } = await runProgram(["history", "--database", path]);
    assert.equal(code, 0);
    assert.match(out, /^b3 +2025-08-03 18:00:00 UTC +boot: BIOS E7E49AMSI\.1A95, kernel 6\.12\.54-Unraid/m);
    assert.match(out, /changed: BIOS E7E49AMSI\.1A63 \(2025-08-05\) → E7E49AMSI\.1A95/);
    assert.match(out, /^#3 .*'Windows 11' failed: It failed with iommu-direct-mapping-required/m);
    assert.match(out, /^inc-1 .*alert: 'Windows 11' did not start/m);
    const [TZ] = [process.env.TZ];
    process.env.TZ = "America/St_Johns";
    const local = await runProgram(["history", "--database", path, "--since", "2025-08-03 15:29"]);
    assert.match(local.out, /^b3 +2025-08-03 15:30:00 -02:30 +boot/);
    const utc = await runProgram(["history", "--database", path, "--utc", "--since", "2025-08-03 18:01"]);
    assert.match(utc.out, /^#3 +2025-08-03 18:01:00 UTC/, "--since is read in the zone that is shown");
    assert.equal(process.env.TZ, "America/St_Johns");
    if (TZ === undefined) delete process.env.TZ;
    else process.env.TZ = TZ;
    const json = await runProgram(["history", "--json", "--vm", "Windows 11", "--database", path]);
    assert.equal((JSON.parse(json.out) as { entries: unknown[] }).entries.length, 7);
    const none = await runProgram(["history", "--until", "2001-01-01", "--database", path]);
    assert.match(none.out, /Nothing is on record that fits/);
    assert.equal((await runProgram(["history", "--device", "gpu", "--database", path])).code, 2);
  });
});

describe("the time line of a boot in which the clock was set back by two days", () => {
  const own = opened(join(directory.path, "set-back.db"));
  after(() => own.close());
  const [SET_BACK, begun] = [2 * DAY, BEGINNING];
  const boot = bootId("00000000-0000-4000-8000-00000000000a");
  const at = (steady: number) => begun + steady - (steady < 100_000 ? 0 : SET_BACK);
  const incident = (id: string, steady: number): Incident => ({
    ...{ id, key: `["start-failed","${id}"]`, openedAt: at(steady), lastAt: at(steady), count: 1 },
    ...{ closedAt: undefined, acknowledgedAt: undefined, silencedUntil: undefined, lastToldAt: undefined },
    ...{ reminders: 0, bootId: boot, steady, opened: { bootId: boot, steady }, attemptId: undefined },
    content: { kind: "start-failed", importance: "alert", devices: [], subject: id, changes: [] },
  });
  own.durable(() => {
    own.boots.begin({ id: boot, startedAt: begun, origin: "live" });
    for (const [id, steady, outcome] of [
      ["before", 60_000, "failed"],
      ["after", 160_000, "failed"],
      ["good", 260_000, "started"],
    ] as const)
      own.attempts.save(
        { ...sampleAttempt({ id, bootId: boot, openedAt: at(steady), outcome, evidence: [] }), steady },
        { origin: "live" },
      );
    own.alerts.saveIncident(incident("told before", 61_000));
    own.alerts.saveIncident(incident("told after", 161_000));
    own.hotPlugs.save(
      {
        ...{ id: "plug", vms: [], bootId: boot, at: at(200_000), steady: 200_000, action: "attach" },
        ...{ outcome: "refused", devices: [], groups: [], evidence: [] },
      },
      "it was refused",
    );
  });

  it("has everything in the order in which it happened", () => {
    assert.deepEqual(readTimeLine(own, { limit: 100 }).map(short), [
      "b1 undefined",
      "#1 failed",
      "alert told before",
      "#2 failed",
      "alert told after",
      "attach refused",
      "#3 started",
    ]);
  });

  it("lists alerts with the newest first", () => {
    assert.deepEqual(
      own.alerts.incidents({}).map(({ id }) => id),
      ["told after", "told before"],
    );
  });
});
