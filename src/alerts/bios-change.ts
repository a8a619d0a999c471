import type { AlertContent } from "../model/alert.ts";
import type { VmName } from "../model/identifiers.ts";
import { type FailedStart, failedInThisBoot } from "./compose.ts";

/** What a new BIOS means for a VM with passed-through devices. */
export interface VmUnderBios {
  readonly vm: VmName;
  /** Why it will not start; undefined where nothing of the firmware stops it. */
  readonly stoppedBy: string | undefined;
  /** What could not be read, so that nobody can say. */
  readonly unknown: string | undefined;
  /** How its newest start in this boot failed: that is no matter of foretelling any more. */
  readonly failed?: FailedStart | undefined;
}

/** Another BIOS than at the last boot: which, what its tables demand now, and which VMs it stops. Pure. */
export function composeBiosChange(options: {
  /** `BIOS 1.A63 (2026-02-10) → 1.A95 (2026-06-18)` */
  readonly change: string;
  /** The version in use. */
  readonly version: string;
  readonly agesa: { readonly before: string | undefined; readonly now: string | undefined };
  /** Entries of the tables that demand 1:1 mappings, word for word; undefined where the tables could not be read. */
  readonly demands: readonly string[] | undefined;
  /** What else changed with it, a sentence each. */
  readonly changes: readonly string[];
  readonly vms: readonly VmUnderBios[];
  /** What other owners' records say of the version. */
  readonly elsewhere: readonly string[];
}): AlertContent {
  const { change, version, agesa, demands, vms } = options;
  const stopped = vms.filter(({ stoppedBy }) => stoppedBy !== undefined);
  const hasFailed = vms.some(({ failed }) => failed !== undefined);
  const foretold = vms.filter(({ failed }) => failed === undefined);
  const unknown = foretold.filter((vm) => vm.stoppedBy === undefined && vm.unknown !== undefined);
  const safe = foretold.filter((vm) => vm.stoppedBy === undefined && vm.unknown === undefined);
  const verdicts = [
    ...vms.flatMap(({ vm, failed }) => (failed === undefined ? [] : [failedInThisBoot(vm, failed)])),
    ...foretold.flatMap(({ vm, stoppedBy }) =>
      stoppedBy === undefined ? [] : [`'${vm}' will not start: ${stoppedBy}`],
    ),
    ...unknown.map(({ vm, unknown: why }) => `Whether '${vm}' starts cannot be said: ${why}.`),
    ...(safe.length === 0
      ? []
      : [`Nothing in the firmware stops ${safe.map(({ vm }) => `'${vm}'`).join(", ")}.`]),
  ];
  return {
    kind: "facts-changed",
    importance: stopped.length > 0 ? "alert" : "normal",
    devices: [],
    subject: subjectOf(version, stopped, !hasFailed && unknown.length === 0 && safe.length > 0),
    cause: verdicts.length === 0 ? "No VM with a passed-through device is known." : verdicts.join(" "),
    changes: [
      change,
      agesaWords(agesa),
      demandWords(demands),
      ...options.changes,
      ...options.elsewhere,
    ].filter((line) => line !== undefined),
    ...(stopped.length > 0
      ? { remedy: "'vfio-watch check' says what to do about it." }
      : vms.length > 0
        ? { remedy: "Start each VM once, so that it is on record whether this version works." }
        : {}),
    command: stopped.length > 0 ? "vfio-watch check" : `vfio-watch advise --bios ${version}`,
  };
}

const LONGEST_SUBJECT = 60;

function subjectOf(version: string, stopped: readonly VmUnderBios[], isSafe: boolean): string {
  const [first] = stopped;
  const count = stopped.length === 1 ? "a VM" : `${stopped.length} VMs`;
  const named = first === undefined || stopped.length > 1 ? count : `'${first.vm}'`;
  const said = stopped.length > 0 ? ` stops ${named}` : isSafe ? " stops no VM" : "";
  const short = stopped.length > 0 ? ` stops ${count}` : said;
  return (
    [`New BIOS ${version}${said}`, `New BIOS ${version}${short}`].find(
      (text) => text.length <= LONGEST_SUBJECT,
    ) ?? `New BIOS${short}`
  );
}

function agesaWords({
  before,
  now,
}: {
  readonly before: string | undefined;
  readonly now: string | undefined;
}) {
  if (now === undefined) return before === undefined ? undefined : `AGESA: ${before} → not known`;
  if (before === now) return `AGESA: ${now}, as before`;
  return before === undefined ? `AGESA: ${now}` : `AGESA: ${before} → ${now}`;
}

function demandWords(demands: readonly string[] | undefined): string {
  if (demands === undefined) return "What its tables demand could not be read.";
  if (demands.length === 0) return "Its tables demand no 1:1 mapping.";
  return `Its tables demand 1:1 mappings: ${demands.join("; ")}`;
}
