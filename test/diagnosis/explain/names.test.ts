import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { devicesIn, particularDevicesIn, vmsIn } from "../../../src/diagnosis/explain/names.ts";

describe("devices", () => {
  test("are read from QEMU's option though the bus has one digit", () => {
    assert.deepEqual(devicesIn("-device vfio-pci,host=1:00.0 -S"), ["0000:01:00.0"]);
    assert.deepEqual(devicesIn("-device vfio-pci,host=1:0.3"), ["0000:01:00.3"]);
    assert.deepEqual(devicesIn("at 1:00.0 o'clock"), []);
  });
});

describe("VMs", () => {
  test("are read from commands, not from prose about commands", () => {
    assert.deepEqual(vmsIn("$ virsh -c qemu:///system start lab"), ["lab"]);
    assert.deepEqual(vmsIn("look at `virsh list --all`. To shutdown a VM, use `virsh destroy <name>`"), []);
    assert.deepEqual(vmsIn("qvm-start told me to look"), []);
    assert.deepEqual(vmsIn("$ qvm-start sys-net"), ["sys-net"]);
    assert.deepEqual(vmsIn("GUEST HOOK: 103 pre-start"), ["103"]);
  });
  test("are read from the commands of incus and lxc, whatever options stand before the name", () => {
    for (const text of [
      "Try `incus info --show-log desk` for more info",
      "$ incus info desk --show-log",
      "lxc start --console local:desk",
    ])
      assert.deepEqual(vmsIn(text), ["desk"], text);
    assert.deepEqual(vmsIn("incus info --show-log"), []);
  });
  test("are read from their TPM's log and their UEFI's settings", () => {
    assert.deepEqual(vmsIn("Failed to create file '/var/lib/libvirt/qemu/nvram/win10_VARS.fd'"), ["win10"]);
    assert.deepEqual(vmsIn("see /var/log/swtpm/libvirt/qemu/win10-swtpm.log"), ["win10"]);
  });
});

test("the lists of every boot name no device beside one that is in trouble", () => {
  const boot = "pci 0000:00:02.0: Adding to iommu group 1\npci 0000:04:00.0: Using iommu direct mapping";
  const viable = "vfio 0000:04:00.0: group 1 is not viable";
  assert.deepEqual(particularDevicesIn(`${boot}\n${viable}`), ["0000:04:00.0"]);
  assert.deepEqual(particularDevicesIn(boot), ["0000:00:02.0", "0000:04:00.0"]);
  assert.deepEqual(devicesIn(`${boot}\n${viable}`), ["0000:00:02.0", "0000:04:00.0"]);
});
