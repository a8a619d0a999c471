import type { CauseClass, SignatureMatch } from "../../model/catalogue.ts";
import { isAboutHostDevice, type RankableLine } from "../rank.ts";
import { virshCalls } from "./virsh.ts";

/** Messages of these classes come while a VM runs, or about the host. */
const AT_RUN_TIME: ReadonlySet<CauseClass> = new Set([
  "vm-killed",
  "pcie-error",
  "reset-failed",
  "iommu-fault",
  "iommu-timeout",
]);
/** The same of single signatures: QEMU stops over these when the guest or somebody else changes a running VM. */
const WHILE_RUNNING: ReadonlySet<string> = new Set(["qemu.dma-map-abort"]);
/** QEMU died of itself: that VM did not get far, or not any further. */
const CRASHES: ReadonlySet<string> = new Set(["kernel.qemu-segfault", "qemu.assertion"]);
/** The kernel's refusals that make a start fail by themselves; its other lines only say how a device is. */
const KERNEL_REFUSALS: ReadonlySet<string> = new Set([
  "kernel.direct-mapping-required",
  "kernel.rmrr-ineligible",
  "kernel.no-interrupt-remapping",
  "kernel.iommufd-msi",
  "kernel.memlock",
  "kernel.irq-shared",
  "kernel.vf-token",
]);
/** Fit whatever is said in a certain form, so they only count where nothing else is known about the line. */
const FORMS: ReadonlySet<string> = new Set([
  "qemu.option-refused",
  "qemu.gave-up",
  "libvirt.call-failed",
  "libvirt.call-failed-translated",
  "proxmox.task-failed",
]);

/** What people say in their own words; guides say it too, so it only counts beside a message that speaks of trouble. */
const OWN_WORDS = "host.start-failed-words";

/** Programs that take devices for themselves, without any VM. */
const OTHER_USERS = /\bEAL: |\[Errno \d|\bdpdk\b|\bspdk\b|\bvpp\b|cannot add vfio group to container/i;
const VM_TALK = /qemu|\bkvm: |libvirt|virsh|\bdomain\b|\bVM\b|\bguest\b/i;
/** Other things that people ask of libvirt or Proxmox, and that fail in the same words. */
const OTHER_CALLS =
  /device_add|attach[-_]device|failed to hot-?(?:un)?plug|\bvir(?!DomainCreate|DomainRestore)\w+\(\) failed|\bcall to vir(?!DomainCreate|DomainRestore|DomainDefine)\w+ failed|node device not found|already defined with uuid|vzdump|backup of VM|domain is not running|domain already contains|failed to (?!(?:auto)?start|create|launch|boot)\w+ (?:domain|vm)\b|cannot hot-?(?:un)?plug|failed to probe capabilities|virsh [^\n]{0,40}?snapshot|(?:error|failed)[^\n]{0,200}\bmigration\b|\bmigration\b[^\n]{0,200}failed|failed to (?:attach|detach|reset|define|undefine|save|resume|migrate|connect|(?:auto)?start (?:network|pool|storage))|error attaching|nodedev|pve-container|\blxc|TASK ERROR: (?:migration|backup|clone|restore)/i;

/** Qubes takes a VM's devices from the host itself when it starts the VM: what fails in between is that start. */
const DETACHING_START = /\bqvm-start \S/;

/** Commands that start nothing: an error that says no more than that it is one may be theirs. */
const OTHER_COMMANDS =
  /\bvirsh (?:-\S+ (?:\S+ )?)?(?:destroy|undefine|shutdown|reboot|reset|suspend|resume|save|managedsave|migrate|snapshot|block|attach|detach|update-device|define|edit|dump|dom[a-z]|net-|pool-|vol-|iface-|nodedev-|set[a-z]|qemu-)/i;

/** libvirt says the same of a QEMU that ends while it takes over another host's VM, or gets one more device. */
export const OF_ANY_PROCESS: ReadonlySet<string> = new Set([
  "libvirt.qemu-exited",
  "libvirt.monitor-closed",
  "libvirt.monitor-missing",
  "libvirt.shutting-down-failed",
]);
const OTHER_TALK =
  /\bMigration: \[|load of migration failed|operation failed: migration|failed to attach device/i;
const MOVES_OR_CHANGES = /^(?:migrate|attach-[a-z]+|restore|snapshot-revert)$/;

function movesOrChangesVm(text: string): boolean {
  return OTHER_TALK.test(text) || virshCalls(text).some(({ command }) => MOVES_OR_CHANGES.test(command));
}

/** Decides whether the text tells of a VM that was to be started and was not. */
export function isVmStartFailure(lines: readonly RankableLine[], text: string): boolean {
  if (OTHER_USERS.test(text) && !VM_TALK.test(text)) return false;
  const matches = lines.flatMap((line) => line.matches);
  const wrappers = matches.filter((match) => saysStartFailed(match) && !isVague(match));
  if (wrappers.some((match) => !OF_ANY_PROCESS.has(match.signature.id))) return true;
  if (wrappers.length > 0 && !movesOrChangesVm(text)) return true;
  if (matches.some(isOwnWords) && matches.some(isTrouble)) return true;
  if (OTHER_CALLS.test(text) && !DETACHING_START.test(text)) return false;
  if (
    lines.some((line) => line.matches.some((match) => stopsStart(match) && !isOfRunningVm(match, line.text)))
  )
    return true;
  return (
    !OTHER_COMMANDS.test(text) &&
    lines.some(({ matches: [only, ...more] }) => only !== undefined && isForm(only) && more.length === 0)
  );
}

/** True where the signature fits whatever is said in a certain form. */
export function isForm({ signature }: SignatureMatch): boolean {
  return FORMS.has(signature.id);
}

function isVague(match: SignatureMatch): boolean {
  return isForm(match) || isOwnWords(match);
}

function isOwnWords({ signature }: SignatureMatch): boolean {
  return signature.id === OWN_WORDS;
}

/** Something of VMs, or of a device that may be given to one, is wrong. */
function isTrouble(match: SignatureMatch): boolean {
  const { role } = match.signature;
  return (role === "cause" || role === "symptom") && !isOwnWords(match) && !isAboutHostDevice(match);
}

function saysStartFailed({ signature }: SignatureMatch): boolean {
  return signature.class === "start-failure-wrapper" && signature.role === "symptom";
}

/**
 * QEMU sets up interrupts when it starts and whenever the guest asks for other ones. When it starts it repeats the
 * option of the device in front of what it says.
 */
function isOfRunningVm({ signature: { id } }: SignatureMatch, text: string): boolean {
  return (
    id === "qemu.irq-eventfd" && /(?:\bqemu[\w.-]*|\bkvm): vfio /i.test(text) && !/ -device /i.test(text)
  );
}

function stopsStart(match: SignatureMatch): boolean {
  const { id, class: causeClass, layer, role, severity } = match.signature;
  if (CRASHES.has(id)) return true;
  if (layer === "kernel") return KERNEL_REFUSALS.has(id) && !isAboutHostDevice(match);
  if (role !== "cause" && role !== "symptom") return false;
  if (causeClass === "start-failure-wrapper" || causeClass === "benign-noise") return false;
  return severity === "fatal" && !AT_RUN_TIME.has(causeClass) && !WHILE_RUNNING.has(id);
}
