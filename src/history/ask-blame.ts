import { isDeviceClass } from "../diagnosis/rank.ts";
import type { CauseClass } from "../model/catalogue.ts";
import type { Change, Snapshot } from "../model/fact.ts";
import { deviceOfUnknownVm, type VmName } from "../model/identifiers.ts";
import type { AttemptFilter, FailedAttempt } from "../store/attempt-store.ts";
import type { VmStore } from "../store/record-stores.ts";
import type { SnapshotStore } from "../store/snapshot-store.ts";
import { type BiosRow, biosRows } from "./bios-rows.ts";
import { type Blame, findBlame } from "./blame.ts";
import { type BlamedDevice, blamedDevices, deviceNames } from "./blamed-devices.ts";
import { boundaryOf } from "./boundary.ts";
import { candidateFacts, withKinds } from "./candidate-facts.ts";
import { changesBetween } from "./changes-between.ts";
import type { FactTable } from "./fact-table.ts";
import { type ReadFactTable, readFactTable } from "./read-fact-table.ts";
import { formerNames, joinRenamedFacts } from "./renamed-vms.ts";
import { createSnapshotLookup, type SnapshotLookup } from "./snapshot-lookup.ts";
import { startsWithDevice } from "./starts-with-device.ts";
import { canMatter, findSubject, type Subject, tableFor } from "./subject.ts";
import { isFailure, type StartTally } from "./trials.ts";

/** What the question needs of the stored history; the store has these. */
export interface BlameReader {
  readonly attempts: {
    tallies(filter?: AttemptFilter): readonly StartTally[];
    newestFailures(limit: number): readonly FailedAttempt[];
  };
  readonly snapshots: Pick<SnapshotStore, "several" | "inOrder" | "series" | "changedKeys" | "unknownKeys">;
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
  readonly cause: CauseClass | undefined;
}

/** Everything that there is to say on the question. */
export interface BlameAnswer {
  readonly question: BlameQuestion;
  readonly vms: readonly VmName[];
  /** The devices in question, the one that matters most first. */
  readonly devices: readonly BlamedDevice[];
  readonly blame: Blame;
  readonly bios: readonly BiosRow[];
  /** What changed between the last good and the first bad start, as far as it can matter; undefined if unknown. */
  readonly changes: readonly Change[] | undefined;
  /** The rest of what changed there, which cannot matter for these VMs. */
  readonly otherChanges: number;
  /** Failures of another class than the one in question, and refusals by the platform: how many starts. */
  readonly otherClasses: readonly {
    readonly cause: CauseClass | "unknown" | "refused";
    readonly starts: number;
  }[];
  readonly otherVms: readonly OtherFailure[];
  /** How many of the starts that were weighed come from imported material. */
  readonly imported: "none" | "some" | "all";
  /** The facts of the newest start, for labels. */
  readonly newest: Snapshot | undefined;
  /** Names of the devices that there are or were, by identity, as the PCI database calls them. */
  readonly names: ReadonlyMap<string, string>;
}

/** So many failed starts are looked through for other VMs that fail. */
const RECENT_FAILURES = 200;

/**
 * Answers the question from the stored history. Reads only; no clock. With more snapshots than `selectAbove`, a
 * selection of them first tells which facts are worth reading in all of them; the answer is the same.
 */
export function askBlame(
  reader: BlameReader,
  question: BlameQuestion,
  selectAbove: number = MANY_SNAPSHOTS,
): BlameAnswer {
  const lookup = createSnapshotLookup(reader.snapshots);
  const recent = reader.attempts.newestFailures(RECENT_FAILURES);
  const named = question.vm ?? (question.device === undefined ? mostInNeed(recent) : undefined);
  // Whose start the kernel refused is not known, but which device: its other starts are the ones to compare with.
  const device = question.device ?? (named === undefined ? undefined : deviceOfUnknownVm(named));
  const vm = named !== undefined && deviceOfUnknownVm(named) !== undefined ? undefined : named;
  const asked = { ...(vm !== undefined && { vm }), ...(device !== undefined && { device }) };
  const gathered = gather(reader, lookup, asked, selectAbove);
  const { placeOf, subject, snapshots } = gathered;
  const places = [...placeOf.values()];
  const { tallies } = gathered;
  const names = formerNames(reader.vms, new Set(tallies.map((tally) => tally.vm)));
  const table = joinRenamedFacts(gathered.table, names, places);
  const blame = findBlame(tallies, tableFor(table, subject, places), placeOf);
  const newest = snapshots.at(-1);
  const [before, after] = [blame.boundary?.lastGood.snapshotId, blame.boundary?.firstBad.snapshotId];
  lookup.load([before, after].filter((id) => id !== undefined));
  const between = changesBetween(lookup, before, after);
  const changes = between?.filter((change) => canMatter(change.key, subject));
  const vms = vm !== undefined ? [reader.vms.past(vm).name] : [...new Set(tallies.map((tally) => tally.vm))];
  return {
    question,
    vms,
    devices: blamedDevices(tallies, blame, subject, snapshots, device),
    blame,
    bios: biosRows(tallies, table, placeOf),
    changes,
    otherChanges: (between?.length ?? 0) - (changes?.length ?? 0),
    otherClasses: otherClasses(tallies, blame.failure),
    otherVms: otherFailures(recent, new Set(vms)),
    imported: importedShare(blame.trials.length > 0 ? blame.trials.map(({ tally }) => tally) : tallies),
    newest,
    names: deviceNames(snapshots),
  };
}

