import assert from "node:assert/strict";
import { test } from "node:test";
import { createPreflightWatch } from "../../src/daemon/preflight-watch.ts";
import type { VmStatus } from "../../src/model/host-state.ts";
import { type Bdf, type VmName, vmName } from "../../src/model/identifiers.ts";
import type { VmDefinition, VmState } from "../../src/model/virtual-machine.ts";
import { FIRST_SNAPSHOT } from "../../src/replay/recording.ts";
import { recordedHost, recordingPath } from "../helpers/recorded-tree.ts";

/** A host whose firmware demands a 1:1 mapping for this device. */
const host = recordedHost(recordingPath("rmrr-intel", FIRST_SNAPSHOT));
const REFUSED = "0000:01:00.0" as Bdf;
const HARMLESS = "0000:03:00.0" as Bdf;

const definition = (...devices: readonly Bdf[]): VmDefinition => ({
  ...{
    name: vmName("Windows 11"),
    uuid: "u",
    machine: "q35",
    firmware: "uefi",
    memoryKiB: 1,
    hugepages: false,
  },
  hostDevices: devices.map((bdf) => ({ bdf, managed: true })),
});
const RUNNING: VmState = { state: "running", reason: "booted" };

function watch() {
  const told: string[] = [];
  const underWay = new Set<VmName>();
  const failed = new Set<Bdf>();
  const preflight = createPreflightWatch({
    alerting: {
      attemptSettled: () => {},
      calm: () => {},
      hotPlugFailed: () => {},
      unrecorded: () => undefined,
      willNotStart: ({ definition: { name } }, causes, _snapshot, isRunning) =>
        told.push(`${name} ${causes[0]?.class}${isRunning ? " next time" : ""}`),
    },
    log: { info() {}, warn() {}, error() {}, debug() {} } as never,
    snapshots: { take: () => "", saveKept: () => {}, latest: () => undefined, outdate: () => {} },
    transaction: (work) => work(),
    remembered: () => [],
    underWay: () => underWay,
    hasFailed: ({ hostDevices }) => hostDevices.every(({ bdf }) => failed.has(bdf)),
  });
  return {
    told,
    underWay,
    failed,
    look: (vm: VmStatus, comingUp?: "coming-up") =>
      preflight.look({ ...host, vms: { state: "read", value: [vm] } }, comingUp),
  };
}

test("a VM that is given a refused device while it runs is warned of, once", () => {
  const { told, look } = watch();
  look({ definition: definition(HARMLESS), state: RUNNING, running: definition(HARMLESS) });
  assert.deepEqual(told, []);
  const changed = { definition: definition(REFUSED), state: RUNNING, running: definition(HARMLESS) };
  look(changed);
  look(changed);
  assert.deepEqual(told, ["Windows 11 iommu-direct-mapping-required next time"]);
});

test("a VM that runs with what its next start gets is left alone", () => {
  const { told, look } = watch();
  look({ definition: definition(REFUSED), state: RUNNING, running: definition(REFUSED) });
  look({ definition: definition(REFUSED), state: RUNNING });
  assert.deepEqual(told, []);
});

const OFF: VmState = { state: "shutoff", reason: "unknown" };

test("a VM of which a start is under way is left alone until that is told", () => {
  const { told, look, underWay } = watch();
  underWay.add(vmName("Windows 11"));
  look({ definition: definition(REFUSED), state: OFF });
  assert.deepEqual(told, []);
  underWay.clear();
  look({ definition: definition(REFUSED), state: OFF });
  assert.deepEqual(told, ["Windows 11 iommu-direct-mapping-required"]);
});

test("while the host comes up only what lasts until the next boot is told", () => {
  const { told, look } = watch();
  const gone = "0000:0f:00.0" as Bdf;
  look({ definition: definition(gone), state: OFF }, "coming-up");
  assert.deepEqual(told, []);
  look({ definition: definition(REFUSED, gone), state: OFF }, "coming-up");
  assert.deepEqual(told, ["Windows 11 iommu-direct-mapping-required"]);
  look({ definition: definition(gone), state: OFF });
  assert.deepEqual(told.at(-1), "Windows 11 device-missing");
});

test("a VM that has failed in this boot is not warned of after that, unless it was given other devices", () => {
  const { told, look, failed } = watch();
  failed.add(REFUSED);
  look({ definition: definition(REFUSED), state: OFF });
  assert.deepEqual(told, []);
  look({ definition: definition(REFUSED, HARMLESS), state: OFF });
  assert.deepEqual(told, ["Windows 11 iommu-direct-mapping-required"]);
});
