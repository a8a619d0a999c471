import assert from "node:assert/strict";
import { test } from "node:test";
import { environmentOf, standingDevices, withoutAddresses } from "../../src/fleet/environment.ts";
import type { Fact } from "../../src/model/fact.ts";
import type { Bdf } from "../../src/model/identifiers.ts";
import { withRecording } from "../report/replayed.ts";

const fact = (key: string, value: Fact["value"]): Fact => ({ group: "kernel", key, value });
const says = (key: string, value: string | readonly string[]): Fact => fact(key, { state: "value", value });

test("of parameters those of the list leave, and only where they say what such parameters say", () => {
  const environment = environmentOf({
    facts: [
      says("kernel.parameter", "listed"),
      says("kernel.parameter.amd_iommu", "on"),
      says("kernel.parameter.vfio-pci%2eids", "10de:2805,10de:22bd"),
      says("kernel.parameter.root", "/dev/mapper/secret"),
      says("kernel.parameter.ip", "10.0.0.7"),
      says("kernel.parameter.video", "/home/me/edid.bin"),
      fact("firmware.secure-boot", { state: "absent" }),
      fact("software.qemu", { state: "unknown", why: "not said yet" }),
      says("firmware.bios.version", "1.A63\u0000\ud800"),
    ],
  });
  assert.deepEqual(environment, {
    "kernel.parameter": "listed",
    "kernel.parameter.amd_iommu": "on",
    "kernel.parameter.vfio-pci%2eids": "10de:2805,10de:22bd",
    "firmware.secure-boot": null,
    "firmware.bios.version": "1.A63 \ufffd",
  });
});

test("demands of the firmware leave without the addresses that one machine gave them", () => {
  for (const [demand, left] of [
    [
      "IVMD type 22h, flags 08h (exclusion), devices 0000:00:00.0-0000:0f:1f.7, memory 0xa5a32000-0xa5a32fff",
      "IVMD type 22h, flags 08h (exclusion), devices",
    ],
    [
      "IVMD type 20h, flags 03h (unity, read), all devices, memory 0x7f000 of no length",
      "IVMD type 20h, flags 03h (unity, read), all devices",
    ],
    [
      "RMRR segment 0, memory 0x3e2e0000-0x3e2fffff, endpoint 00:14.0, endpoint 01:1c.0/00.1",
      "RMRR segment 0, endpoint, endpoint",
    ],
  ] as const)
    assert.equal(withoutAddresses(demand), left);
  const demands = environmentOf({
    facts: [
      says("firmware-tables.IVRS.sha256", "aa"),
      says(
        "firmware-tables.IVRS.ivmd.1",
        "IVMD type 21h, flags 03h (unity, read), device 0000:00:14.0, memory 0x1000-0x1fff",
      ),
      fact("firmware-tables.DMAR", { state: "absent" }),
    ],
  });
  assert.deepEqual(demands, {
    "firmware-tables.IVRS.ivmd": ["IVMD type 21h, flags 03h (unity, read), device"],
    "firmware-tables.DMAR.rmrr": null,
  });
});

test("no environment of a recorded host names an address, a VM, a disk or a UUID", async () => {
  for (const recording of ["bios-update", "rmrr-intel-systemd", "memlock"]) {
    await withRecording(recording, (store) => {
      for (const id of store.snapshots.inOrder()) {
        const text = JSON.stringify(environmentOf(store.snapshots.get(id) ?? { facts: [] }));
        assert.match(text, /firmware\.bios\.version/, recording);
        assert.doesNotMatch(
          text,
          /[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]|0x[0-9a-f]{4}|\/dev|[0-9a-f]{8}-[0-9a-f]{4}|vm\./,
          recording,
        );
      }
    });
  }
});

test("a start is about the display that it was given, and of several about the one that is accused", () => {
  const devices = standingDevices({
    facts: [
      says("pci.10de:22bd/1462:5174.address", "0000:01:00.1"),
      says("pci.10de:2805/1462:5174.address", "0000:01:00.0"),
      says("pci.10de:2805/1462:5174.class", "030000 graphics (VGA)"),
      says("pci.10de:2805/1462:5174#2.address", "0000:02:00.0"),
      says("pci.10de:2805/1462:5174#2.class", "030000 graphics (VGA)"),
      says("pci.144d:a80c/144d:a801.address", "0000:03:00.0"),
    ],
  });
  const at = (...bdfs: string[]) => bdfs as Bdf[];
  assert.equal(devices.mainOf(at("0000:01:00.1", "0000:01:00.0"), []), "10de:2805/1462:5174");
  assert.equal(devices.mainOf(at("0000:02:00.0"), []), "10de:2805/1462:5174");
  assert.equal(devices.mainOf(at("0000:01:00.1", "0000:03:00.0"), at("0000:03:00.0")), "144d:a80c/144d:a801");
  assert.equal(devices.mainOf(at("0000:09:00.0"), []), undefined);
});
