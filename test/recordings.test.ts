import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { createAlerter } from "../src/alerts/alerter.ts";
import { alertPolicy } from "../src/alerts/policy.ts";
import { loadConfig } from "../src/config.ts";
import { createAlerting } from "../src/daemon/alerting.ts";
import { loadCatalogue } from "../src/diagnosis/catalogue.ts";
import { askBlame } from "../src/history/ask-blame.ts";
import { lastGoodWith } from "../src/history/last-good.ts";
import type { Outcome, StartAttempt } from "../src/model/attempt.ts";
import type { CauseClass } from "../src/model/catalogue.ts";
import { vmName } from "../src/model/identifiers.ts";
import { shippedConfigDirectory } from "../src/places.ts";
import { readRecordings } from "../src/replay/recording.ts";
import { asTheyHappened, replay } from "../src/replay/replay.ts";
import type { StoredHotPlug } from "../src/store/record-stores.ts";

const RECORDINGS = join(fileURLToPath(import.meta.url), "..", "fixtures", "recordings");
const GPU = "0000:01:00.0";

interface Expected {
  readonly vm: string;
  readonly outcome: Outcome;
  readonly cause?: CauseClass;
  readonly device?: string;
  readonly group?: number;
}

const windows = (outcome: Outcome, cause?: CauseClass, device?: string, group?: number): Expected => ({
  vm: "Windows 11",
  outcome,
  ...(cause && { cause }),
  ...(device && { device }),
  ...(group !== undefined && { group }),
});

const WITHOUT_QEMU = "one of 'Windows 11', 'other', 'plain', 'third', 'twin' and 1 more";

/** What the rig did, by recording; the truth stands in each recording's rig-log.txt. */
const EXPECTED: Readonly<Record<string, readonly Expected[]>> = {
  "good-intel": [windows("started"), windows("started")],
  "good-amd": [windows("started"), windows("started")],
  "rmrr-intel": [windows("failed", "iommu-direct-mapping-required", GPU, 8)],
  "rmrr-intel-systemd": [windows("failed", "iommu-direct-mapping-required", GPU, 8)],
  "ivmd-amd": [windows("failed", "iommu-direct-mapping-required", GPU)],
  "group-not-viable": [windows("failed", "group-not-viable", GPU, 8)],
  "in-use": [{ vm: "other", outcome: "started" }, windows("failed", "device-busy", GPU, 8)],
  "busy-outside": [windows("failed", "device-busy", GPU, 8)],
  "not-bound": [windows("failed", "driver-binding", GPU, 8)],
  "no-vfio-module": [windows("failed", "driver-binding")],
  "no-vfio-node": [windows("failed", "driver-binding")],
  "iommu-off": [windows("failed", "iommu-not-enabled")],
  "iommu-absent": [windows("failed", "iommu-not-enabled")],
  "intremap-off": [windows("failed", "interrupt-remapping-missing")],
  memlock: [windows("failed", "memlock-limit", GPU, 8)],
  "wrong-address": [windows("failed", "device-missing", "0000:07:00.0")],
  "negative-controls": [
    { vm: "nodisk vm", outcome: "failed", cause: "host-resource-missing" },
    { vm: "badargs", outcome: "failed", cause: "vm-config-invalid" },
    { vm: "toolarge", outcome: "failed", cause: "memory-alloc-failed" },
    { vm: "hooked", outcome: "failed", cause: "host-resource-missing" },
  ],
  "dma-fault-intel": [],
  // Two starts at one moment, twice: of the second pair one gets the device, and nothing in any log says so.
  "starts-at-once": [
    { vm: "dvm", outcome: "failed", cause: "host-resource-missing" },
    { vm: "gvm", outcome: "failed", cause: "group-not-viable", device: GPU, group: 8 },
    { vm: "pb", outcome: "failed", cause: "device-busy", device: GPU, group: 8 },
    { vm: "pa", outcome: "started" },
    { vm: "mapped", outcome: "failed", cause: "dma-map-failed", device: "0000:03:00.0" },
    { vm: "huge", outcome: "failed", cause: "memory-alloc-failed" },
  ],
  // VMs given a device while they run, a hot-plug that is refused and a device that is wanted back (no starts), QEMU
  // run by hand with a card that two VMs have, a missing QEMU, refusing hooks, a VM renamed between two starts.
  "changed-while-running": [
    windows("started"),
    windows("failed", "group-not-viable", GPU, 8),
    { vm: "other", outcome: "started" },
    { vm: "other", outcome: "started" },
    { vm: "third", outcome: "failed", cause: "host-resource-missing" },
    {
      vm: "one of 'Windows 11', 'twin' (0000:01:00.0)",
      ...{ outcome: "failed", cause: "iommu-direct-mapping-required", device: GPU },
    },
    { vm: WITHOUT_QEMU, outcome: "failed", cause: "host-resource-missing" },
    { vm: WITHOUT_QEMU, outcome: "failed", cause: "host-resource-missing" },
    { vm: "nobin", outcome: "failed", cause: "host-resource-missing" },
    { vm: "nobin", outcome: "started" },
    { vm: "renamed", outcome: "failed", cause: "host-resource-missing" },
  ],
  // The kernel refuses a running VM a device that another has in its definition; then that one's starts fail.
  "hot-plug-refused": [
    { vm: "other", outcome: "started" },
    ...[1, 2, 3].map(() => windows("failed", "iommu-direct-mapping-required", GPU, 8)),
  ],
  "agesa-update": [windows("started"), windows("failed", "iommu-direct-mapping-required", GPU)],
  // A VM that starts, is renamed and does not start any more, because the other function of its card got a driver.
  "renamed-vm": [
    windows("started"),
    { vm: "Gaming", outcome: "failed", cause: "group-not-viable", device: GPU, group: 8 },
  ],
  // The clock is set back two days after the good start, and a year after the first failure.
  "clock-set-back": [
    windows("started"),
    windows("failed", "group-not-viable", GPU, 8),
    windows("failed", "group-not-viable", GPU, 8),
  ],
  "bios-update": [
    windows("started"),
    windows("failed", "iommu-direct-mapping-required", GPU),
    windows("started"),
  ],
};

