import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { askAnswer } from "../../src/answer/ask-answer.ts";
import { describePreflight } from "../../src/cli/commands/check.ts";
import { vfioSetupOf } from "../../src/host/vfio-setup.ts";
import type { HostState, VmStatus } from "../../src/model/host-state.ts";
import { absent, read, unreadable } from "../../src/model/reading.ts";
import type { VmState } from "../../src/model/virtual-machine.ts";
import type { PreflightInput } from "../../src/preflight/finding.ts";
import { needsAction, runPreflight } from "../../src/preflight/preflight.ts";
import { createPaint } from "../../src/terminal-text.ts";
import { recordedHost, recordingPath } from "../helpers/recorded-tree.ts";
import { catalogue } from "../helpers/shipped-catalogue.ts";

function input(name: string, change: (host: HostState) => Partial<HostState> = () => ({})): PreflightInput {
  const host = recordedHost(recordingPath(name, "snap-before"), recordingPath(name, "libvirt"));
  return {
    host: { ...host, ...change(host) },
    setup: vfioSetupOf({
      config: absent,
      atBoot: absent,
      vfs: absent,
      commandLine: absent,
      modprobe: absent,
      devices: read(new Map()),
      errors: absent,
    }),
    bootLoaders: {
      running: { possible: new Set(), name: undefined, evidence: [] },
      claims: [],
      unreadable: [],
    },
    modprobe: read([]),
    answer: ({ definition }, causes) =>
      askAnswer(
        undefined,
        { vm: definition.name, devices: [], causes, at: 0, snapshot: undefined },
        catalogue,
      ),
  };
}

const inState = (state: VmState["state"]) => (host: HostState) => ({
  vms:
    host.vms.state === "read"
      ? read(host.vms.value.map((vm): VmStatus => ({ ...vm, state: { state, reason: "unknown" } })))
      : host.vms,
});

describe("preflight", () => {
  it("says of a certain cause that the VM will not start, and of a likely one that it may not", () => {
    const verdict = (name: string) => runPreflight(input(name)).vms[0]?.verdict;
    assert.equal(verdict("ivmd-amd"), "will-not-start");
    assert.equal(verdict("group-not-viable"), "may-not-start");
    assert.equal(verdict("good-amd"), "nothing-stops-it");
    assert.equal(needsAction(runPreflight(input("group-not-viable"))), true);
    assert.equal(needsAction(runPreflight(input("good-amd"))), false);
  });

  it("asks a VM that runs for nothing", () => {
    for (const state of ["running", "paused", "pmsuspended"] as const) {
      const preflight = runPreflight(input("ivmd-amd", inState(state)));
      assert.deepEqual(
        preflight.vms.map(({ verdict, findings }) => [verdict, findings.length]),
        [["runs", 0]],
      );
      assert.equal(needsAction(preflight), false);
    }
  });

  it("says of a VM that runs, and was given other devices since, that its next start will fail", () => {
    const ran = (host: HostState) => ({
      vms:
        host.vms.state === "read"
          ? read(
              host.vms.value.map(
                (vm): VmStatus => ({
                  ...vm,
                  state: { state: "running", reason: "booted" },
                  running: { ...vm.definition, hostDevices: [] },
                }),
              ),
            )
          : host.vms,
    });
    const preflight = runPreflight(input("ivmd-amd", ran));
    const [vm] = preflight.vms;
    assert.equal(vm?.verdict, "runs");
    assert.deepEqual(
      vm.findings.slice(0, 1).map(({ check, certainty }) => [check, certainty]),
      [["state.direct-region", "certain"]],
    );
    assert.ok(vm.answer !== undefined);
    assert.equal(needsAction(preflight), true);
    const live = { live: { from: "libvirt", statesKnown: true }, machine: undefined };
    const text = describePreflight(preflight, [], live, createPaint(false), 110);
    assert.match(
      text,
      /^'Windows 11' is running; its definition was changed since, and with that it will not start/,
    );
    assert.match(text, /\[stops the VM\].*1:1/s);
    assert.equal(needsAction(runPreflight(input("good-amd", ran))), false);
  });

  it("says of a kernel before 6.6 on AMD that it starts the VM, and that a newer one will not", () => {
    const preflight = runPreflight(input("ivmd-amd", () => ({ kernelRelease: read("6.1.106-Unraid") })));
    const [vm] = preflight.vms;
    assert.equal(vm?.verdict, "nothing-stops-it");
    assert.deepEqual(
      vm.findings.map(({ check, matter }) => [check, matter]),
      [["preflight.refused-by-newer-kernel", "later"]],
    );
    assert.match(
      vm.findings[0]?.sentence ?? "",
      /Linux 6\.1\.106-Unraid gives the device away all the same; Linux 6\.6/,
    );
    assert.equal(needsAction(preflight), false);
  });

  it("expects the RMRR refusal of Intel on kernels long before 6.6", () => {
    const preflight = runPreflight(input("rmrr-intel", () => ({ kernelRelease: read("6.1.106-Unraid") })));
    assert.equal(preflight.vms[0]?.verdict, "will-not-start");
  });

  it("says whose demand is not known where the tables cannot be read, and only that it may fail", () => {
    const preflight = runPreflight(
      input("ivmd-amd", () => ({
        kernelRelease: read("6.1.106"),
        firmwareDemands: unreadable("needs root"),
      })),
    );
    assert.equal(preflight.vms[0]?.verdict, "may-not-start");
    assert.match(preflight.vms[0].findings[0]?.sentence ?? "", /whose demand it is could not be read/);
  });

  it("says what could not be looked at instead of calling it fine", () => {
    const { unchecked } = runPreflight(
      input("good-amd", () => ({
        groups: unreadable("needs root"),
        firmwareDemands: unreadable("needs root"),
      })),
    );
    assert.deepEqual(unchecked, ["the IOMMU groups: needs root", "the firmware's tables: needs root"]);
  });

  it("looks at no VM that passes nothing through", () => {
    assert.deepEqual(runPreflight(input("negative-controls")).vms, []);
  });
});
