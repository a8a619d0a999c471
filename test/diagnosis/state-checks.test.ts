import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checkHostState } from "../../src/diagnosis/state-checks.ts";
import type { HostState } from "../../src/model/host-state.ts";
import { vmName } from "../../src/model/identifiers.ts";
import { type Reading, read, unreadable } from "../../src/model/reading.ts";
import type { VmDefinition } from "../../src/model/virtual-machine.ts";
import { bdf, recordedHost, recordingPath } from "../helpers/recorded-tree.ts";

function value<T>(reading: Reading<T>): T {
  assert.ok(reading.state === "read");
  return reading.value;
}

function recorded(name: string, snapshot = "snap-before"): { host: HostState; vm: VmDefinition } {
  const host = recordedHost(recordingPath(name, snapshot), recordingPath(name, "libvirt"));
  const vm = value(host.vms).find(({ definition }) => definition.name === "Windows 11")?.definition;
  assert.ok(vm !== undefined, name);
  return { host, vm };
}

const checksOf = (name: string, snapshot?: string) => {
  const { host, vm } = recorded(name, snapshot);
  return checkHostState(vm, host).map(({ signature, certainty }) => `${signature} ${certainty}`);
};

describe("the host's state before a start", () => {
  // The rig's own record of what then happened stands in each recording.
  const expected: Readonly<Record<string, readonly string[]>> = {
    "good-amd": [],
    "good-intel": [],
    memlock: [],
    "ivmd-amd": ["state.direct-region certain"],
    "rmrr-intel": ["state.direct-region certain"],
    "rmrr-intel-systemd": ["state.direct-region certain"],
    "group-not-viable": ["state.group-shared-with-host likely"],
    "intremap-off": ["state.no-interrupt-remapping likely"],
    "iommu-off": ["state.no-iommu-groups certain"],
    "iommu-absent": ["state.no-iommu-groups certain", "state.no-interrupt-remapping likely"],
    "no-vfio-node": ["state.no-vfio-container likely"],
    "wrong-address": ["state.device-absent certain"],
    "not-bound": ["state.unmanaged-not-bound certain", "state.group-shared-with-host likely"],
  };
  for (const [name, checks] of Object.entries(expected)) {
    it(`${name}: ${checks.length === 0 ? "nothing stops the VM" : checks.join(", ")}`, () => {
      assert.deepEqual(checksOf(name), checks);
    });
  }

  it("names the firmware's entry and the BIOS with the region", () => {
    const { host, vm } = recorded("ivmd-amd");
    const [cause] = checkHostState(vm, host);
    assert.match(cause?.sentence ?? "", /BIOS E7E49AMSI\.1A95.*IOMMU group 8/);
    assert.match(
      cause?.evidence.join("\n") ?? "",
      /reserved_regions: 0x000000007fff0000 0x000000007fff7fff direct/,
    );
    assert.match(cause?.evidence.join("\n") ?? "", /IVRS: IVMD type 22h/);
  });

  it("is certain of the refusal since Linux 6.6 only, and unsure where the version is not known", () => {
    const { host, vm } = recorded("ivmd-amd");
    const certainty = (kernelRelease: HostState["kernelRelease"]) =>
      checkHostState(vm, { ...host, kernelRelease })[0]?.certainty;
    assert.equal(certainty(read("6.6.0")), "certain");
    assert.equal(certainty(read("6.12.54-Unraid")), "certain");
    assert.equal(certainty(read("6.1.106-Unraid")), undefined);
    assert.equal(certainty(unreadable("needs root")), "likely");
  });

  it("expects QEMU to fail on an older kernel where the VM's memory covers the range", () => {
    const { host, vm } = recorded("ivmd-amd");
    const old = { ...host, kernelRelease: read("6.1.106-Unraid") };
    const checks = (memoryKiB: number, machine: string) =>
      checkHostState({ ...vm, memoryKiB, machine }, old).map(({ signature }) => signature);
    // The region is at 0x7fff0000: below the 2 GiB that a large q35 VM has there, above a VM of 1 GiB.
    assert.deepEqual(checks(16 * 1024 * 1024, "pc-q35-9.2"), ["state.memory-over-direct-region"]);
    assert.deepEqual(checks(1024 * 1024, "pc-q35-9.2"), []);
  });

  it("foresees a memory limit below what a passed-through device needs locked", () => {
    const { host, vm } = recorded("good-amd");
    const check = (memoryKiB: number, hardLimitKiB: number) =>
      checkHostState({ ...vm, memoryKiB, memory: { hardLimitKiB } }, host).map(
        ({ signature, certainty }) => `${signature} ${certainty}`,
      );
    assert.deepEqual(check(4_194_304, 4_000_000), ["state.hard-limit-too-low certain"]);
    assert.deepEqual(check(4_194_304, 4_500_000), ["state.hard-limit-too-low possible"]);
    assert.deepEqual(check(4_194_304, 8_000_000), []);
  });

  it("concludes nothing from what could not be read", () => {
    const { vm } = recorded("ivmd-amd");
    const closed = unreadable("needs root");
    const blind: HostState = {
      kernelRelease: closed,
      bios: closed,
      devices: closed,
      groups: closed,
      firmwareDemands: closed,
      vfioNodes: closed,
      modules: closed,
      vms: closed,
      interruptRemapping: closed,
      kernelParameters: closed,
    };
    assert.deepEqual(checkHostState(vm, blind), []);
  });

  it("sees a device that another running VM has, and not one of a VM that is off", () => {
    const { host, vm } = recorded("good-amd");
    const other = { ...vm, name: vmName("other"), hostDevices: [{ bdf: bdf("01:00.0"), managed: true }] };
    const withOther = (state: "running" | "shutoff") =>
      checkHostState(vm, {
        ...host,
        vms: read([
          { definition: vm, state: { state: "shutoff", reason: "unknown" } },
          { definition: other, state: { state, reason: "unknown" } },
        ]),
      }).map(({ signature }) => signature);
    assert.deepEqual(withOther("running"), ["state.in-use-by-vm"]);
    assert.deepEqual(withOther("shutoff"), []);
  });

  it("says nothing of a VM without passed-through devices", () => {
    const { host, vm } = recorded("iommu-off");
    assert.deepEqual(checkHostState({ ...vm, hostDevices: [] }, host), []);
  });
});
