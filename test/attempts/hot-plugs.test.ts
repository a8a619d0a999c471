import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { SignatureMatch } from "../../src/model/catalogue.ts";
import { signatureId } from "../../src/model/identifiers.ts";
import type { VmDeviceChange } from "../../src/model/observation.ts";
import type { VmDefinition } from "../../src/model/virtual-machine.ts";
import {
  base,
  bench,
  definition,
  GPU,
  kernel,
  libvirtd,
  lifecycle,
  logEnd,
  logStart,
  NIC,
  REFUSAL,
  T0,
} from "./bench.ts";

const DEVICE_ADD = `internal error: unable to execute QEMU command 'device_add': vfio ${GPU}: failed to setup container for group 14: Failed to set group container: Invalid argument`;

function running(vm: string, at: number, has: VmDefinition) {
  return [logStart(vm, at, []), { ...lifecycle(vm, at + 300, "started", "booted"), running: has }];
}

function withId(id: string): readonly SignatureMatch[] {
  const [match] = REFUSAL;
  assert.ok(match);
  const signature = {
    ...match.signature,
    id: signatureId(id),
    role: "symptom",
    class: "device-busy",
  } as const;
  return [{ signature, captures: {} }];
}

describe("a device that is plugged into a VM that runs", () => {
  it("and refused is no start, though a VM that does not run has it in its definition", () => {
    for (const order of ["kernel first", "libvirt first"]) {
      const { feed, clock, outcomes, hotPlugs } = bench();
      for (const said of running("plain", 1000, definition("plain", []))) feed(said);
      const pieces = [kernel(100_000, GPU), libvirtd(100_040, DEVICE_ADD)];
      for (const said of order === "kernel first" ? pieces : pieces.toReversed()) feed(said);
      clock.moveTo(T0 + 300_000);
      assert.deepEqual(
        outcomes().map(({ vm, outcome }) => [vm, outcome]),
        [["plain", "started"]],
        order,
      );
      assert.deepEqual(
        hotPlugs().map(({ vms, action, outcome, devices, groups, evidence }) => [
          ...[vms, action, outcome, devices, groups],
          evidence.map(({ observation }) => observation.kind),
        ]),
        [[["plain"], "attach", "refused", [GPU], [14], ["kernel-record", "libvirtd-record"]]],
        order,
      );
    }
  });

  it("may be of any that ran and did not have it", () => {
    const { feed, clock, hotPlugs } = bench({ others: [definition("third", [])] });
    for (const said of running("plain", 1000, definition("plain", []))) feed(said);
    for (const said of running("third", 2000, definition("third", []))) feed(said);
    for (const said of running("ubuntu", 3000, definition("ubuntu", [NIC]))) feed(said);
    feed(libvirtd(100_000, DEVICE_ADD.replace(GPU, NIC)));
    clock.moveTo(T0 + 200_000);
    assert.deepEqual(
      hotPlugs().map(({ vms }) => vms),
      [["plain", "third"]],
    );
  });

  it("is none of a disk that is plugged in", () => {
    const { feed, clock, hotPlugs } = bench();
    for (const said of running("plain", 1000, definition("plain", []))) feed(said);
    feed(
      libvirtd(
        9000,
        "internal error: unable to execute QEMU command 'device_add': Failed to get \"write\" lock",
      ),
    );
    clock.moveTo(T0 + 60_000);
    assert.deepEqual(hotPlugs(), []);
  });

  it("is what the kernel alone tells of where every VM that is to get the device runs without it", () => {
    const { feed, clock, outcomes, hotPlugs } = bench();
    feed(logStart("Windows 11", 1000, []));
    feed(kernel(100_000, GPU));
    clock.moveTo(T0 + 1_300_000);
    assert.deepEqual(
      outcomes().map(({ vm, outcome }) => [vm, outcome]),
      [["Windows 11", "started"]],
    );
    assert.deepEqual(
      hotPlugs().map(({ vms, action, outcome }) => [vms, action, outcome]),
      [[["Windows 11"], "attach", "refused"]],
    );
  });
});

describe("a device that the host wants back from a VM that runs", () => {
  const asked = (at: number) => kernel(at, NIC, "Relaying device request to user (#0)");
  const has = { ...definition("ubuntu", [NIC]) };
  const change = (at: number, what: VmDeviceChange["change"], now?: VmDefinition): VmDeviceChange => ({
    ...{ ...base(at), kind: "vm-device", source: "libvirt", vm: has.name, change: what, alias: "hostdev0" },
    ...(now !== undefined && { running: now }),
  });

  it("hangs when the VM keeps it", () => {
    const { feed, clock, hotPlugs } = bench();
    for (const said of running("ubuntu", 1000, has)) feed(said);
    feed(asked(100_000), withId("kernel.release-asked"));
    clock.moveTo(T0 + 110_000);
    assert.deepEqual(hotPlugs(), []);
    clock.moveTo(T0 + 120_000);
    feed(kernel(121_000, NIC, "Device is currently in use"), withId("kernel.release-blocked"));
    clock.moveTo(T0 + 130_000);
    assert.deepEqual(
      hotPlugs().map(({ vms, action, outcome, devices, evidence }) => [
        ...[vms, action, outcome, devices],
        evidence.length,
      ]),
      [[["ubuntu"], "detach", "hangs", [NIC], 2]],
    );
  });

  it("is given back in time, or goes with its VM", () => {
    for (const end of [
      change(103_000, "removed", definition("ubuntu", [])),
      logEnd("ubuntu", 103_000, "shutdown"),
    ]) {
      const { feed, clock, hotPlugs } = bench();
      for (const said of running("ubuntu", 1000, has)) feed(said);
      feed(asked(100_000), withId("kernel.release-asked"));
      feed(end);
      clock.moveTo(T0 + 300_000);
      assert.deepEqual(hotPlugs(), [], end.kind);
    }
  });

  it("is refused where libvirt hears so from the guest", () => {
    const { feed, clock, hotPlugs } = bench();
    const [device] = has.hostDevices;
    assert.ok(device);
    const aliased = { ...has, hostDevices: [{ ...device, alias: "hostdev0" }] };
    for (const said of running("ubuntu", 1000, aliased)) feed(said);
    feed(change(9000, "removal-failed"));
    clock.moveTo(T0 + 60_000);
    assert.deepEqual(
      hotPlugs().map(({ vms, action, outcome, devices }) => [vms, action, outcome, devices]),
      [[["ubuntu"], "detach", "refused", [NIC]]],
    );
  });

  it("is not asked of anybody where no VM has it", () => {
    const { feed, clock, hotPlugs } = bench();
    feed(asked(1000), withId("kernel.release-asked"));
    clock.moveTo(T0 + 60_000);
    assert.deepEqual(hotPlugs(), []);
  });
});
