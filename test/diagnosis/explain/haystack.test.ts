import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { explain, firstOf, recordedLog } from "./explaining.ts";

/*
 * People paste long logs. What fails in the middle of one is told as it is told alone, whatever stands around it.
 */

const kernel = (seconds: number, text: string) => `[${seconds.toFixed(6).padStart(12)}] ${text}`;

/** A host's boot with what healthy hosts say and what looks like trouble of VMs: containers, options, broken links. */
const busyBoot = Array.from({ length: 240 }, (_, index) => {
  const texts = [
    `pci 0000:${(index % 64).toString(16).padStart(2, "0")}:00.0: Adding to iommu group ${index}`,
    'audit: type=1400 audit(1700000000.100:2): apparmor="STATUS" operation="profile_load" name="/usr/bin/lxc-start" comm="apparmor_parser"',
    "PCI: Unknown option `nofoo'",
    "pci 0000:e4:00.0: DOE: [2c8] failed to reset mailbox with abort command : -5",
    "pci 0000:0e:00.0: broken device, retraining non-functional downstream link at 2.5GT/s",
    "nvme nvme0: 8/0/0 default/read/poll queues",
  ];
  return kernel(0.4 + index / 40, texts[index % texts.length] ?? "");
});

/** A desktop's journal: dozens of programs, some of which fail in libvirt's words. */
const journal = Array.from({ length: 240 }, (_, index) => {
  const texts = [
    "kernel: usb 1-4: new high-speed USB device number 5 using xhci_hcd",
    "photo-store[2246]: internal error: failed, but no error code: cancelled",
    "systemd[1]: pve-container@102.service: Failed with result 'exit-code'.",
    "mail-sync[911]: operation failed: unsupported configuration: no such account",
    "NetworkManager[1338]: <info>  device (vnet12): released from master device br0",
    "backup[77]: migration of settings failed: Permission denied",
    "gnome-shell[2101]: Failed to start domain event consumer",
  ];
  const time = `11:${String(Math.floor(index / 60)).padStart(2, "0")}:${String(index % 60).padStart(2, "0")}`;
  return `Feb 02 ${time} desk9 ${texts[index % texts.length]}`;
});

const haystacks: Readonly<Record<string, readonly string[]>> = {
  "a busy host's boot": busyBoot,
  "a desktop's journal": journal,
  "a good AMD host's kernel log": recordedLog("good-amd"),
  "a good Intel host's kernel log": recordedLog("good-intel"),
  "the kernel log of a host without an IOMMU": recordedLog("iommu-absent"),
  "the kernel log of a host that binds nothing": recordedLog("not-bound"),
};

/** What is put in, and the answer to it: the first cause and whether a start failed. */
const needles: Readonly<Record<string, readonly [string, string, boolean]>> = {
  "QEMU's refusal": [
    'qemu-system-x86_64: -device {"driver":"vfio-pci","host":"0000:6a:00.0","id":"hostdev0"}: vfio 0000:6a:00.0: group 33 is not viable\nPlease ensure all devices within the iommu_group are bound to their vfio bus driver.',
    "group-not-viable",
    true,
  ],
  "a refusal that a mail has wrapped": [
    "vfio 0000:6a:00.0: failed to setup container for group 33: Failed to set\ngroup container: Invalid argument",
    "container-setup-failed",
    true,
  ],
  "the kernel's and QEMU's word of one start": [
    "[ 7754.219816] vfio-pci 0000:6a:00.0: Firmware has requested this device have a 1:1 IOMMU mapping, rejecting configuring the device without a 1:1 mapping. Contact your platform vendor.\nkvm: -device vfio-pci,host=0000:6a:00.0,id=hostpci0: vfio 0000:6a:00.0: failed to setup container for group 33: Failed to set group container: Invalid argument\nTASK ERROR: start failed: QEMU exited with code 1",
    "iommu-direct-mapping-required",
    true,
  ],
  "libvirt's refusal": [
    "error: Failed to start domain 'w11'\nerror: Requested operation is not valid: network 'isolated' is not active",
    "host-resource-missing",
    true,
  ],
  "a start that fails without a reason": [
    "error: Failed to start domain 'w11'\nerror: internal error: QEMU unexpectedly closed the monitor (vm='w11'): something new",
    "unknown",
    true,
  ],
  "a device that does not come back": [
    "[ 7754.219816] vfio-pci 0000:6a:00.0: not ready 65535ms after FLR; giving up",
    "reset-failed",
    false,
  ],
  "a person's words": [
    "My VM 104 doesn't start any more:\n\nkvm: vfio: Cannot reset device 0000:6a:00.0, no available reset mechanism.",
    "reset-failed",
    true,
  ],
};

for (const [where, hay] of Object.entries(haystacks)) {
  describe(`in the middle of ${where}`, () => {
    const middle = Math.floor(hay.length / 2);
    const around = (needle: string) => [...hay.slice(0, middle), needle, ...hay.slice(middle)].join("\n");

    test("nothing is no failure", () => {
      const { vmStartFailure, deviceRelated, understanding } = explain(hay.join("\n"));
      assert.deepEqual({ vmStartFailure, deviceRelated }, { vmStartFailure: false, deviceRelated: false });
      assert.notEqual(understanding, "empty");
    });
    for (const [what, [needle, cause, failed]] of Object.entries(needles)) {
      test(`${what} is found`, () => {
        for (const text of [around(needle), around(`\n${needle}\n`)]) {
          const found = explain(text);
          assert.equal(firstOf(found), cause);
          assert.equal(found.vmStartFailure, failed);
        }
      });
    }

    test("only the devices of what failed are named", () => {
      const [needle] = needles["QEMU's refusal"] ?? [""];
      assert.deepEqual(explain(around(needle)).devices, ["0000:6a:00.0"]);
    });
  });
}
