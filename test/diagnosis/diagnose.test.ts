import assert from "node:assert/strict";
import { test } from "node:test";
import { diagnose } from "../../src/diagnosis/diagnose.ts";
import {
  findMessages as findMessagesIn,
  type SaidLine,
} from "../../src/diagnosis/generated/find-messages.ts";
import { createMatcher } from "../../src/diagnosis/matcher.ts";
import { readHostState } from "../../src/host/host-state.ts";
import { createHostPaths } from "../../src/host-paths.ts";
import type { StartAttempt } from "../../src/model/attempt.ts";
import { type Bdf, vmName } from "../../src/model/identifiers.ts";
import type { Observation } from "../../src/model/observation.ts";
import { catalogue } from "../helpers/shipped-catalogue.ts";

function attemptWith(...said: readonly (readonly ["qemu" | "proxmox" | "libvirt", string])[]): StartAttempt {
  return {
    id: "1",
    vm: vmName("plain"),
    bootId: undefined,
    openedAt: 0,
    closedAt: 10,
    outcome: "failed",
    devices: [],
    groups: [],
    evidence: said.map(([who, text], at) => {
      const base = { at, exactTime: true, identity: String(at), text };
      const observation: Observation =
        who === "proxmox"
          ? { ...base, kind: "domain-log-line", source: "proxmox", vm: vmName("plain") }
          : who === "qemu"
            ? { ...base, kind: "domain-log-line", source: "domain-logs", vm: vmName("plain") }
            : { ...base, kind: "libvirtd-record", source: "libvirtd-log", level: "error" };
      return { observation, matches: [], count: 1, lastAt: at };
    }),
  };
}

test("a failure that no signature knows is told with the last words of the log, QEMU's before libvirt's", () => {
  const said = [
    ["qemu", "a first line"],
    ["qemu", "wrapper: array is not started\nsecond line"],
    ["libvirt", "internal error: process exited"],
  ] as const;
  assert.equal(
    diagnose(attemptWith(...said), undefined).summary,
    "No known message says why. The last words in its log: wrapper: array is not started",
  );
  assert.match(
    diagnose(attemptWith(["libvirt", "x".repeat(900)]), undefined).summary,
    /from libvirt: x{199}…$/,
  );
  assert.equal(
    diagnose(attemptWith(["proxmox", "no such cloud-init drive"]), undefined).summary,
    "No known message says why. The last words in its task: no such cloud-init drive",
  );
  assert.match(diagnose(attemptWith(), undefined).summary, /^Nothing that could be read says why/);
  assert.equal(
    diagnose({ ...attemptWith(), outcome: "crashed-early" }, undefined).summary,
    "Nothing that could be read says why.",
    "no sentence repeats its title",
  );
  const ended = {
    ...{
      kind: "domain-log-end",
      source: "domain-logs",
      identity: "e",
      at: 1,
      vm: "plain",
      reason: "crashed",
    },
  } as unknown as Observation;
  const crashed = { ...attemptWith(), outcome: "crashed-early" as const };
  assert.equal(
    diagnose({ ...crashed, evidence: [{ observation: ended, matches: [], count: 1, lastAt: 1 }] }, undefined)
      .summary,
    "QEMU ended by itself (libvirt: reason=crashed), and nothing that could be read says why.",
  );
});

const SOURCES = `= qemu 9.0.0
@ backends/tpm/tpm_passthrough.c
: tpm_open
E '%s' is not a TPM device.
`;

test("how the link is goes to the evidence of a failure that a bad link can cause, while it is fresh", () => {
  const host = {
    ...readHostState({ paths: createHostPaths("/nowhere") }),
    linksNow: (bdf: Bdf) => [
      `/sys/bus/pci/devices/${bdf}: the link is down`,
      "/sys/bus/pci/devices/port: x1",
    ],
  };
  const failing = (text: string) => {
    const [base] = attemptWith(["qemu", text]).evidence;
    assert.ok(base);
    const evidence = [{ ...base, matches: createMatcher(catalogue).match("qemu", text) }];
    return { ...attemptWith(), devices: ["0000:03:00.0", "0000:03:00.1"].map((at) => at as Bdf), evidence };
  };
  const lost = failing("vfio: Unable to power on device, stuck in D3");
  assert.deepEqual(diagnose(lost, host).causes[0]?.evidence.slice(1), [
    "/sys/bus/pci/devices/0000:03:00.0: the link is down",
    "/sys/bus/pci/devices/port: x1",
  ]);
  assert.equal(diagnose(lost, host, { stateIsLate: true }).causes[0]?.evidence.length, 1, "by then it idles");
  const other = failing("vfio 0000:03:00.0: group 17 is not viable");
  assert.equal(diagnose(other, host).causes[0]?.evidence.length, 1, "no link is the cause of that");
});

test("words that no signature knows are looked up in the programs' sources, and say no more than is known there", () => {
  const said = [
    ["qemu", "-tpmdev passthrough,id=t0,path=/dev/fdset/0: '/dev/fdset/0' is not a TPM device."],
    ["libvirt", "internal error: process exited"],
  ] as const;
  const findMessages = (lines: readonly SaidLine[]) =>
    findMessagesIn(new TextEncoder().encode(SOURCES), lines);
  const { causes, summary } = diagnose(attemptWith(...said), undefined, { findMessages });
  assert.deepEqual(
    causes.map((cause) => [cause.class, cause.certainty, cause.signature]),
    [["host-resource-missing", "possible", "generated.qemu"]],
  );
  assert.equal(summary, `QEMU (the VM's TPM) refuses: "'/dev/fdset/0' is not a TPM device".`);
  assert.match(causes[0]?.remedies?.[0] ?? "", /backends\/tpm\/tpm_passthrough\.c, function tpm_open/);
});
