import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { createExplainer } from "../../../src/diagnosis/explain/explain.ts";
import { createLazyFinder } from "../../../src/diagnosis/generated/unknown-causes.ts";
import { loadMessages } from "../../../src/knowledge/load-messages.ts";
import { catalogue } from "../../helpers/shipped-catalogue.ts";

/** With the messages out of the programs' sources, as the command has them. */
const explain = createExplainer(
  catalogue,
  createLazyFinder(() => loadMessages(join(import.meta.dirname, "../../../config"))),
);

/** Kinds of text that people post and that nobody here had seen; the wording is the tests' own. */
describe("a text of a kind that was missed once", () => {
  const first = (text: string) => explain(text).causes[0];

  it("names who may not have the device although the group was free", () => {
    const text =
      "Error: Failed setting up device via monitor: Failed adding device: vfio 0000:c3:00.0: error getting device from group 52: Permission denied";
    assert.equal(first(text)?.class, "access-denied");
    assert.notEqual(first(text.replace("Permission denied", "No such device"))?.class, "access-denied");
  });

  it("knows that a node of the iommufd era is missing, whoever wanted it", () => {
    const text = "failed to generate spec: lstat /dev/vfio/devices/vfio7: no such file or directory";
    const found = explain(text);
    assert.equal(found.causes[0]?.class, "driver-binding");
    assert.match(found.causes[0]?.remedies.join(" ") ?? "", /VFIO_DEVICE_CDEV/);
    assert.equal(found.vmStartFailure, true);
  });

  it("knows that a device could not be bound to vfio-pci, whoever tried", () => {
    const text =
      'Error: Failed to start device "card": Failed setting driver override "vfio-pci" for device "0000:07:00.0" via "/sys/bus/pci/devices/0000:07:00.0/driver_override": write: no such device';
    assert.equal(first(text)?.class, "driver-binding");
    assert.equal(explain(text).vmStartFailure, true);
  });

  it("quotes what stands behind a wrapper that it knows", () => {
    const text = 'Error: Failed to start device "root": The moon is in the wrong quarter';
    assert.match(first(text)?.sentence ?? "", /The moon is in the wrong quarter/);
  });

  it("takes what Proxmox says of its own task for how it went", () => {
    const stuck = "kvm: vfio: Unable to power on device, stuck in D3";
    assert.equal(explain(`Start VM 204\n${stuck}\nTASK OK`).vmStartFailure, false);
    assert.equal(explain(`Start VM 204\n${stuck}\nVM 204 started with PID 4411.`).vmStartFailure, false);
    const failed = explain(`${stuck}\nTASK ERROR: start failed: QEMU exited with code 1`);
    assert.equal(failed.vmStartFailure, true);
    assert.equal(failed.causes[0]?.class, "power-state-stuck");
  });

  it("is not alarmed by a driver that asks, or says how it helps itself", () => {
    for (const line of [
      "vfio-pci 0000:45:00.0: AMD_NAVI10: bus reset disabled? yes",
      "vfio-pci 0000:45:00.0: invalid VPD tag 0xff (size 0) at offset 0; assume missing optional EEPROM",
    ])
      assert.deepEqual(explain(`[  812.220000] ${line}`).causes, [], line);
  });

  it("knows storage that Proxmox cannot use, and a processor that has too few cores", () => {
    const storage =
      "TASK ERROR: can't activate LV '/dev/tank/vm-777-disk-0': Check of pool tank/data failed (status:1).";
    assert.equal(first(storage)?.class, "host-resource-missing");
    assert.match(first(storage)?.sentence ?? "", /vm-777-disk-0/);
    assert.equal(first("TASK ERROR: MAX 12 vcpus allowed per VM on this node")?.class, "vm-config-invalid");
  });

  it("is understood behind a line of a log, where it begins with a word in capitals", () => {
    const text = [
      "Mar  1 10:00:01 host kernel: usb 1-1: new high-speed USB device number 4 using xhci_hcd",
      "Starting install...",
      "ERROR    Requested operation is not valid: network 'lab' is not active",
      "Domain installation does not appear to have been successful.",
    ].join("\n");
    assert.equal(first(text)?.class, "host-resource-missing");
  });
});
