import type { Outcome } from "../model/attempt.ts";
import type { BootRecord } from "../model/history.ts";
import type { BootId } from "../model/identifiers.ts";
import type { RunOutcome, TimeLine, TimeLineRun } from "./document.ts";

/** Starts in one boot that went the same way. */
export interface BootTally {
  readonly bootId: BootId | undefined;
  readonly outcome: Outcome;
  readonly count: number;
}

/** More runs than this are too narrow to be read on a phone. */
const MOST_RUNS = 12;

/**
 * Puts boots in a row (as they followed each other) and joins those with the same BIOS on which starts went the same
 * way, so that a year of good boots is one mark. A boot without a start of the VM joins its neighbours on that BIOS.
 */
export function drawTimeLine(
  subject: string,
  boots: readonly BootRecord[],
  tallies: readonly BootTally[],
  biosOf: (snapshotId: string | undefined) => string | undefined,
): TimeLine {
  const byBoot = new Map<string, BootTally[]>();
  for (const tally of tallies) {
    if (tally.bootId === undefined) continue;
    byBoot.set(tally.bootId, [...(byBoot.get(tally.bootId) ?? []), tally]);
  }
  const single = [...boots]
    .sort((a, b) => a.ordinal - b.ordinal)
    .map((boot) => runOf(boot, byBoot.get(boot.id) ?? [], biosOf(boot.snapshotId)));
  const fine = joinRuns(single, false);
  // What comes and goes has a run for each time; by BIOS alone the whole history has room.
  const runs = fine.length > MOST_RUNS ? joinRuns(single, true) : fine;
  // Before the first start there is nothing to see.
  while (runs.length > 1 && runs[0]?.outcome === "none") runs.shift();
  const left = runs.slice(0, Math.max(0, runs.length - MOST_RUNS));
  return {
    subject,
    runs: runs.slice(left.length),
    earlierBoots: left.reduce((sum, run) => sum + run.boots, 0),
  };
}

function runOf(boot: BootRecord, tallies: readonly BootTally[], bios: string | undefined): TimeLineRun {
  const sum = (...outcomes: readonly Outcome[]) =>
    tallies.reduce((total, tally) => total + (outcomes.includes(tally.outcome) ? tally.count : 0), 0);
  const [started, failed, refused] = [sum("started"), sum("failed", "crashed-early"), sum("refused")];
  return {
    bios: bios ?? "",
    outcome: outcomeOf(started, failed, refused),
    boots: 1,
    started,
    failed,
    refused,
    from: boot.startedAt,
    imported: boot.origin === "imported",
  };
}

function outcomeOf(started: number, failed: number, refused: number): RunOutcome {
  if (started > 0 && failed > 0) return "mixed";
  if (started > 0) return "good";
  if (failed > 0) return "bad";
  return refused > 0 ? "refused" : "none";
}

function joinRuns(single: readonly TimeLineRun[], byBiosAlone: boolean): TimeLineRun[] {
  const runs: TimeLineRun[] = [];
  for (const run of single) {
    const last = runs.at(-1);
    const isLike = last?.outcome === run.outcome || last?.outcome === "none" || run.outcome === "none";
    if (last?.bios === run.bios && (isLike || byBiosAlone)) runs[runs.length - 1] = join(last, run);
    else runs.push(run);
  }
  return runs;
}

function join(a: TimeLineRun, b: TimeLineRun): TimeLineRun {
  const [started, failed, refused] = [a.started + b.started, a.failed + b.failed, a.refused + b.refused];
  return {
    ...a,
    outcome: outcomeOf(started, failed, refused),
    boots: a.boots + b.boots,
    started,
    failed,
    refused,
    imported: a.imported && b.imported,
  };
}