const { catalogue } = loadCatalogue({ shippedDirectory: join(shippedConfigDirectory(), "signatures") });

const NO_SETTINGS = { shippedFile: undefined, overrideFile: "/nonexistent", unraid: false };

async function hotPlugsOf<T>(name: string, what: (hotPlug: StoredHotPlug) => T): Promise<readonly T[]> {
  const boots = readRecordings(join(RECORDINGS, name));
  if ("problem" in boots) assert.fail(boots.problem);
  return await replay(boots, catalogue, { use: (store) => store.hotPlugs.list().map(what) });
}

it("a recorded hot-plug that the kernel refuses is the running VM's, with both their words and the reason", async () => {
  const told = await hotPlugsOf("hot-plug-refused", ({ vms, devices, summary }) => [vms, devices, summary]);
  assert.deepEqual(
    told.map(([vms, devices]) => [vms, devices]),
    [[["other"], [GPU]]],
  );
  assert.match(String(told[0]?.[2]), /demands a fixed 1:1 memory mapping .* to 'other'/);
});

it("a recorded hot-plug that is refused, and a device that is wanted back, are the running VM's and no starts", async () => {
  const told = await hotPlugsOf("changed-while-running", ({ vms, action, outcome, devices }) => [
    ...[vms, action, outcome, devices],
  ]);
  assert.deepEqual(told, [
    [["other"], "detach", "hangs", ["0000:03:00.0"]],
    [["other"], "attach", "refused", [GPU]],
  ]);
});

it("a recorded VM that was renamed has the starts that it had under its old name, also in blame", async () => {
  const boots = readRecordings(join(RECORDINGS, "renamed-vm"));
  if ("problem" in boots) assert.fail(boots.problem);
  const { starts, lastGood, vms } = await replay(boots, catalogue, {
    use: (store) => ({
      starts: store.attempts.list({ vm: vmName("Gaming") }).map(({ vm, outcome }) => [vm, outcome]),
      lastGood: store.attempts.list({ vm: vmName("Gaming"), startedOnly: true, limit: 1 })[0]?.outcome,
      vms: store.vms.present().map(({ name }) => name),
    }),
  });
  assert.deepEqual(starts, [
    ["Gaming", "failed"],
    ["Gaming", "started"],
  ]);
  assert.equal(lastGood, "started");
  assert.deepEqual(vms, ["Gaming"]);
});

