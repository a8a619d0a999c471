import { askBlame } from "../history/ask-blame.ts";
import { diffSnapshots } from "../history/changes.ts";
import { describeBlame } from "../history/describe-blame.ts";
import { lastGoodBefore } from "../history/last-good.ts";
import type { Fact, Snapshot } from "../model/fact.ts";
import type { Bdf, VmName } from "../model/identifiers.ts";
import type { AttemptRow, Store, StoredAttempt } from "../store/store.ts";
import type { BlameFindings, LastGoodStart, ReportInput, TriedStart } from "./input.ts";
import { drawTimeLine } from "./time-line.ts";
import { quoted } from "./words.ts";

/** Starts that are looked at for what was tried; alike ones in a row become one line. */
const MOST_STARTS = 300;
const MOST_TRIED = 30;

/** What the report is about: a start that is on record, or the host as it is now. */
export type ReportSubject =
  | { readonly about: "start"; readonly attempt: StoredAttempt }
  | { readonly about: "host"; readonly facts: readonly Fact[]; readonly vm: VmName | undefined };

/**
 * Reads from the history what a report says. Without a store (nothing is on record yet) it says what the host is.
 * `missing` are sentences about what could not be read.
 */
export function gatherReport(
  subject: ReportSubject,
  store: Store | undefined,
  made: Pick<ReportInput, "madeAt" | "madeBy" | "missing">,
): ReportInput {
  const attempt = subject.about === "start" ? subject.attempt : undefined;
  const vm = subject.about === "start" ? subject.attempt.vm : subject.vm;
  const snapshots = rememberSnapshots(store);
  const stored = attempt?.snapshotId === undefined ? undefined : snapshots(attempt.snapshotId);
  const starts =
    vm === undefined || store === undefined ? [] : store.attempts.list({ vm, limit: MOST_STARTS });
  const missing = [...made.missing];
  if (attempt !== undefined && stored === undefined) {
    missing.push(
      "The facts of the host at that start are not on record (too old, or imported without them).",
    );
  }
  const tried = triedStarts(starts, snapshots);
  const good = attempt === undefined ? undefined : lastGood(attempt, store, snapshots);
  return {
    ...made,
    missing,
    attempt,
    vm,
    devices: attempt?.devices ?? knownDevices(store, vm),
    facts: subject.about === "host" ? subject.facts : (stored?.facts ?? []),
    factsFrom:
      subject.about === "host" ? "are of the host as it is now" : "are of the host as it was at that start",
    lastGood: good,
    tried: tried.slice(-MOST_TRIED),
    triedEarlier: earlierStarts(store, vm, tried.slice(-MOST_TRIED)),
    blame:
      vm === undefined || store === undefined || starts.length === 0 ? undefined : blameOf(store, vm, good),
    timeLine:
      vm === undefined || store === undefined
        ? undefined
        : drawTimeLine(quoted(vm), store.boots.list(), store.attempts.tallies({ vm }), (id) =>
            biosIn(id, store),
          ),
  };
}

type SnapshotReader = (id: string | undefined) => Snapshot | undefined;

/** Alike starts share their snapshot, and loading one costs a millisecond. */
function rememberSnapshots(store: Store | undefined): SnapshotReader {
  const known = new Map<string, Snapshot | undefined>();
  return (id) => {
    if (id === undefined || store === undefined) return undefined;
    if (!known.has(id)) known.set(id, store.snapshots.get(id));
    return known.get(id);
  };
}

function biosIn(snapshotId: string | undefined, store: Store): string | undefined {
  if (snapshotId === undefined) return undefined;
  const value = store.snapshots.fact(snapshotId, "firmware.bios.version")?.value;
  return value?.state === "value" ? value.value : undefined;
}

function biosOf(snapshot: Snapshot | undefined): string | undefined {
  const value = snapshot?.facts.find(({ key }) => key === "firmware.bios.version")?.value;
  return value?.state === "value" ? value.value : undefined;
}

function knownDevices(store: Store | undefined, vm: VmName | undefined): readonly Bdf[] {
  const vms = store?.vms
    .list()
    .filter(({ definition, goneAt }) => vm === definition.name || (vm === undefined && goneAt === undefined));
  return [...new Set(vms?.flatMap(({ definition }) => definition.hostDevices.map(({ bdf }) => bdf)))];
}

function lastGood(
  attempt: StoredAttempt,
  store: Store | undefined,
  snapshots: SnapshotReader,
): LastGoodStart | undefined {
  const filter = { vm: attempt.vm, until: attempt.openedAt - 1 };
  // It is nearly always among the newest; only after a long row of failures all have to be read.
  const good =
    lastGoodBefore(store?.attempts.list({ ...filter, limit: MOST_STARTS }) ?? []) ??
    lastGoodBefore(store?.attempts.list(filter) ?? []);
  if (good === undefined) return undefined;
  const [then, now] = [snapshots(good.snapshotId), snapshots(attempt.snapshotId)];
  return {
    number: good.number,
    at: good.openedAt,
    bios: biosOf(then),
    changes: then === undefined || now === undefined ? undefined : diffSnapshots(then, now),
  };
}

/** Newest first in, oldest first out. */
function triedStarts(newestFirst: readonly AttemptRow[], snapshots: SnapshotReader): readonly TriedStart[] {
  const tried: TriedStart[] = [];
  let last: AttemptRow | undefined;
  for (const row of newestFirst.toReversed()) {
    const previous = tried.at(-1);
    if (previous !== undefined && last !== undefined && isAlike(last, row)) {
      tried[tried.length - 1] = { ...previous, last: row.number, count: previous.count + 1 };
    } else {
      tried.push({
        first: row.number,
        last: row.number,
        count: 1,
        at: row.openedAt,
        outcome: row.outcome,
        summary: row.summary,
        bios: biosOf(snapshots(row.snapshotId)),
        imported: row.origin === "imported",
        differences:
          last === undefined ? "first" : differences(snapshots(last.snapshotId), snapshots(row.snapshotId)),
      });
    }
    last = row;
  }
  return tried;
}

function isAlike(a: AttemptRow, b: AttemptRow): boolean {
  return (
    a.outcome === b.outcome && a.cause === b.cause && a.snapshotId === b.snapshotId && a.origin === b.origin
  );
}

function differences(
  before: Snapshot | undefined,
  after: Snapshot | undefined,
): readonly string[] | undefined {
  if (before === undefined || after === undefined) return undefined;
  return diffSnapshots(before, after).map(({ sentence }) => sentence);
}

function earlierStarts(
  store: Store | undefined,
  vm: VmName | undefined,
  shown: readonly TriedStart[],
): number {
  if (store === undefined || vm === undefined) return 0;
  const all = store.attempts.tallies({ vm }).reduce((sum, { count }) => sum + count, 0);
  return Math.max(0, all - shown.reduce((sum, { count }) => sum + count, 0));
}

function blameOf(store: Store, vm: VmName, good: LastGoodStart | undefined): BlameFindings {
  const told = new Set(good?.changes?.map(({ sentence }) => sentence));
  const answer = askBlame(store, { vm });
  const { headline, certainty, table, sections } = describeBlame(answer);
  const [first] = answer.blame.sets;
  return {
    headline,
    certainty,
    biosTable: table,
    // What changed since the last good start has a section of its own.
    sections: sections.filter(({ lines }) => !lines.every((line) => told.has(line))),
    biosBlamed:
      answer.blame.certainty !== "unknown" &&
      first?.suspects.some(({ family }) => family === "BIOS") === true,
  };
}
