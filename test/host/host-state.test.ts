import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { after, test } from "node:test";
import { readHostState } from "../../src/host/host-state.ts";
import { createHostPaths } from "../../src/host-paths.ts";
import type { HostState } from "../../src/model/host-state.ts";
import { absent, type Reading, read } from "../../src/model/reading.ts";
import { bdf, recordedHost, recordingPath, temporaryDirectory } from "../helpers/recorded-tree.ts";

const directory = temporaryDirectory();
after(() => directory.remove());

const snapshots = readdirSync(recordingPath(), { recursive: true, encoding: "utf8" })
  .filter((path) => /(^|\/)snap-[a-z-]+$/.test(path))
  .sort();

function host(...recording: readonly string[]): HostState {
  return recordedHost(recordingPath(...recording));
}

function value<T>(reading: Reading<T>): T {
  assert.ok(reading.state === "read", `expected a value, the reading is ${reading.state}`);
  return reading.value;
}

test("the recorded hosts are what they were", () => {
  const good = host("good-amd", "snap-running");
  assert.deepEqual(value(good.bios), {
    version: "E7E49AMSI.1A63",
    date: "02/10/2026",
    vendor: "American Megatrends International, LLC.",
  });
  assert.equal(value(good.kernelRelease), "6.12.107+deb13-amd64");
  assert.equal(value(good.interruptRemapping), true);
  assert.deepEqual([...value(good.vfioNodes)], ["8", "vfio"]);
  assert.ok(value(good.modules).has("vfio_pci"));
  assert.ok(value(good.kernelParameters).includes("amd_iommu=on"));
  const gpu = value(good.devices).get(bdf("01:00.0"));
  assert.equal(gpu?.driver, "vfio-pci");
  assert.equal(gpu?.driverOverride, "vfio-pci");
  assert.equal(gpu?.iommuGroup, 8);
  assert.equal(gpu?.bootVga, true);
  assert.deepEqual(value(good.groups).get(8)?.members, ["0000:01:00.0", "0000:01:00.1"]);
});

test("interrupt remapping is known where the kernel's log is whole", () => {
  const seen = [
    "good-amd",
    "good-intel",
    "ivmd-amd",
    "rmrr-intel-systemd",
    "iommu-off",
    "iommu-absent",
    "intremap-off",
  ].map((name) => [name, value(host(name, "snap-before").interruptRemapping)]);
  assert.deepEqual(Object.fromEntries(seen), {
    "good-amd": true,
    "good-intel": true,
    "ivmd-amd": true,
    "rmrr-intel-systemd": true,
    "iommu-off": true,
    "iommu-absent": false,
    "intremap-off": false,
  });
});

test("an IOMMU that is off has no groups, and that is known, not unknown", () => {
  for (const name of ["iommu-off", "iommu-absent"]) {
    const off = host(name, "snap-before");
    assert.equal(value(off.groups).size, 0);
    assert.equal(value(off.devices).get(bdf("01:00.0"))?.iommuGroup, undefined);
    assert.deepEqual(value(off.firmwareDemands), []);
  }
});

test("a missing module and a missing node show", () => {
  const failed = snapshots.filter((path) => path.startsWith("no-vfio-"));
  const noModule = host(failed.find((path) => /module\/snap-(?!before)/.test(path)) ?? "");
  assert.equal(value(noModule.modules).has("vfio_pci"), false);
  assert.equal(value(noModule.modules).has("vfio"), true);
  assert.deepEqual(host("no-vfio-node", "snap-before").vfioNodes, { state: "absent" });
});

test("the entry that the rig put into the firmware is the demand, on the devices that the kernel refused", () => {
  for (const [name, description] of [
    [
      "ivmd-amd",
      "IVMD type 22h, flags 07h (unity, read, write), devices 0000:01:00.0-0000:01:00.1, memory 0x7fff0000-0x7fff7fff",
    ],
    [
      "rmrr-intel",
      "RMRR segment 0, memory 0x7fff0000-0x7fff7fff, endpoint 00:02.0/00.0, endpoint 00:02.0/00.1",
    ],
    [
      "rmrr-intel-systemd",
      "RMRR segment 0, memory 0x7fff0000-0x7fff7fff, endpoint 00:02.0/00.0, endpoint 00:02.0/00.1",
    ],
  ] as const) {
    const state = host(name, "snap-before");
    const [demand, ...others] = value(state.firmwareDemands);
    assert.equal(demand?.description, description);
    assert.equal(demand?.strength, "hard");
    assert.deepEqual(demand?.devices, ["0000:01:00.0", "0000:01:00.1"]);
    assert.deepEqual(others, []);
    const group = value(state.groups).get(8);
    const regions = value(group?.reservedRegions ?? absent).filter(({ kind }) => kind === "direct");
    assert.deepEqual(regions, [{ start: 0x7fff0000n, end: 0x7fff7fffn, kind: "direct" }]);
  }
  assert.deepEqual(value(host("good-amd", "snap-before").firmwareDemands), []);
  assert.deepEqual(value(host("good-intel", "snap-before").firmwareDemands), []);
});

test("on a host that shows nothing every part says so by itself", () => {
  const empty = readHostState({ paths: createHostPaths(`${directory.path}/nothing`), vms: read([]) });
  for (const [part, reading] of Object.entries({ ...empty, vms: empty.devices }))
    if (typeof reading !== "function") assert.equal(reading.state, "unreadable", part);
});