/** The VM whose device failed last; of any cause where none did. */
function mostInNeed(recent: readonly FailedAttempt[]): VmName | undefined {
  const failed = recent.filter(isFailure);
  const withDevice = failed.find(({ cause }) => cause !== undefined && isDeviceClass(cause));
  return (withDevice ?? failed[0] ?? recent[0])?.vm;
}

interface Gathered {
  readonly tallies: readonly StartTally[];
  readonly table: FactTable;
  readonly placeOf: ReadonlyMap<string, number>;
  readonly subject: Subject;
  /** Snapshots of a few telling starts, oldest first. */
  readonly snapshots: readonly Snapshot[];
}

const MANY_SNAPSHOTS = 300;

function gather(
  reader: BlameReader,
  lookup: SnapshotLookup,
  { device, vm }: BlameQuestion,
  selectAbove: number,
): Gathered {
  // With a device, starts of its other addresses and of other VMs count too, so the address is no filter.
  const tallies =
    device !== undefined
      ? startsWithDevice(reader, device, vm)
      : reader.attempts.tallies(vm === undefined ? {} : { vm });
  const ids = [...new Set(tallies.flatMap(({ snapshotId }) => snapshotId ?? []))];
  const telling = tellingStarts(tallies);
  const boundary = boundaryOf(tallies);
  lookup.load(
    [...telling, ...(boundary === undefined ? [] : [boundary.lastGood, boundary.firstBad])].flatMap(
      ({ snapshotId }) => snapshotId ?? [],
    ),
  );
  const known = subjectOf(lookup, tallies, telling);
  if (ids.length <= selectAbove) return { tallies, ...readFactTable(reader.snapshots, ids), ...known };
  return { tallies, ...readCandidates(reader.snapshots, ids, tallies), ...known };
}

function readCandidates(
  snapshots: BlameReader["snapshots"],
  ids: readonly string[],
  tallies: readonly StartTally[],
): ReadFactTable {
  const candidates = candidateFacts(snapshots, tallies);
  const quick = readFactTable(snapshots, ids, candidates.isWanted);
  const unlisted = [...candidates.kinds].filter((kind) => !isInAll(kind, quick));
  if (unlisted.length === 0) return quick;
  return readFactTable(snapshots, ids, withKinds(candidates, new Set(unlisted)));
}

function isInAll(key: string, { table, placeOf }: ReadFactTable): boolean {
  if (table.constants.has(key)) return true;
  const column = table.columns.find((candidate) => candidate.key === key);
  return column !== undefined && [...placeOf.values()].every((place) => (column.indexes[place] ?? -1) >= 0);
}

function subjectOf(
  lookup: SnapshotLookup,
  tallies: readonly StartTally[],
  telling: readonly StartTally[],
): Pick<Gathered, "subject" | "snapshots"> {
  const seen = telling.flatMap((tally) => {
    const snapshot = tally.snapshotId === undefined ? undefined : lookup.get(tally.snapshotId);
    return snapshot === undefined ? [] : [{ snapshot, devices: tally.devices }];
  });
  return {
    subject: findSubject(new Set(tallies.map(({ vm }) => vm)), seen),
    snapshots: seen.map(({ snapshot }) => snapshot),
  };
}

/** First, last, and on both sides of every turn, up to a few: the devices and groups that there ever were. */
function tellingStarts(tallies: readonly StartTally[]): readonly StartTally[] {
  const turns = tallies.filter(
    (tally, index) =>
      index === 0 ||
      index === tallies.length - 1 ||
      tallies[index - 1]?.outcome !== tally.outcome ||
      tallies[index + 1]?.outcome !== tally.outcome,
  );
  const distinct = [
    ...new Map(turns.map((tally) => [tally.snapshotId ?? tally.firstNumber, tally])).values(),
  ];
  // Each costs some milliseconds to load.
  return distinct.length > 4 ? [...distinct.slice(0, 1), ...distinct.slice(-3)] : distinct;
}

function otherClasses(
  tallies: readonly StartTally[],
  failure: Blame["failure"],
): BlameAnswer["otherClasses"] {
  const counts = new Map<CauseClass | "unknown" | "refused", number>();
  for (const tally of tallies) {
    if (tally.outcome === "started") continue;
    const cause = tally.outcome === "refused" ? "refused" : (tally.cause ?? "unknown");
    if (cause !== failure) counts.set(cause, (counts.get(cause) ?? 0) + tally.count);
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
