import { isDeviceClass } from "../diagnosis/rank.ts";
import { changesBetween } from "../facts/changes-between.ts";
import { textOf } from "../facts/fact-value.ts";
import type { Change, Snapshot } from "../model/fact.ts";
import { deviceOfUnknownVm, type VmName } from "../model/identifiers.ts";
import type { AttemptFilter, FailedAttempt } from "../store/attempt-store.ts";
import type { VmStore } from "../store/record-stores.ts";
import type { SnapshotStore } from "../store/snapshot-store.ts";
import { type BiosRow, biosRows } from "./bios-rows.ts";
import { type Blame, findBlames } from "./blame.ts";
import { type BlamedDevice, blamedDevices, deviceNames } from "./blamed-devices.ts";
import { newestBoundary } from "./boundary.ts";
import { type ReadFactTable, readFactTable } from "./read-fact-table.ts";
import { formerNames, joinRenamedFacts } from "./renamed-vms.ts";
import { type SharedAgesa, sharedAgesa } from "./shared-agesa.ts";
import { startsWithDevice } from "./starts-with-device.ts";
import { addressOwner, canMatter, findSubject, type SeenStart, tableFor } from "./subject.ts";
import {
  type FailureClass,
  type Fault,
  findFaults,
  isFailure,
  isPassthroughFailure,
  type StartTally,
} from "./trials.ts";

/** What the question needs of the stored history; the store has these. */
export interface BlameReader {
  readonly attempts: {
    tallies(filter?: AttemptFilter): readonly StartTally[];
    newestFailures(limit: number): readonly FailedAttempt[];
    cutShort(filter: Pick<AttemptFilter, "vm">): number;
  };
  readonly snapshots: Pick<SnapshotStore, "inOrder" | "series">;
  readonly vms: Pick<VmStore, "past">;
}

/** Whose failures are asked about; neither: the VM with the newest failure. */
export interface BlameQuestion {
  readonly vm?: VmName;
  /** An address, or `vendor:device` in hexadecimal; followed when its address changed. */
  readonly device?: string;
}

/** Another VM that has failed of late. */
export interface OtherFailure {
  readonly vm: VmName;
  readonly at: number;
  readonly number: number;
  readonly cause: FailedAttempt["cause"];
}

/** What there is to say of one fault. */
export interface FaultAnswer {
  readonly question: BlameQuestion;
  /** Whom it is about, where that is not VMs of one host: `VMs on MPG X870E CARBON WIFI (MS-7E49)`. */
  readonly about?: string;
  readonly vms: readonly VmName[];
  /** The devices that the VMs had when they last worked, the one that matters most first. */
  readonly devices: readonly BlamedDevice[];
  readonly blame: Blame;
  readonly bios: readonly BiosRow[];
  /** What the BIOS versions of all failed starts have in common, where they are several. */
  readonly agesa: SharedAgesa | undefined;
  /** What changed between the last good and the first bad start and can matter, the likeliest cause first. */
  readonly changes: readonly Change[] | undefined;
  /** The rest of what changed there, which cannot matter for these VMs. */
  readonly otherChanges: number;
  /** Where each device stood on both sides of the turn, by identity. */
  readonly stood: {
    readonly before: ReadonlyMap<string, string>;
    readonly after: ReadonlyMap<string, string>;
  };
  /** The facts of the newest start, for labels. */
  readonly newest: Snapshot | undefined;
  /** Names of the devices that there are or were, by identity, as the PCI database calls them. */
  readonly names: ReadonlyMap<string, string>;
}

/** Everything that there is to say on the question: the fault that is asked about, and the others beside it. */
export interface BlameAnswer extends FaultAnswer {
  readonly others: readonly FaultAnswer[];
  /**
   * Failures that are no fault of passthrough, refusals by the platform, and what the host took with it when it went
   * down: how many starts.
   */
  readonly otherClasses: readonly {
    readonly cause: FailureClass | "refused" | "cut-short";
    readonly starts: number;
  }[];
  readonly otherVms: readonly OtherFailure[];
  /** When one of the VMs was deleted and made anew with the same name and devices. */
  readonly madeAnewAt: readonly number[];
  /** How many of the starts that were weighed come from imported material. */
  readonly imported: "none" | "some" | "all";
}

