import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import type { Reading } from "../../src/model/reading.ts";
import { bdf, recordedHost, recordingPath, temporaryDirectory } from "../helpers/recorded-tree.ts";

const directory = temporaryDirectory();
after(() => directory.remove());

function value<T>(reading: Reading<T>): T {
  assert.ok(reading.state === "read", `expected a value, the reading is ${reading.state}`);
  return reading.value;
}

test("VM definitions and states of a recording are taken in", () => {
  const state = recordedHost(recordingPath("in-use", "snap-before"), recordingPath("in-use", "libvirt"));
  assert.deepEqual(
    value(state.vms).map(({ definition, state }) => [
      definition.name,
      state,
      definition.hostDevices.map((device) => device.bdf),
    ]),
    [
      ["Windows 11", { state: "shutoff", reason: "failed" }, ["0000:01:00.0", "0000:01:00.1"]],
      ["other", { state: "shutoff", reason: "destroyed" }, ["0000:01:00.0", "0000:01:00.1"]],
    ],
  );
});

test("a later snapshot shows its own devices, and the firmware and parameters of its boot", () => {
  const before = recordedHost(recordingPath("good-amd", "snap-before"));
  const running = recordedHost(recordingPath("good-amd", "snap-running"));
  assert.equal(value(before.devices).get(bdf("01:00.1"))?.driver, "snd_hda_intel");
  assert.equal(value(running.devices).get(bdf("01:00.1"))?.driver, "vfio-pci");
  assert.deepEqual(running.bios, before.bios);
  assert.deepEqual(running.kernelParameters, before.kernelParameters);
  assert.deepEqual(running.firmwareDemands, before.firmwareDemands);
});

test("what a recording does not hold is unreadable, never absent", () => {
  const host = recordedHost(join(directory.path, "no-such-recording", "snap-before"));
  for (const [part, reading] of Object.entries(host))
    if (typeof reading !== "function") assert.equal(reading.state, "unreadable", part);
});

test("a damaged VM definition says which one it is", () => {
  mkdirSync(join(directory.path, "libvirt"));
  writeFileSync(join(directory.path, "libvirt", "broken.xml"), "<domain><name>");
  const { vms } = recordedHost(join(directory.path, "snap-before"), join(directory.path, "libvirt"));
  assert.ok(vms.state === "unreadable" && vms.why.startsWith("broken.xml: "));
});
