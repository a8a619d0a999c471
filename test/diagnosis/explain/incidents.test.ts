import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { explain, firstOf } from "./explaining.ts";

const refused = (time: string, vm: string, why: string) =>
  `${time} host1 virtqemud[903]: internal error: QEMU unexpectedly closed the monitor (vm='${vm}'): qemu-system-x86_64: -device vfio-pci,host=0000:6a:00.0: vfio 0000:6a:00.0: ${why}`;
const VIABLE = "group 33 is not viable";
const BUSY = "Could not open '/dev/vfio/33': Device or resource busy";

describe("of several starts that failed", () => {
  test("the newest is the answer, and the others are listed with their time", () => {
    const text = [refused("Feb 02 09:10:00", "w11", BUSY), refused("Feb 02 11:40:00", "w11", VIABLE)].join(
      "\n",
    );
    const found = explain(text);
    assert.equal(firstOf(found), "group-not-viable");
    assert.equal(found.causes.length, 1);
    assert.deepEqual(
      found.others.map(({ when, vms, class: cause }) => ({ when, vms, cause })),
      [{ when: "Feb 02 09:10:00", vms: ["w11"], cause: "device-busy" }],
    );
  });
  test("what two VMs' starts say within a second is told apart by the VM", () => {
    const text = [refused("Feb 02 09:10:00", "w11", BUSY), refused("Feb 02 09:10:01", "media", VIABLE)].join(
      "\n",
    );
    const found = explain(text);
    assert.deepEqual(
      found.vms,
      ["media", "w11"].filter((vm) => found.vms.some((name) => name === vm)),
    );
    assert.equal(firstOf(found), "group-not-viable");
    assert.deepEqual(
      found.others.flatMap(({ vms }) => vms),
      ["w11"],
    );
  });
  test("a start that is asked for again begins another one", () => {
    const one = (why: string) =>
      `# virsh start w11\nerror: Failed to start domain 'w11'\nerror: internal error: process exited while connecting to monitor: qemu-system-x86_64: -device vfio-pci,host=0000:6a:00.0: vfio 0000:6a:00.0: ${why}`;
    const found = explain(`${one(BUSY)}\n\n${one(VIABLE)}`);
    assert.equal(firstOf(found), "group-not-viable");
    assert.equal(found.others.length, 1);
  });
});

describe("the kernel's word belongs to the start", () => {
  const kernel = (seconds: string) =>
    `[${seconds}] vfio-pci 0000:6a:00.0: Firmware has requested this device have a 1:1 IOMMU mapping, rejecting configuring the device without a 1:1 mapping. Contact your platform vendor.`;
  test("of whose device or sibling it speaks, wherever it stands in the text", () => {
    const container =
      "2026-01-05T10:00:00.512345Z qemu-system-x86_64: -device vfio-pci,host=0000:6a:00.1: vfio 0000:6a:00.1: failed to setup container for group 33: Failed to set group container: Invalid argument";
    const gap = Array.from({ length: 300 }, (_, index) => `[  900.${100 + index}] usb 1-4: new device`);
    assert.equal(
      firstOf(explain([kernel("  754.219816"), ...gap, container].join("\n"))),
      "iommu-direct-mapping-required",
    );
  });
  test("and the host's own trouble of another hour does not outrank it", () => {
    const aer =
      "Feb 02 03:00:00 host1 kernel: pcieport 0000:00:01.1: DPC: containment event, status:0x1f01 source:0x0000";
    const found = explain([aer, refused("Feb 02 09:10:00", "w11", BUSY)].join("\n"));
    assert.equal(firstOf(found), "device-busy");
    assert.ok(found.causes.some(({ class: cause }) => cause === "pcie-error"));
  });
});

describe("what was asked for tells a start from everything else", () => {
  const ended = "error: internal error: QEMU unexpectedly closed the monitor (vm='w11'): something";
  test("within the incident, and not wherever it stands in the text", () => {
    const attach = `# virsh attach-device w11 card.xml\n${ended}`;
    assert.equal(explain(attach).vmStartFailure, false);
    const hours = Array.from(
      { length: 90 },
      (_, index) => `Feb 02 10:00:${index % 60} h kernel: eth0: link up`,
    );
    const later = refused("Feb 02 11:40:00", "w11", VIABLE);
    assert.equal(explain([attach, ...hours, later].join("\n")).vmStartFailure, true);
  });
  test("a program that drives the device by itself starts no VM", () => {
    const kernel =
      "[  708.044615] vfio-pci 0000:6a:00.0: Device is ineligible for IOMMU domain attach due to platform RMRR requirement.  Contact your platform vendor.";
    assert.equal(explain(kernel).vmStartFailure, true);
    const switched = `ovs-vswitchd|00042|dpdk|ERR|EAL: Cannot add group\n${kernel}`;
    assert.equal(explain(switched).vmStartFailure, false);
    assert.equal(firstOf(explain(switched)), "iommu-direct-mapping-required");
  });
});

describe("words that another speaker says mean nothing for a VM:", () => {
  const harmless = [
    "[    0.000000] PCI: Unknown option `frobnicate'",
    "[  143.251786] foo-rproc soc7d-cm4: iommu not present",
    "Feb 02 11:36:31 desk9 photo-store[2246]: internal error: failed, but no error code: cancelled",
    "Feb 02 09:41:04 desk9 libvirtd[1749]: operation failed: pool 'isos' already exists with uuid 1f0e2d3c-0000-4000-8000-00000000aa01",
    "qemu-img: Could not open '/srv/images/m7.img': Failed to get \"write\" lock\nIs another process using the image [/srv/images/m7.img]?",
  ];
  for (const text of harmless) {
    test(text.slice(0, 70), () => {
      const { causes, vmStartFailure } = explain(text);
      assert.deepEqual({ causes, vmStartFailure }, { causes: [], vmStartFailure: false });
    });
  }
});

test("a hint of QEMU's does not outrank its error", () => {
  const text =
    "kvm: -device vfio-pci,host=0000:6a:00.0: vfio 0000:6a:00.0: error getting device from group 33: No such device\nVerify all devices in group 33 are bound to vfio-<bus> or pci-stub and not already in use";
  assert.equal(firstOf(explain(text)), "driver-binding");
});

test("of a storm told by two clocks the newest start is the answer and all others are listed", () => {
  const STARTS = 250;
  const text = Array.from({ length: STARTS }, (_, index) => {
    const at = new Date(Date.UTC(2026, 2, 2, 18) + index * 70_000).toISOString().replace("Z", "345Z");
    return [
      `[${(900 + index * 70).toFixed(6).padStart(12)}] vfio-pci 0000:03:00.0: Firmware has requested this device have a 1:1 IOMMU mapping, rejecting configuring the device without a 1:1 mapping. Contact your platform vendor.`,
      `${at} qemu-system-x86_64: -device vfio-pci,host=0000:03:00.0: vfio 0000:03:00.0: failed to setup container for group 17: Failed to set group container: Invalid argument`,
    ].join("\n");
  }).join("\n");
  const { causes, others, vmStartFailure } = explain(text);
  assert.equal(vmStartFailure, true);
  assert.equal(causes[0]?.class, "iommu-direct-mapping-required");
  assert.equal(others.length, STARTS - 1);
  assert.ok(others.every((other) => other.class === "iommu-direct-mapping-required"));
});