/** So many failed starts are looked through for other VMs that fail. */
const RECENT_FAILURES = 200;

/** Answers the question from the stored history. Reads only; no clock. */
export function askBlame(reader: BlameReader, question: BlameQuestion): BlameAnswer {
  const recent = reader.attempts.newestFailures(RECENT_FAILURES);
  const named = question.vm ?? (question.device === undefined ? mostInNeed(recent) : undefined);
  // Whose start the kernel refused is not known, but which device: its other starts are the ones to compare with.
  const device = question.device ?? (named === undefined ? undefined : deviceOfUnknownVm(named));
  const vm = named !== undefined && deviceOfUnknownVm(named) !== undefined ? undefined : named;
  const tallies =
    device === undefined
      ? reader.attempts.tallies(vm === undefined ? {} : { vm })
      : // Starts of its other addresses and of other VMs count too, so the address is no filter.
        startsWithDevice(reader, device, vm);
  const ids = [...new Set(tallies.flatMap(({ snapshotId }) => snapshotId ?? []))];
  const read = readFactTable(reader.snapshots, ids);
  const { placeOf } = read;
  const places = [...placeOf.values()];
  const faults = findFaults(tallies);
  const seen = seenStarts(read, tallies, faults);
  const subject = findSubject(new Set(tallies.map((tally) => tally.vm)), seen);
  const names = formerNames(reader.vms, new Set(tallies.map((tally) => tally.vm)));
  const table = joinRenamedFacts(read.table, names, places);
  const [first, ...others] = findBlames({
    tallies,
    faults,
    table: tableFor(table, subject, places),
    placeOf,
    subject,
  });
  const vms = vm !== undefined ? [reader.vms.past(vm).name] : [...new Set(tallies.map((tally) => tally.vm))];
  const bios = biosRows(tallies, table, placeOf);
  const answerFor = (blame: Blame): FaultAnswer => {
    const { lastGood, firstBad } = blame.boundary ?? {};
    const between = changesBetween(read, lastGood?.snapshotId, firstBad?.snapshotId);
    const chanceOf = (change: Change) => blame.chances.get(change.key) ?? 0;
    const changes = between
      ?.filter((change) => canMatter(change.key, subject))
      .toSorted((a, b) => chanceOf(b) - chanceOf(a));
    return {
      question,
      vms,
      devices: blamedDevices(tallies, blame, subject, read, device),
      blame,
      bios,
      agesa: sharedAgesa(blame.trials, table, placeOf),
      changes,
      otherChanges: (between?.length ?? 0) - (changes?.length ?? 0),
      stood: { before: addressesIn(read, lastGood), after: addressesIn(read, firstBad) },
      newest: seen.at(-1)?.snapshot,
      names: deviceNames(seen.map(({ snapshot }) => snapshot)),
    };
  };
  const cutShort = vm === undefined ? 0 : reader.attempts.cutShort({ vm });
  const weighed = first.trials.length > 0 ? first.trials.map(({ tally }) => tally) : tallies;
  return {
    ...answerFor(first),
    others: others.map(answerFor),
    otherClasses: [
      ...otherClasses(tallies, [first, ...others]),
      ...(cutShort > 0 ? [{ cause: "cut-short" as const, starts: cutShort }] : []),
    ],
    otherVms: otherFailures(recent, new Set(vms)),
    imported: importedShare(weighed),
    madeAnewAt: vms.flatMap((one) => reader.vms.past(one).madeAnewAt),
  };
}

