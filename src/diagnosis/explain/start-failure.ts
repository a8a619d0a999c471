import type { CauseClass, SignatureMatch, StartRole } from "../../model/catalogue.ts";
import { signatureId } from "../../model/identifiers.ts";
import { isAskedFor } from "../matcher.ts";
import { isAboutHostDevice, isDeviceClass } from "../rank.ts";
import { drivesDevices, runsVms } from "../speakers.ts";
import type { SpokenLine } from "./spoken.ts";

/** Messages of these classes come while a VM runs, or about the host, unless their signature says otherwise. */
const AT_RUN_TIME: ReadonlySet<CauseClass> = new Set([
  "vm-killed",
  "vm-hung",
  "pcie-error",
  "reset-failed",
  "iommu-fault",
  "iommu-timeout",
]);

/** What a message says about a start: as its signature has it, else what follows from what it is. */
export function startRole({ signature }: SignatureMatch): StartRole {
  const { start, class: ownClass, layer, role, severity } = signature;
  if (start !== undefined) return start;
  const tells = role === "cause" || role === "symptom";
  if (ownClass === "start-failure-wrapper") return tells ? "failed" : "none";
  // The kernel says how a device is; which of that stops a start is said of each.
  if (ownClass === "benign-noise" || layer === "kernel" || !tells || severity !== "fatal") return "none";
  return AT_RUN_TIME.has(ownClass) ? "none" : "stops";
}

/** True where the signature fits whatever is said in a certain form. */
export function isForm({ signature }: SignatureMatch): boolean {
  return signature.start === "form";
}

/**
 * Decides whether an incident is a start that failed. What may also come of something else counts only where nothing
 * else was asked for: libvirt says the same of a QEMU that ends while it takes over another host's VM.
 */
export function isStartFailure(lines: readonly SpokenLine[], speakOfVms: boolean): boolean {
  const matches = lines.flatMap((line) => line.matches);
  // Programs that drive devices by themselves get the same refusals from the kernel.
  if (matches.some((match) => startRole(match) === "other-user") && !speakOfVms) return false;
  if (matches.some((match) => startRole(match) === "failed")) return true;
  if (matches.some((match) => startRole(match) === "words") && matches.some(isTrouble)) return true;
  return lines.some((line, index) => {
    const proof = proofOf(line);
    return proof !== undefined && !comesOfOther(lines, index, proof);
  });
}

/** What a line has to say of a start that failed, by itself. */
function proofOf(line: SpokenLine): StartRole | undefined {
  if (drivesDevices(line.speaker)) return undefined;
  const told = line.matches.filter(({ signature }) => !isAskedFor(signature.start));
  const stops = told.some(
    (match) =>
      (startRole(match) === "stops" && !isAboutHostDevice(match)) ||
      (startRole(match) === "option" && !isOfRunningVm(line)),
  );
  if (stops || (told.some(isFailedTask) && told.some(isOfDevice))) return "stops";
  if (told.some((match) => startRole(match) === "ended")) return "ended";
  if (told.some((match) => startRole(match) === "reply")) return "reply";
  return told.length === 1 && told.every(isForm) ? "form" : undefined;
}

/** Proxmox gives devices to VMs in no other task than a start. */
const FAILED_TASK = signatureId("proxmox.task-failed");

function isFailedTask({ signature: { id } }: SignatureMatch): boolean {
  return id === FAILED_TASK;
}

function isOfDevice(match: SignatureMatch): boolean {
  const { class: ownClass, layer } = match.signature;
  if (ownClass === "benign-noise" || ownClass === "start-failure-wrapper") return false;
  return layer !== "kernel" && isTrouble(match) && isDeviceClass(ownClass);
}

/** How near, in blocks, what was asked for stands to what came of it; commands may have long output between. */
const NEAR_COMMAND = 60;
const NEAR_CALL = 15;
const NEAR_REPLY = 10;

/** True where something else than a start was asked for, so that this is not proof of a start that failed. */
function comesOfOther(lines: readonly SpokenLine[], index: number, proof: StartRole): boolean {
  const own = lines[index]?.block ?? 0;
  const has = (line: SpokenLine, ...roles: readonly StartRole[]) =>
    line.matches.some((match) => roles.includes(startRole(match)));
  const command = lines
    .slice(0, index + 1)
    .findLast((line) => own - line.block <= NEAR_COMMAND && has(line, "start-command", "other-command"));
  // Proxmox says at the end of each task how it went; what QEMU complained of before has not stopped it.
  if (lines.slice(index + 1).some((line) => line.block - own <= NEAR_CALL && has(line, "went-well")))
    return true;
  if (proof === "reply")
    return command === undefined || !has(command, "start-command") || own - command.block > NEAR_REPLY;
  if (command !== undefined && has(command, "start-command")) return false;
  if (command !== undefined && proof === "form") return true;
  return lines.some((line) => Math.abs(line.block - own) <= NEAR_CALL && has(line, "other-call"));
}

/** Something of VMs, or of a device that may be given to one, is wrong. */
function isTrouble(match: SignatureMatch): boolean {
  const { role } = match.signature;
  return (
    (role === "cause" || role === "symptom") && startRole(match) !== "words" && !isAboutHostDevice(match)
  );
}

/** When QEMU starts it repeats the option of the device in front of what it says; in a running VM there is none. */
function isOfRunningVm({ text, speaker }: SpokenLine): boolean {
  return (runsVms(speaker) || /\b(?:qemu[\w.-]*|kvm): vfio /i.test(text)) && !/ -device /i.test(text);
}
