import assert from "node:assert/strict";
import { test } from "node:test";
import { createPreflightWatch } from "../../src/daemon/preflight-watch.ts";
import type { VmStatus } from "../../src/model/host-state.ts";
import { type Bdf, vmName } from "../../src/model/identifiers.ts";
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
  const preflight = createPreflightWatch({
    alerting: {
      attemptSettled: () => {},
      hotPlugFailed: () => {},
      unrecorded: () => undefined,
      willNotStart: ({ definition: { name } }, causes, _snapshot, isRunning) =>
        told.push(`${name} ${causes[0]?.class}${isRunning ? " next time" : ""}`),
    },
    log: { info() {}, warn() {}, error() {}, debug() {} } as never,
    snapshots: { take: () => "", saveKept: () => {}, latest: () => undefined, outdate: () => {} },
    transaction: (work) => work(),
    remembered: () => [],
  });
  return { told, look: (vm: VmStatus) => preflight.look({ ...host, vms: { state: "read", value: [vm] } }) };
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