/** The VM whose device failed last; of any cause where none did. */
function mostInNeed(recent: readonly FailedAttempt[]): VmName | undefined {
  const failed = recent.filter(isPassthroughFailure);
  const withDevice = failed.find(({ cause }) => cause !== undefined && isDeviceClass(cause));
  return (withDevice ?? failed[0] ?? recent.find(isFailure) ?? recent[0])?.vm;
}

/** More tell nothing more, and each is gone through fact by fact. */
const MOST_SEEN = 5;

/** Telling starts with their snapshots, oldest first: the devices and groups that there ever were. */
function seenStarts(
  read: ReadFactTable,
  tallies: readonly StartTally[],
  faults: readonly Fault[],
): readonly SeenStart[] {
  const known = tallies.filter(({ snapshotId }) => snapshotId !== undefined);
  const turns = known.filter(
    (tally, index) =>
      index === 0 ||
      index === known.length - 1 ||
      known[index - 1]?.outcome !== tally.outcome ||
      known[index + 1]?.outcome !== tally.outcome,
  );
  const turnsOfFaults = faults.flatMap(({ trials }) => {
    const { lastGood, firstBad } = newestBoundary(trials) ?? {};
    return [lastGood, firstBad].filter((tally) => tally?.snapshotId !== undefined);
  });
  const lastGood = known.findLast(({ outcome }) => outcome === "started");
  const chosen = new Set([
    ...turns.slice(0, 1),
    ...turnsOfFaults.slice(-4),
    ...(lastGood ? [lastGood] : []),
    ...turns.slice(-3),
  ]);
  const inOrder = tallies.filter((tally) => chosen.has(tally));
  const distinct = [
    ...new Map(inOrder.map((tally) => [`${tally.snapshotId} ${tally.outcome}`, tally])).values(),
  ];
  const few =
    distinct.length > MOST_SEEN ? [...distinct.slice(0, 1), ...distinct.slice(1 - MOST_SEEN)] : distinct;
  return few.flatMap(({ snapshotId, devices, outcome }) => {
    const snapshot = read.get(snapshotId ?? "");
    return snapshot === undefined ? [] : [{ snapshot, devices, worked: outcome === "started" }];
  });
}

/** Addresses of all devices at a start, by identity. */
function addressesIn(read: ReadFactTable, tally: StartTally | undefined): ReadonlyMap<string, string> {
  const snapshot = read.get(tally?.snapshotId ?? "");
  return new Map(
    snapshot?.facts.flatMap(({ key, value }) => {
      const identity = addressOwner(key);
      const address = textOf(value);
      return identity === undefined || address === undefined ? [] : [[identity, address] as const];
    }),
  );
}

function otherClasses(tallies: readonly StartTally[], told: readonly Blame[]): BlameAnswer["otherClasses"] {
  const known = new Set(told.flatMap(({ classes }) => classes));
  const counts = new Map<FailureClass | "refused", number>();
  for (const tally of tallies) {
    if (tally.outcome === "started") continue;
    const cause = tally.outcome === "refused" ? "refused" : (tally.cause ?? "unknown");
    if (cause === "refused" || !known.has(cause)) counts.set(cause, (counts.get(cause) ?? 0) + tally.count);
  }
  return [...counts].map(([cause, starts]) => ({ cause, starts })).sort((a, b) => b.starts - a.starts);
}

function otherFailures(
  recent: readonly FailedAttempt[],
  asked: ReadonlySet<VmName>,
): readonly OtherFailure[] {
  const others = new Map<VmName, OtherFailure>();
  for (const row of recent) {
    if (asked.has(row.vm) || others.has(row.vm) || !isFailure(row)) continue;
    others.set(row.vm, { vm: row.vm, at: row.openedAt, number: row.number, cause: row.cause });
  }
  return [...others.values()];
}

function importedShare(tallies: readonly StartTally[]): BlameAnswer["imported"] {
  const imported = tallies.filter(({ origin }) => origin === "imported").length;
  if (imported === 0) return "none";
  return imported === tallies.length ? "all" : "some";
}
