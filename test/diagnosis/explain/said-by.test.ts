import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { readSaidBy } from "../../../src/diagnosis/explain/said-by.ts";
import { canSay, speakerNamed } from "../../../src/diagnosis/speakers.ts";

const said = (line: string) => {
  const { speaker, when, text } = readSaidBy(line);
  return { by: speaker.kind === "program" ? speaker.name : speaker.kind, clock: when?.clock, text };
};

describe("who says a line is read from what stands in front of it:", () => {
  const FAULT = "xhci_hcd 0000:04:00.0: WARNING: Host System Error";
  const lines: Readonly<Record<string, { by: string; clock: string | undefined; text: string }>> = {
    [`[   42.055391] ${FAULT}`]: { by: "kernel", clock: "boot", text: FAULT },
    [` 42.055391] ${FAULT}`]: { by: "kernel", clock: "boot", text: FAULT },
    [`[   42.055391] [  T1234] ${FAULT}`]: { by: "kernel", clock: "boot", text: FAULT },
    [`[Mo Mär  2 18:11:40 2026] ${FAULT}`]: { by: "kernel", clock: "local", text: FAULT },
    [`kern  :warn  : [Mon Mar  2 18:11:40 2026] ${FAULT}`]: { by: "kernel", clock: "local", text: FAULT },
    [`<4>[   42.055391] ${FAULT}`]: { by: "kernel", clock: "boot", text: FAULT },
    [`Mar  2 18:11:40 tower kernel: [   42.055391] ${FAULT}`]: { by: "kernel", clock: "local", text: FAULT },
    [`2026-03-02T18:11:40.123456+01:00 tower kernel: ${FAULT}`]: { by: "kernel", clock: "utc", text: FAULT },
    [FAULT]: { by: "kernel", clock: undefined, text: FAULT },
    "Mar 02 18:11:40 tower libvirtd[412]: internal error: x": {
      ...{ by: "libvirt", clock: "local", text: "internal error: x" },
    },
    "2026-03-02 18:11:40.123+0000: 4711: error : virHostdevX:123 : Device 0000:01:00.0 not found": {
      ...{ by: "libvirt", clock: "utc", text: "Device 0000:01:00.0 not found" },
    },
    "2026-03-02 18:11:41.001+0000: shutting down, reason=failed": {
      ...{ by: "libvirt", clock: "utc", text: "shutting down, reason=failed" },
    },
    "2026-03-02T18:11:40.512345Z qemu-system-x86_64: -device x: y": {
      ...{ by: "qemu", clock: "utc", text: "-device x: y" },
    },
    "Mar 02 18:11:40 pve QEMU[693]: kvm: vfio: x": { by: "qemu", clock: "local", text: "kvm: vfio: x" },
    "Mar 02 18:11:40 pve pvedaemon[93]: start VM 101": {
      ...{ by: "proxmox", clock: "local", text: "start VM 101" },
    },
    "TASK ERROR: x": { by: "proxmox", clock: undefined, text: "TASK ERROR: x" },
    "Mar 02 18:11:40 desk photo-store[2246]: internal error: x": {
      ...{ by: "photo-store", clock: "local", text: "internal error: x" },
    },
    "qemu-img: Could not open 'x'": {
      by: "qemu-img",
      clock: undefined,
      text: "qemu-img: Could not open 'x'",
    },
    "[    1.842000] systemd[1]: Failed to start x": {
      by: "systemd",
      clock: "boot",
      text: "Failed to start x",
    },
    "EAL: Cannot open x": { by: "dpdk", clock: undefined, text: "EAL: Cannot open x" },
    "vfio 0000:01:00.0: group 7 is not viable": {
      ...{ by: "unknown", clock: undefined, text: "vfio 0000:01:00.0: group 7 is not viable" },
    },
    "kvm: Nested Virtualization enabled": {
      ...{ by: "unknown", clock: undefined, text: "kvm: Nested Virtualization enabled" },
    },
  };
  for (const [line, expected] of Object.entries(lines)) {
    test(line.slice(0, 70), () => assert.deepEqual(said(line), expected));
  }
});

test("a message counts only from who can say it, and from anybody where that is not known", () => {
  const text = "internal error: something";
  assert.equal(canSay(speakerNamed("libvirtd"), "libvirt", text), true);
  assert.equal(canSay(speakerNamed("photo-store"), "libvirt", text), false);
  assert.equal(
    canSay(speakerNamed("photo-store"), "libvirt", "vfio 0000:01:00.0: no such host device"),
    true,
  );
  assert.equal(canSay({ kind: "kernel" }, "qemu", "PCI: Unknown option"), false);
  assert.equal(canSay({ kind: "qemu" }, "kernel", text), false);
  assert.equal(canSay({ kind: "unknown" }, "kernel", text), true);
});

test("a line of any kind has a speaker, and the message is its end", () => {
  for (const line of ["", " ", "[", "[ ]", "Mar  2 ", "2026-03-02T18:11:40Z", "<3>", "\u0000", "kernel:"]) {
    assert.ok(line.endsWith(readSaidBy(line).text), JSON.stringify(line));
  }
});
