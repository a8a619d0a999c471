import type { SignatureMatch } from "../model/catalogue.ts";
import type { DomainLogEnd, DomainLogLine, DomainLogStart } from "../model/observation.ts";
import type { AttemptBook } from "./book.ts";
import { LATE_MS, nearest, type Pen, SLACK_MS } from "./pen.ts";
import { hasFatalCause } from "./working-attempt.ts";

/** A VM whose log began before its first event was read is still the same try for this long (ms). */
const ADOPTION_MS = 120_000;
const REASONS_OF_DEATH: ReadonlySet<string> = new Set(["crashed", "daemon", "failed"]);

/** What a VM's own log tells of its starts. */
export interface LogSigns {
  started(start: DomainLogStart): boolean;
  said(line: DomainLogLine, matches: readonly SignatureMatch[]): boolean;
  ended(end: DomainLogEnd): boolean;
}

/** Makes the reader of domain logs; `sweep` looks for attempts of evidence that waits. */
export function createLogSigns(options: {
  readonly book: AttemptBook;
  readonly pen: Pen;
  readonly sweep: () => void;
}): LogSigns {
  const { book, pen, sweep } = options;

  function started(start: DomainLogStart): boolean {
    if (book.knows(start)) return true;
    const adopted = book
      .of(start.vm)
      .find(
        (attempt) =>
          !attempt.hasLogStart &&
          attempt.openedAt >= start.at - SLACK_MS &&
          attempt.openedAt <= start.at + ADOPTION_MS &&
          (attempt.closedAt === undefined || attempt.closedAt >= start.at),
      );
    const previous = book
      .of(start.vm)
      .findLast((attempt) => attempt.openedAt < book.timeWithin(attempt, start.at));
    if (previous !== undefined && previous !== adopted && previous.closedAt === undefined) {
      // Another start can only begin after the last QEMU ended, though nobody heard of its end.
      if (previous.startedAt === undefined && hasFatalCause(previous)) pen.fail(previous, start.at);
      else book.close(previous, start.at, "started");
    }
    const attempt = adopted ?? pen.open(start.vm, start, []);
    attempt.hasLogStart = true;
    attempt.steady -= Math.max(0, attempt.openedAt - start.at);
    attempt.openedAt = Math.min(attempt.openedAt, start.at);
    if (start.isWhole || attempt.devices.size === 0) pen.hasDevices(attempt, start.devices);
    pen.join(attempt, start, []);
    book.watchSettling(attempt);
    sweep();
    return true;
  }

  function ended(end: DomainLogEnd): boolean {
    if (book.knows(end)) return true;
    const candidates = book
      .of(end.vm)
      .filter(
        (attempt) =>
          !attempt.hasLogEnd &&
          attempt.openedAt <= book.timeWithin(attempt, end.at) + SLACK_MS &&
          (attempt.closedAt === undefined || Math.abs(attempt.closedAt - end.at) <= LATE_MS),
      );
    const missing = candidates.findLast((attempt) => attempt.hasLogStart) ?? nearest(candidates, end.at);
    // `failed` is said of a start only; an attempt that already ran has ended unheard before this one.
    const usable =
      missing !== undefined && end.reason === "failed" && missing.startedAt !== undefined
        ? undefined
        : missing;
    if (usable === undefined && end.reason !== "failed") return endOfRunning(end);
    const attempt = usable ?? pen.open(end.vm, end, []);
    attempt.hasLogEnd = true;
    book.ended(attempt, end.at);
    pen.join(attempt, end, []);
    if (end.reason === "failed") pen.fail(attempt, end.at);
    else if (REASONS_OF_DEATH.has(end.reason)) pen.died(attempt, end.at);
    else book.close(attempt, end.at, "started");
    sweep();
    return true;
  }

  /** A VM whose start has settled ends; only a crash within the first minutes changes what its start was. */
  function endOfRunning(end: DomainLogEnd): boolean {
    const attempt = book.current(end.vm);
    if (attempt === undefined || attempt.hasLogEnd || book.timeWithin(attempt, end.at) < attempt.openedAt)
      return false;
    attempt.hasLogEnd = true;
    book.ended(attempt, end.at);
    if (!REASONS_OF_DEATH.has(end.reason) || !pen.isEarly(attempt, end.at) || attempt.outcome !== "started")
      return false;
    pen.join(attempt, end, []);
    pen.died(attempt, end.at);
    return true;
  }

  return {
    started,
    ended,
    said(line, matches) {
      const attempt = book
        .of(line.vm)
        .findLast(
          (candidate) => candidate.hasLogStart && book.timeWithin(candidate, line.at) >= candidate.openedAt,
        );
      if (attempt === undefined || book.knows(line)) return attempt !== undefined;
      if (attempt.closedAt !== undefined && line.at > attempt.closedAt) return false;
      return pen.join(attempt, line, matches);
    },
  };
}
