import type { Answer } from "../answer/answer.ts";
import { notYetRefused } from "../diagnosis/direct-regions.ts";
import { deviceAt, groupNumbers } from "../diagnosis/host-lookups.ts";
import { checkHostState } from "../diagnosis/state-checks.ts";
import type { Cause } from "../model/diagnosis.ts";
import type { HostState, PciDevice, VmStatus } from "../model/host-state.ts";
import type { Bdf } from "../model/identifiers.ts";
import type { VmDefinition } from "../model/virtual-machine.ts";
import type { KnownDevice, PreflightFinding, PreflightInput } from "./finding.ts";
import { takenFromHost } from "./taken-from-host.ts";

/** What stops this VM now, and the answer for it. */
export function vmFindings(
  status: VmStatus,
  input: PreflightInput,
): { readonly findings: readonly PreflightFinding[]; readonly answer: Answer | undefined } {
  const vm = status.definition;
  const causes = byCertainty(checkHostState(vm, input.host));
  const answer = causes.length === 0 ? undefined : input.answer(status, causes);
  const remedies = [answer?.remedies ?? [], ...(answer?.others.map((other) => other.remedies) ?? [])];
  return {
    answer,
    findings: [
      ...policyRefusals(vm, input),
      ...lockedByTask(status),
      ...forbiddenModules(vm, input),
      ...causes.map((cause, index) => fromCause(cause, remedies[index] ?? [], vm, input)),
      ...exchangedDevices(vm, input),
      ...refusedLater(vm, input.host),
      ...takenFromHost(vm, input.host),
    ],
  };
}

const CERTAINTIES = ["certain", "likely", "possible"] as const;

/** The most certain first; of equal certainty in the order of the checks. */
export function byCertainty(causes: readonly Cause[]): readonly Cause[] {
  return causes.toSorted((a, b) => CERTAINTIES.indexOf(a.certainty) - CERTAINTIES.indexOf(b.certainty));
}

function fromCause(
  cause: Cause,
  remedies: readonly string[],
  vm: VmDefinition,
  input: PreflightInput,
): PreflightFinding {
  const { signature, certainty, sentence, evidence, devices, groups } = cause;
  const finding: PreflightFinding = {
    ...{ check: signature, matter: "stops", certainty, sentence, evidence, remedies, devices, groups },
  };
  return cause.class === "device-missing" ? withNewAddress(finding, vm, input) : finding;
}

/** Law 12: what a kernel gives away today the next one may refuse. */
function refusedLater(vm: VmDefinition, host: HostState): readonly PreflightFinding[] {
  return notYetRefused(vm, host).map(({ sentence, evidence, group }) => ({
    check: "preflight.refused-by-newer-kernel",
    matter: "later",
    certainty: "certain",
    sentence,
    evidence,
    remedies: [
      "Before an update to Linux 6.6 or newer get rid of the demand: see the firmware's setting for DMA protection before boot, or another BIOS version.",
    ],
    devices: group.members,
    groups: [group.id],
  }));
}

function withNewAddress(
  finding: PreflightFinding,
  vm: VmDefinition,
  { host, history }: PreflightInput,
): PreflightFinding {
  const [bdf] = finding.devices;
  const known = bdf === undefined ? undefined : history?.deviceAt(vm.name, bdf);
  if (bdf === undefined || known === undefined) return finding;
  const places = whereIs(known, host);
  const called = nameOf(known);
  const [place] = places;
  if (place === undefined) {
    return {
      ...finding,
      sentence: `${finding.sentence} ${called} was there, and it is nowhere on the host.`,
    };
  }
  const sure = places.length === 1;
  return {
    ...finding,
    check: "preflight.device-renumbered",
    sentence: sure
      ? `'${vm.name}' wants ${called} at ${bdf}, and it is now at ${place}: the bus was renumbered.`
      : `'${vm.name}' wants ${called} at ${bdf}; devices of that kind are now at ${places.join(" and ")}.`,
    evidence: [...finding.evidence, ...places.map((address) => `${address} is ${known.identity}`)],
    remedies: [
      sure
        ? `In the VM's settings select the device at ${place} instead of ${bdf}, with all its functions.`
        : "In the VM's settings select the right one of them, with all its functions.",
      `Correct bindings by address as well (vfio-pci.cfg), and look for other VMs that use ${bdf}.`,
    ],
  };
}

/** Another device stands at the address than the one that the VM had: it would get a stranger, or fail. */
function exchangedDevices(vm: VmDefinition, { host, history }: PreflightInput): readonly PreflightFinding[] {
  return vm.hostDevices.flatMap(({ bdf }): readonly PreflightFinding[] => {
    const known = history?.deviceAt(vm.name, bdf);
    const device = deviceAt(bdf, host);
    if (known === undefined || device === undefined || isSameKind(known, device)) return [];
    const places = whereIs(known, host);
    const where =
      places.length === 0 ? "which is nowhere on the host now" : `which is now at ${places.join(" and ")}`;
    const now = device.name ?? `${device.vendorId}:${device.deviceId}`;
    return [
      {
        check: "preflight.device-exchanged",
        matter: "stops",
        certainty: "likely",
        sentence: `At ${bdf} is now ${now}, and no longer ${nameOf(known)} that '${vm.name}' had, ${where}.`,
        evidence: [`${bdf} was ${known.identity}, and is ${identityOf(device)}`],
        remedies: [
          places.length === 0
            ? "Select the devices in the VM's settings again."
            : `In the VM's settings select ${places.join(" or ")} instead of ${bdf}; as it is, the VM would take a device that the host may need.`,
        ],
        devices: [bdf],
        groups: groupNumbers(bdf, host),
      },
    ];
  });
}

