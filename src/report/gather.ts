import type { Answer } from "../answer/answer.ts";
import { askAnswer, questionOf } from "../answer/ask-answer.ts";
import { askHostSaid } from "../answer/host-said.ts";
import type { Catalogue } from "../diagnosis/catalogue.ts";
import { diffSnapshots } from "../facts/diff-snapshots.ts";
import { textOf } from "../facts/fact-value.ts";
import { askBlame } from "../history/ask-blame.ts";
import { describeBlame } from "../history/describe-blame.ts";
import { readFactTable } from "../history/read-fact-table.ts";
import type { Fact, Snapshot } from "../model/fact.ts";
import type { Bdf, VmName } from "../model/identifiers.ts";
import type { AttemptRow, StoredAttempt } from "../store/attempt-store.ts";
import type { Store } from "../store/store.ts";
import type { TimeLine } from "./document.ts";
import type { BlameFindings, ReportInput, TriedStart } from "./input.ts";
import { drawTimeLine } from "./time-line.ts";
import { quoted } from "./words.ts";

/** Starts that are looked at for what was tried; alike ones in a row become one line. */
const MOST_STARTS = 300;
const MOST_TRIED = 25;

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
  catalogue: Catalogue,
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
  const answer =
    attempt && askAnswer(store, questionOf(attempt, attempt.number, attempt.snapshotId), catalogue);
  return {
    ...made,
    missing,
    attempt,
    vm,
    devices: attempt?.devices ?? knownDevices(store, vm),
    facts: subject.about === "host" ? subject.facts : (stored?.facts ?? []),
    factsFrom:
      subject.about === "host" ? "are of the host as it is now" : "are of the host as it was at that start",
    answer,
    hostSaid: attempt === undefined || store === undefined ? [] : askHostSaid(store, attempt, catalogue),
    tried,
    triedEarlier: earlierStarts(store, vm, tried),
    blame:
      vm === undefined || store === undefined || starts.length === 0 ? undefined : blameOf(store, vm, answer),
    timeLine: vm === undefined || store === undefined ? undefined : timeLineOf(store, vm),
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

const BIOS = "firmware.bios.version";

/** The boots with what became of the VM's starts in them. */
export function timeLineOf(store: Store, vm: VmName): TimeLine {
  const boots = store.boots.list();
  const tallies = store.attempts.tallies({ vm });
  const ids = [...new Set([...boots, ...tallies].flatMap(({ snapshotId }) => snapshotId ?? []))];
  // Asking for one fact in each of some thousand snapshots takes ten times as long as comparing all of them.
  const { table, placeOf } = readFactTable(store.snapshots, ids, (key) => key === BIOS);
  return drawTimeLine(quoted(vm), boots, tallies, (id) => {
    const place = placeOf.get(id ?? "");
    return place === undefined ? undefined : textOf(table.valueAt(BIOS, place));
  });
}

function biosOf(snapshot: Snapshot | undefined): string | undefined {
  return textOf(snapshot?.facts.find(({ key }) => key === BIOS)?.value);
}

function knownDevices(store: Store | undefined, vm: VmName | undefined): readonly Bdf[] {
  const vms = store?.vms
    .list()
    .filter(({ definition, goneAt }) => vm === definition.name || (vm === undefined && goneAt === undefined));
  return [...new Set(vms?.flatMap(({ definition }) => definition.hostDevices.map(({ bdf }) => bdf)))];
}

/** Newest first in, oldest first out. Only what is shown is compared, for that means loading whole snapshots. */
function triedStarts(newestFirst: readonly AttemptRow[], snapshots: SnapshotReader): readonly TriedStart[] {
  const rows: AttemptRow[][] = [];
  for (const row of newestFirst.toReversed()) {
    const alike = rows.at(-1);
    if (alike?.[0] !== undefined && isAlike(alike[0], row)) alike.push(row);
    else rows.push([row]);
  }
  const from = Math.max(0, rows.length - MOST_TRIED);
  const beginning = newestFirst.length < MOST_STARTS ? "first" : undefined;
  return rows.slice(from).flatMap((alike, index): readonly TriedStart[] => {
    const [first, last] = [alike[0], alike.at(-1)];
    const previous = rows[from + index - 1]?.[0];
    if (first === undefined || last === undefined) return [];
    const snapshot = snapshots(first.snapshotId);
    return [
      {
        first: first.number,
        last: last.number,
        count: alike.length,
        at: first.openedAt,
        outcome: first.outcome,
        summary: first.summary,
        bios: biosOf(snapshot),
        imported: first.origin === "imported",
        differences:
          previous === undefined ? beginning : differences(snapshots(previous.snapshotId), snapshot),
      },
    ];
  });
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

function blameOf(store: Store, vm: VmName, told: Answer | undefined): BlameFindings {
  const said = new Set(told?.changes?.flatMap(({ changes }) => changes.map(({ sentence }) => sentence)));
  const answer = askBlame(store, { vm });
  const { headline, certainty, table, sections } = describeBlame(answer);
  const [first] = answer.blame.sets;
  return {
    headline,
    certainty,
    biosTable: table,
    // What changed since the last good start has a section of its own.
    sections: sections.filter(({ lines }) => !lines.every((line) => said.has(line))),
    biosBlamed:
      answer.blame.certainty !== "unknown" &&
      first?.suspects.some(({ family }) => family === "BIOS") === true,
  };
}
