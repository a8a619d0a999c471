import { isActive } from "../diagnosis/host-lookups.ts";
import type { Certainty } from "../model/diagnosis.ts";
import { hasOtherDevicesNext, type VmStatus } from "../model/host-state.ts";
import type { VmName } from "../model/identifiers.ts";
import { mapReading, type Reading } from "../model/reading.ts";
import { bindingFindings } from "./binding-findings.ts";
import { bootFindings } from "./boot-findings.ts";
import type { Matter, Preflight, PreflightFinding, PreflightInput, VmPreflight } from "./finding.ts";
import { describeNoEffect } from "./no-effect.ts";
import { vmFindings } from "./vm-findings.ts";

/** Says before it fails what will stop each VM with passed-through devices, and what only looks as if it would. */
export function runPreflight(input: PreflightInput): Preflight {
  const { host, only } = input;
  const all = host.vms.state === "read" ? host.vms.value : [];
  const asked = all.filter(({ definition: { name, hostDevices, refusal, movedTo } }) => {
    const wantsDevices = hostDevices.length > 0 || refusal !== undefined;
    return wantsDevices && movedTo === undefined && (only === undefined || name === only);
  });
  // Only one that runs can have what another wants, and each is compared with all of them.
  const running = mapReading(host.vms, (known) => known.filter(({ state }) => isActive(state.state)));
  const besideRunning = { ...input, host: { ...host, vms: running } };
  const vms = asked.map((vm) => preflightOf(vm, besideRunning));
  const hostFindings = [...movedAway(all, only), ...bindingFindings(input, asked), ...bootFindings(input)];
  const stopping = vms.flatMap(({ findings }) => findings.filter(({ matter }) => matter === "stops"));
  return {
    vms,
    host: hostFindings.toSorted((a, b) => MATTERS.indexOf(a.matter) - MATTERS.indexOf(b.matter)),
    noEffect: describeNoEffect(
      input,
      asked.map(({ definition }) => definition),
      stopping,
    ),
    unchecked: unreadParts(input),
  };
}

/** A node of a cluster says nothing of VMs that are on another one. */
function movedAway(all: readonly VmStatus[], only: VmName | undefined): readonly PreflightFinding[] {
  return all.flatMap(({ definition: { name, movedTo } }) => {
    if (movedTo === undefined || (only !== undefined && only !== name)) return [];
    return {
      check: "preflight.moved-to-node",
      matter: "harmless" as const,
      certainty: "certain" as const,
      sentence: `'${name}' moved to node ${movedTo}, and whether it starts is to be asked there.`,
      evidence: [`its configuration is in /etc/pve/nodes/${movedTo}/qemu-server`],
      remedies: [],
      devices: [],
      groups: [],
    };
  });
}

const MATTERS: readonly Matter[] = ["stops", "later", "harmless", "tidy"];
const CERTAINTIES: readonly Certainty[] = ["certain", "likely", "possible"];

function preflightOf(vm: VmStatus, input: PreflightInput): VmPreflight {
  const { name } = vm.definition;
  const runs = isActive(vm.state.state);
  // What would stop it cannot be so while it runs with its devices; with others its next start may still fail.
  if (runs && !hasOtherDevicesNext(vm)) return { vm: name, verdict: "runs", findings: [] };
  const { answer, findings: unsorted } = vmFindings(vm, input);
  const findings = unsorted.toSorted(
    (a, b) =>
      MATTERS.indexOf(a.matter) - MATTERS.indexOf(b.matter) ||
      CERTAINTIES.indexOf(a.certainty) - CERTAINTIES.indexOf(b.certainty),
  );
  const stops = findings.filter(({ matter }) => matter === "stops");
  if (runs) return { vm: name, verdict: "runs", findings, ...(answer !== undefined && { answer }) };
  const verdict = stops.some(({ certainty }) => certainty === "certain")
    ? "will-not-start"
    : stops.length > 0
      ? "may-not-start"
      : "nothing-stops-it";
  return { vm: name, verdict, findings, ...(answer !== undefined && { answer }) };
}

/** Whether somebody has to act: a VM that is stopped by something certain or likely. */
export function needsAction({ vms }: Preflight): boolean {
  return vms.some(({ findings }) =>
    findings.some(({ matter, certainty }) => matter === "stops" && certainty !== "possible"),
  );
}

function unreadParts({ host, setup, bootLoaders, modprobe, unraid }: PreflightInput): readonly string[] {
  const parts: readonly (readonly [string, Reading<unknown>])[] = [
    ["the VMs", host.vms],
    ["the PCI devices", host.devices],
    ["the IOMMU groups", host.groups],
    ["the firmware's tables", host.firmwareDemands],
    ["the BIOS version", host.bios],
    ["the nodes in /dev/vfio", host.vfioNodes],
    ["interrupt remapping", host.interruptRemapping],
    ["the kernel parameters", host.kernelParameters],
    ["the modules", host.modules],
    ["the module options", modprobe],
    ["who binds what to vfio-pci", setup.bindings],
    ...(unraid === undefined
      ? []
      : [
          ["Unraid's list of PCI devices", unraid.pciChanges] as const,
          ["Unraid's VM settings", unraid.startsDisabled] as const,
        ]),
  ];
  return [
    ...parts.flatMap(([what, reading]) =>
      reading.state === "unreadable" ? [`${what}: ${reading.why}`] : [],
    ),
    ...bootLoaders.unreadable.map((why) => `boot loader files in ${why}`),
  ];
}
