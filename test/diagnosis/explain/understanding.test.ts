import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { explain, firstOf, recordedLog } from "./explaining.ts";

describe("what is not understood is not called healthy:", () => {
  for (const text of ["hello world", "lorem ipsum\ndolor sit amet", "dmesg: read kernel buffer failed: no"]) {
    test(text.slice(0, 40), () => {
      const { understanding, summary, lookedAt } = explain(text);
      assert.equal(understanding, "unknown");
      assert.match(summary, /no all-clear/);
      assert.equal(lookedAt.lines, text.split("\n").length);
    });
  }
  test("a boot in which the kernel says that it has a bug", () => {
    const log = [...recordedLog("good-amd"), "[  900.1] BUG: unable to handle page fault for address: 0"];
    assert.equal(explain(log.join("\n")).understanding, "unknown");
  });
});

test("a whole log without trouble is, with who said how much of it", () => {
  const { understanding, summary, devices } = explain(recordedLog("good-amd").join("\n"));
  assert.equal(understanding, "healthy");
  assert.match(summary, /\d+ lines of the kernel/);
  assert.deepEqual(devices, []);
});

test("an empty text is empty", () => {
  assert.equal(explain("").understanding, "empty");
  assert.equal(explain(" \n\n").understanding, "empty");
});

describe("where no message is known the refusing words are the answer:", () => {
  const summary = (text: string) => explain(text).summary;
  test("QEMU's behind its option", () => {
    assert.match(
      summary("qemu-system-x86_64: -chardev socket,id=c0: the moon is in the way"),
      /QEMU refused: the moon is in the way$/,
    );
  });
  test("QEMU's inside libvirt's", () => {
    assert.match(
      summary(
        "error: internal error: QEMU unexpectedly closed the monitor (vm='w7'): 2026-02-10T19:22:48.974831Z qemu-system-x86_64: -frob id=x: 'x' is not a frob",
      ),
      /QEMU refused: 'x' is not a frob/,
    );
  });
  test("libvirt's own, and Proxmox's", () => {
    assert.match(
      summary("error: Failed to start domain 'w7'\nerror: internal error: the moon"),
      /libvirt refused: the moon/,
    );
    assert.match(
      summary("TASK ERROR: start failed: the moon is in the way"),
      /Proxmox refused: the moon is in the way/,
    );
  });
  test("and only where there are none it says so", () => {
    assert.match(summary("error: Failed to start domain 'w7'"), /nothing in this text says why/);
  });
});

describe("what people suffer from beside starts is known:", () => {
  const events: Readonly<Record<string, string>> = {
    "[ 9.1] NVRM: Xid (PCI:0000:6a:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.":
      "device-lost",
    "[ 9.1] NVRM: Xid (PCI:0000:6a:00): 154, GPU recovery action changed from 0x0 (None) to 0x2 (Node Reboot Required)":
      "device-lost",
    "[ 9.1] NVRM: Xid (PCI:0000:6a:00): 119, pid=77, name=x, Timeout after 6s of waiting for RPC response from GPU0 GSP!":
      "device-lost",
    "[ 9.1] pcieport 0000:00:03.1: pciehp: Slot(5): Card not present": "device-lost",
    "[ 9.1] watchdog: BUG: soft lockup - CPU#9 stuck for 26s! [CPU 1/KVM:311]": "vm-hung",
    "[ 9.1] INFO: task qemu-system-x86:311 blocked for more than 241 seconds.": "vm-hung",
    "[ 9.1] [drm:psp_v13_0_ring_create [amdgpu]] *ERROR* psp ring create failed, timed out": "reset-failed",
    "[ 9.1] aer_ratelimit: 9 callbacks suppressed": "pcie-error",
    'qemu-system-x86_64: -device vfio-pci,host=6a:00.0,iommufd=i0: vfio 0000:6a:00.0: failed to load "/sys/bus/pci/devices/0000:6a:00.0/vfio-dev/vfio1/dev"':
      "driver-binding",
    "PCI device 0000:6a:00.0 has no iommuGroup available for the VM": "iommu-not-enabled",
  };
  for (const [text, cause] of Object.entries(events)) {
    test(text.slice(0, 80), () => assert.equal(firstOf(explain(text)), cause));
  }
});

describe("what a text says of its host is told and used", () => {
  const boot = [
    "[    0.000000] Linux version 6.12.54-Unraid (root@builder) (gcc)",
    "[    0.000000] Command line: BOOT_IMAGE=/bzimage initrd=/bzroot vfio-pci.ids=10de:2805",
    "[    0.000000] DMI: Some Vendor Board X9/X9, BIOS 3.17 04/05/2026",
    "[   90.1] vfio-pci 0000:6a:00.0: Firmware has requested this device have a 1:1 IOMMU mapping, rejecting configuring the device without a 1:1 mapping. Contact your platform vendor.",
  ].join("\n");
  test("from the kernel's own first lines", () => {
    const { host } = explain(boot);
    assert.deepEqual(
      { board: host.board, bios: host.bios, kernel: host.kernel, system: host.system },
      { board: "Some Vendor Board X9/X9", bios: ["3.17"], kernel: "6.12.54-Unraid", system: "unraid" },
    );
    assert.ok(host.parameters?.includes("vfio-pci.ids=10de:2805"));
  });
  test("and from people's words, with what a reader asks next", () => {
    const { host } = explain(
      `Motherboard: Some Board X9\nBIOS Version: 3.17\nBootloader: Limine (not Syslinux)\nIt worked on my old bios, and broke when I upgraded to the latest F31.\n/boot/config/vfio-pci.cfg: BIND=0000:6a:00.0|10de:2805\n${boot}`,
    );
    assert.deepEqual(host.bios, ["3.17", "F31"]);
    assert.deepEqual(host.loaders, ["Limine", "Syslinux"]);
    assert.equal(host.notes.length, 3);
  });
  test("a table in the initial RAM disk that overrides nothing is pointed out", () => {
    const found = "[    0.01] ACPI: IVRS ACPI table found in initrd [kernel/firmware/acpi/ivrs.aml][0xd0]";
    assert.match(explain(found).host.notes.join(), /nothing in this text says that it overrides/);
    const locked = `${found}\n[    0.02] ACPI: kernel is locked down, ignoring table override`;
    assert.match(explain(locked).host.notes.join(), /locked down/);
    const used = `${found}\n[    0.02] ACPI: Table Upgrade: override [IVRS-AMD   -AmdTable]`;
    assert.deepEqual(explain(used).host.notes, []);
  });
});