function nameOf({ identity, name }: KnownDevice): string {
  return name ?? identity.split("/")[0] ?? identity;
}

function identityOf(device: PciDevice): string {
  const subsystem = `${device.subsystemVendorId ?? "0000"}:${device.subsystemDeviceId ?? "0000"}`;
  return `${device.vendorId}:${device.deviceId}/${subsystem}`;
}

function isSameKind({ identity }: KnownDevice, device: PciDevice): boolean {
  return identity.replace(/#\d+$/, "") === identityOf(device);
}

function whereIs(known: KnownDevice, host: HostState): readonly Bdf[] {
  if (host.devices.state !== "read") return [];
  return [...host.devices.value.values()].filter((device) => isSameKind(known, device)).map(({ bdf }) => bdf);
}

/** Modules that libvirt loads when a VM starts; each has to be loadable. */
const NEEDED = ["vfio", "vfio_pci", "vfio_iommu_type1"];

/**
 * Modules that are not loaded yet are no trouble, because libvirt loads them; a line in modprobe.d that runs something
 * else instead is. (`blacklist` only keeps a module from being loaded by itself, see modprobe.d(5).)
 */
function forbiddenModules(vm: VmDefinition, { host, modprobe }: PreflightInput): readonly PreflightFinding[] {
  if (host.modules.state !== "read" || modprobe.state !== "read") return [];
  const present = host.modules.value;
  return modprobe.value
    .filter(
      ({ kind, module, rest }) =>
        kind === "install" && NEEDED.includes(module) && /\/(?:false|true)$/.test(rest),
    )
    .filter(({ module }) => !present.has(module))
    .map(({ module, rest, file }) => ({
      check: "preflight.module-forbidden",
      matter: "stops" as const,
      certainty: "certain" as const,
      sentence: `The module ${module} is not loaded and may not be: ${file} runs ${rest} instead, so '${vm.name}' gets no device.`,
      evidence: [`${file}: install ${module} ${rest}`],
      remedies: [`Remove that line from ${file}.`],
      devices: vm.hostDevices.map(({ bdf }) => bdf),
      groups: [],
    }));
}

/** What a lock stands for that was left behind, where more than the lock may be missing. */
const HALF_DONE: Readonly<Record<string, string>> = {
  create: "its disks may be incomplete: restore or create it again.",
  clone: "its disks may be incomplete: clone it again.",
  rollback: "its disks may be half rolled back: roll back again.",
  migrate: "make sure first that it runs on no other node.",
};

/** Proxmox starts no VM that one of its tasks has locked, and a task that was cut off leaves the lock behind. */
function lockedByTask({ definition: { name }, lock }: VmStatus): readonly PreflightFinding[] {
  if (lock === undefined) return [];
  const number = /^\d+/.exec(name)?.[0] ?? "NUMBER";
  const halfDone = HALF_DONE[lock];
  return [
    {
      check: "preflight.proxmox-locked",
      matter: "stops",
      certainty: "certain",
      sentence: `Proxmox refuses to start '${name}' while one of its tasks (${lock}) has locked it.`,
      evidence: [`/etc/pve/qemu-server/${number}.conf: lock: ${lock}`],
      remedies: [
        "Wait until that task has ended (the node's Task History shows it); the lock goes with it.",
        `If no such task runs any more, it was cut off and left the lock behind: 'qm unlock ${number}'${
          halfDone === undefined ? "." : `; ${halfDone}`
        }`,
      ],
      devices: [],
      groups: [],
    },
  ];
}

/** Unraid's own refusals, which come before QEMU (law 10). */
function policyRefusals(vm: VmDefinition, { unraid, host }: PreflightInput): readonly PreflightFinding[] {
  if (unraid === undefined) return [];
  const findings: PreflightFinding[] = [];
  if (unraid.startsDisabled.state === "read" && unraid.startsDisabled.value) {
    findings.push({
      check: "preflight.unraid-disabled",
      matter: "stops",
      certainty: "certain",
      sentence: `Unraid refuses to start '${vm.name}' and every other VM: starting VMs is disabled in its settings.`,
      evidence: ['/boot/config/domain.cfg: DISABLE="yes"'],
      remedies: ["Allow it in Settings → VM Manager (Disable Start/Autostart: No)."],
      devices: [],
      groups: [],
    });
  }
  const changes = unraid.pciChanges.state === "read" ? unraid.pciChanges.value : [];
  const mine = changes.filter((change) => vm.hostDevices.some(({ bdf }) => bdf === change.bdf));
  if (mine.length > 0) {
    const said = mine.map(({ bdf, kind, was, is }) => `${bdf} ${kind}: ${was ?? "none"} → ${is ?? "none"}`);
    findings.push({
      check: "preflight.unraid-pci-change",
      matter: "stops",
      certainty: "certain",
      sentence: `Unraid refuses to start '${vm.name}': its devices are not what Unraid wrote down at the last clean shutdown (PCI change).`,
      evidence: ["/boot/config/savedpcidata.json against the devices of now:", ...said],
      remedies: [
        "Check the addresses in the VM's settings, then acknowledge the change in Tools → System Devices.",
        "After that the real fault, if there is one, shows itself: run this check again.",
      ],
      devices: mine.map(({ bdf }) => bdf),
      groups: mine.flatMap(({ bdf }) => groupNumbers(bdf, host)),
    });
  }
  return findings;
}
