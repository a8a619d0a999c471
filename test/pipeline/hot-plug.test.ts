import assert from "node:assert/strict";
import { test } from "node:test";
import type { SignatureMatch } from "../../src/model/catalogue.ts";
import type { HotPlug } from "../../src/model/hot-plug.ts";
import { bootId, vmName } from "../../src/model/identifiers.ts";
import type { Observation } from "../../src/model/observation.ts";
import { asAttempt, summaryOf } from "../../src/pipeline/hot-plug.ts";
import { GPU, libvirtd, lifecycle, NIC, REFUSAL } from "../attempts/bench.ts";

const plug = (more: Partial<HotPlug> = {}): HotPlug => ({
  id: "plug",
  vms: [vmName("win")],
  bootId: bootId("boot-1"),
  at: 1_000,
  action: "attach",
  outcome: "refused",
  devices: [GPU],
  groups: [14],
  evidence: [],
  ...more,
});
const said = (observation: Observation, matches: readonly SignatureMatch[] = []) => ({
  observation,
  matches,
  count: 1,
  lastAt: observation.at,
});

test("a hot-plug is judged as a failed start of the VM, or of those that it may have been of", () => {
  const one = asAttempt(plug({ steady: 7 }));
  assert.deepEqual(
    [one.vm, one.openedAt, one.closedAt, one.steady, one.closedSteady, one.outcome],
    ["win", 1_000, 1_000, 7, 7, "failed"],
  );
  assert.deepEqual([one.devices, one.groups, "steady" in asAttempt(plug())], [[GPU], [14], false]);
  assert.equal(asAttempt(plug({ vms: [vmName("a"), vmName("b")] })).vm, "one of 'a', 'b'");
  assert.equal(asAttempt(plug({ vms: [], devices: [NIC, GPU] })).vm, "unknown VM (0000:04:00.0)");
  assert.equal(asAttempt(plug({ vms: [], devices: [] })).vm, "a VM");
});

test("the sentence about a hot-plug names the cause, who waits, or what libvirt said", () => {
  const diagnosis = { causes: [{ sentence: "So it is." }], summary: "" } as unknown as HotPlug["diagnosis"];
  assert.equal(summaryOf({ ...plug(), ...(diagnosis && { diagnosis }) }), "So it is.");
  const hung = (captures: Record<string, string>) =>
    summaryOf(
      plug({
        outcome: "hangs",
        action: "detach",
        evidence: [
          said(libvirtd(0, "x"), [{ ...REFUSAL[0], captures: {} } as SignatureMatch]),
          said(libvirtd(1, "y"), [{ ...REFUSAL[0], captures } as SignatureMatch]),
        ],
      }),
    );
  assert.equal(hung({ task: "rmmod" }), "The program rmmod waits for the device, and the VM keeps it.");
  assert.equal(hung({}), "The host asked for the device, and the VM keeps it.");
  const words = [
    said(lifecycle("win", 0, "defined", "updated")),
    said(libvirtd(0, `${"w".repeat(300)}\nmore`)),
  ];
  assert.equal(
    summaryOf(plug({ action: "detach", evidence: words })),
    "The guest's system would not give the device away.",
  );
  assert.equal(
    summaryOf(plug({ evidence: words })),
    `No known message says why. libvirt's words: ${"w".repeat(200)}`,
  );
  assert.equal(summaryOf(plug()), "Nothing that could be read says why.");
  assert.equal(
    summaryOf(plug({ evidence: [said(libvirtd(0, ""))] })),
    "Nothing that could be read says why.",
  );
});
