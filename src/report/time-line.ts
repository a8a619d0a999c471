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
  const runs: TimeLineRun[] = [];
  for (const boot of [...boots].sort((a, b) => a.ordinal - b.ordinal)) {
    const run = runOf(boot, byBoot.get(boot.id) ?? [], biosOf(boot.snapshotId));
    const last = runs.at(-1);
    const joined = last === undefined ? undefined : join(last, run);
    if (joined === undefined) runs.push(run);
    else runs[runs.length - 1] = joined;
  }
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

function join(a: TimeLineRun, b: TimeLineRun): TimeLineRun | undefined {
  if (a.bios !== b.bios) return undefined;
  if (a.outcome !== b.outcome && a.outcome !== "none" && b.outcome !== "none") return undefined;
  return {
    ...a,
    outcome: a.outcome === "none" ? b.outcome : a.outcome,
    boots: a.boots + b.boots,
    started: a.started + b.started,
    failed: a.failed + b.failed,
    refused: a.refused + b.refused,
    imported: a.imported && b.imported,
  };
}