it("a recorded clock that is set back orders nothing: the newest start comes first, and is told with the first", async () => {
  const boots = readRecordings(join(RECORDINGS, "clock-set-back"));
  if ("problem" in boots) assert.fail(boots.problem);
  let wall = 0;
  const clock = { now: () => wall };
  const policy = () =>
    alertPolicy(loadConfig({ paths: NO_SETTINGS }).config, { unraid: false, proxmox: false });
  const { listed, lastGood, told, turn } = await replay(boots, catalogue, {
    onSettled(boot, attempt, number, store, snapshotId) {
      wall = attempt.openedAt;
      const alerter = createAlerter({ store: store.alerts, clock, policy });
      const alerting = createAlerting({
        ...{ store, alerter, catalogue, clock, bootId: boot.bootId, host: () => undefined },
      });
      alerting.attemptSettled(attempt, number, snapshotId);
    },
    use: (store) => ({
      listed: store.attempts
        .list()
        .map(({ outcome, openedAt }) => [outcome, new Date(openedAt).toISOString().slice(0, 10)]),
      lastGood: lastGoodWith(store.attempts, vmName("Windows 11"), [], 3)?.row.number,
      turn: askBlame(store, { vm: vmName("Windows 11") }).blame.boundary,
      told: store.alerts
        .incidents({})
        .map(({ id, count }) => [
          count,
          store.alerts.deliveriesOf(id).length,
          store.alerts.incident(id)?.closedAt,
        ]),
    }),
  });
  assert.deepEqual(listed, [
    ["failed", "2025-11-29"],
    ["failed", "2026-11-29"],
    ["started", "2026-12-01"],
  ]);
  assert.equal(lastGood, 1);
  assert.deepEqual([turn?.lastGood.firstNumber, turn?.firstBad.firstNumber], [1, 2]);
  assert.deepEqual(told, [[2, 1, undefined]], "counted twice, told once, and still open");
});

async function attemptsOf(name: string): Promise<readonly StartAttempt[]> {
  const boots = readRecordings(join(RECORDINGS, name));
  if ("problem" in boots) assert.fail(boots.problem);
  const settled = new Map<string, StartAttempt>();
  await replay(boots, catalogue, {
    onSettled: (_boot, attempt) => settled.set(attempt.id, attempt),
    use: () => undefined,
  });
  return [...settled.values()].sort(asTheyHappened);
}

describe("a genuine recording replayed through the pipeline", () => {
  const rows: string[] = [];
  for (const [name, expected] of Object.entries(EXPECTED)) {
    it(`${name} gives the right outcome, cause, device and group`, async () => {
      const attempts = await attemptsOf(name);
      for (const attempt of attempts) {
        const [first] = attempt.diagnosis?.causes ?? [];
        rows.push(
          [
            name,
            attempt.vm,
            attempt.outcome,
            first?.class ?? "-",
            first?.devices.join(",") || "-",
            first?.groups.join(",") || "-",
          ]
            .map((cell, column) => String(cell).padEnd([19, 11, 8, 30, 27, 3][column] ?? 0))
            .join(" "),
        );
      }
      assert.deepEqual(
        attempts.map(({ vm, outcome }) => [vm, outcome]),
        expected.map(({ vm, outcome }) => [vm, outcome]),
      );
      for (const [index, { cause, device, group }] of expected.entries()) {
        const diagnosis = attempts[index]?.diagnosis;
        assert.equal(diagnosis?.causes[0]?.class, cause, JSON.stringify(diagnosis, undefined, 1));
        if (device !== undefined)
          assert.ok(
            diagnosis?.causes[0]?.devices.some((bdf) => bdf === device),
            JSON.stringify(diagnosis),
          );
        if (group !== undefined)
          assert.ok(diagnosis?.causes[0]?.groups.includes(group), JSON.stringify(diagnosis));
        if (name === "negative-controls") assert.equal(diagnosis?.deviceRelated, false);
      }
    });
  }
  it("prints the table", (context) => {
    for (const row of rows) context.diagnostic(row);
    assert.ok(rows.length > 0);
  });
});
