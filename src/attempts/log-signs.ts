import type { SignatureMatch } from "../model/catalogue.ts";
import type { DomainLogEnd, DomainLogLine, DomainLogStart } from "../model/observation.ts";
import type { AttemptBook } from "./book.ts";
import { momentOf, type Said } from "./moments.ts";
import { LATE_MS, nearest, type Pen, SLACK_MS } from "./pen.ts";
import { hasFatalCause, type WorkingAttempt } from "./working-attempt.ts";

/** A VM whose log began before its first event was read is still the same try for this long (ms). */
const ADOPTION_MS = 120_000;
const REASONS_OF_DEATH: ReadonlySet<string> = new Set(["crashed", "daemon", "failed"]);

/** How it went was found when libvirt was asked for its VMs: when it was is not known yet. */
function isFound({ evidence, hasLogStart, started }: WorkingAttempt): boolean {
  return (
    !hasLogStart &&
    started === undefined &&
    evidence.some(({ observation: { kind } }) => kind === "vm-inventory")
  );
}

/** What a VM's own log tells of its starts. */
export interface LogSigns {
  started(start: Said<DomainLogStart>): boolean;
  said(line: Said<DomainLogLine>, matches: readonly SignatureMatch[]): boolean;
  ended(end: Said<DomainLogEnd>): boolean;
}

/** Makes the reader of domain logs; `sweepFor` looks whether evidence that waits belongs to an attempt. */
export function createLogSigns(options: {
  readonly book: AttemptBook;
  readonly pen: Pen;
  readonly sweepFor: (attempt: WorkingAttempt) => void;
}): LogSigns {
  const { book, pen, sweepFor } = options;

  function started(start: Said<DomainLogStart>): boolean {
    if (book.knows(start)) return true;
    const adopted = book
      .of(start.vm)
      .find(
        (attempt) =>
          !attempt.hasLogStart &&
          attempt.opened.steady >= start.steady - SLACK_MS &&
          attempt.opened.steady <= start.steady + ADOPTION_MS &&
          (attempt.closed === undefined || attempt.closed.steady >= start.steady),
      );
    const previous = book.of(start.vm).findLast(({ opened }) => opened.steady < start.steady);
    if (previous !== undefined && previous !== adopted && previous.closed === undefined) {
      // Another start can only begin after the last QEMU ended, though nobody heard of its end.
      if (previous.started === undefined && hasFatalCause(previous)) pen.fail(previous, momentOf(start));
      else book.close(previous, momentOf(start), "started");
    }
    const attempt = adopted ?? pen.open(start.vm, start, []);
    attempt.hasLogStart = true;
    if (start.steady < attempt.opened.steady) attempt.opened = momentOf(start);
    if (start.isWhole || attempt.devices.size === 0) pen.hasDevices(attempt, start.devices);
    pen.join(attempt, start, []);
    book.watchSettling(attempt);
    sweepFor(attempt);
    return true;
  }

  function ended(end: Said<DomainLogEnd>): boolean {
    if (book.knows(end)) return true;
    const candidates = book
      .of(end.vm)
      .filter(
        (attempt) =>
          !attempt.hasLogEnd &&
          (attempt.opened.steady <= end.steady + SLACK_MS || isFound(attempt)) &&
          (attempt.closed === undefined || Math.abs(attempt.closed.steady - end.steady) <= LATE_MS),
      );
    const missing = candidates.findLast((attempt) => attempt.hasLogStart) ?? nearest(candidates, end);
    // `failed` is said of a start only; an attempt that already ran has ended unheard before this one.
    const usable =
      missing !== undefined && end.reason === "failed" && missing.started !== undefined ? undefined : missing;
    if (usable === undefined && end.reason !== "failed") return endOfRunning(end);
    const attempt = usable ?? pen.open(end.vm, end, []);
    attempt.hasLogEnd = true;
    if (isFound(attempt) && end.steady < attempt.opened.steady) attempt.opened = momentOf(end);
    attempt.ended = momentOf(end);
    pen.join(attempt, end, []);
    if (end.reason === "failed") pen.fail(attempt, attempt.ended);
    else if (REASONS_OF_DEATH.has(end.reason)) pen.died(attempt, attempt.ended);
    else book.close(attempt, attempt.ended, "started");
    sweepFor(attempt);
    return true;
  }

  /** A VM whose start has settled ends; only a crash within the first minutes changes what its start was. */
  function endOfRunning(end: Said<DomainLogEnd>): boolean {
    const attempt = book.current(end.vm);
    if (attempt === undefined || attempt.hasLogEnd || end.steady < attempt.opened.steady) return false;
    attempt.hasLogEnd = true;
    attempt.ended = momentOf(end);
    if (!REASONS_OF_DEATH.has(end.reason) || !pen.isEarly(attempt, end) || attempt.outcome !== "started")
      return false;
    pen.join(attempt, end, []);
    pen.died(attempt, attempt.ended);
    return true;
  }

  return {
    started,
    ended,
    said(line, matches) {
      const attempt = book
        .of(line.vm)
        .findLast((candidate) => candidate.hasLogStart && line.steady >= candidate.opened.steady);
      if (attempt === undefined || book.knows(line)) return attempt !== undefined;
      if (attempt.closed !== undefined && line.steady > attempt.closed.steady) return false;
      return pen.join(attempt, line, matches);
    },
  };
}
