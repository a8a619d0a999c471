import assert from "node:assert/strict";
import { test } from "node:test";
import { lastUpdate } from "../../src/history/last-update.ts";
import { type Bdf, vmName } from "../../src/model/identifiers.ts";
import { read, unreadable } from "../../src/model/reading.ts";
import type { VmState } from "../../src/model/virtual-machine.ts";
import type { PreflightFinding } from "../../src/preflight/finding.ts";
import { makeOverview, type OverviewInput } from "../../src/report/overview.ts";
import type { PreflightVm } from "../../src/report/page-input.ts";
import type { AttemptRow } from "../../src/store/attempt-store.ts";
import { BEGINNING, DAY, hostFacts, storeHistory, UNREADABLE } from "../helpers/made-history.ts";
import { withStore } from "../store/samples.ts";

const OFF: VmState = { state: "shutoff", reason: "unknown" };
const HOSTILE = vmName("<img src=x onerror=alert(1)>");

const finding = (fields: Partial<PreflightFinding>): PreflightFinding => ({
  ...{
    check: "state.direct-region",
    matter: "stops",
    certainty: "certain",
    sentence: "It cannot.",
    evidence: [],
  },
  ...{ remedies: ["Turn it off.", "Or on."], devices: [], groups: [] },
  ...fields,
});

const vm = (
  fields: Partial<PreflightVm> = {},
  devices: readonly string[] = ["0000:01:00.0"],
): PreflightVm => ({
  definition: {
    ...{ name: HOSTILE, uuid: "u", machine: "q35", firmware: "uefi", memoryKiB: 1, hugepages: false },
    hostDevices: devices.map((bdf) => ({ bdf: bdf as Bdf, managed: true })),
  },
  state: read(OFF),
  findings: [],
  unknown: [],
  ...fields,
});

const start = (outcome: AttemptRow["outcome"]) =>
  ({ number: 7, vm: HOSTILE, openedAt: 1_000, outcome, summary: "Because." }) as AttemptRow;

const FAILED = {
  ...{ number: 7, at: 1_000, why: "Because.", remedies: ["Go back.", "Or wait."], startedSince: undefined },
};

const overview = (fields: Partial<OverviewInput>) =>
  makeOverview({ now: 5, vms: [], failure: undefined, update: undefined, timeLine: undefined, ...fields });

const only = (one: PreflightVm) => overview({ vms: [one] }).vms[0];

test("each VM with passed-through devices has one verdict, with why and what to do first", () => {
  const stopped = only(vm({ findings: [finding({})] }));
  assert.deepEqual(
    [stopped?.verdict, stopped?.tone, stopped?.why, stopped?.todo],
    ["will-not-start", "bad", "It cannot.", "Turn it off."],
  );
  const used = finding({ check: "state.in-use-by-vm" });
  assert.deepEqual(
    [only(vm({ findings: [used] }))?.verdict, only(vm({ findings: [used] }))?.tone],
    ["will-not-start", "warning"],
  );
  assert.equal(only(vm({ findings: [finding({ certainty: "possible" })] }))?.verdict, "may-fail");
  assert.equal(only(vm({ unknown: ["Cannot be read."] }))?.verdict, "not-known");
  assert.equal(only(vm({ state: unreadable("off") }))?.word, "will start");
  const later = only(vm({ findings: [finding({ matter: "later", sentence: "Soon." })] }));
  assert.deepEqual([later?.verdict, later?.tone, later?.why], ["will-start", "warning", "Soon."]);
  assert.equal(overview({ vms: [vm({}, [])] }).vms.length, 0);
});

test("what failed last time is said unless something is known to stop it, or it runs", () => {
  const failed = only(vm({ failed: FAILED }));
  assert.deepEqual(
    [failed?.verdict, failed?.word, failed?.tone, failed?.why, failed?.todo, failed?.failed],
    [
      ...["failed-last-time", "failed last time", "warning", "Because.", "Go back."],
      { number: 7, at: 1_000 },
    ],
  );
  assert.equal(only(vm({ findings: [finding({})], failed: FAILED }))?.verdict, "will-not-start");
  const running = only(vm({ state: read({ state: "running", reason: "booted" }), failed: FAILED }));
  assert.deepEqual([running?.verdict, running?.failed], ["runs", undefined]);
  const since = { ...FAILED, startedSince: { number: 8, at: 2_000 } };
  assert.deepEqual(
    [only(vm({ failed: since }))?.verdict, only(vm({ failed: since }))?.failed],
    ["will-start", undefined],
  );
});

test("names and sentences stay as they are: who shows them escapes them", () => {
  const { vms, failure } = overview({ vms: [vm()], failure: { row: start("failed"), isOver: true } });
  assert.equal(vms[0]?.name, HOSTILE);
  assert.deepEqual(failure, { number: 7, vm: HOSTILE, at: 1_000, why: "Because.", isOver: true });
});

test("the last update is that of the newest boot with another BIOS or kernel; unreadable is not changed", async () => {
  const boot = (bios: string, kernel = "6.12.54") => ({
    facts: hostFacts({ "firmware.bios.version": bios, "kernel.release": kernel }),
    starts: [],
  });
  await withStore((store) => {
    storeHistory(store, [boot("A63"), boot("A95"), boot(UNREADABLE), boot("A95")]);
    assert.deepEqual(lastUpdate(store), { at: BEGINNING + DAY, sentence: "BIOS A63 → A95" });
  });
  await withStore((store) => {
    storeHistory(store, [boot("A63"), boot("A95"), boot("A95", "6.18.1")]);
    assert.deepEqual(lastUpdate(store), { at: BEGINNING + 2 * DAY, sentence: "kernel 6.12.54 → 6.18.1" });
  });
  await withStore((store) => {
    storeHistory(store, [boot("A63"), boot("A63")]);
    assert.equal(lastUpdate(store), undefined);
  });
});
