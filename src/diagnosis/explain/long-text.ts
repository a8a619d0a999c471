import type { Matcher } from "../matcher.ts";

/** What is longer is no paste any more but a log, and only the parts of it that are known are looked at. */
export const LONGEST_PASTE = 2_000_000;
/** The rest of a longer line is not looked at. */
export const LONGEST_LINE = 8_000;
/** Lines kept around a known one: wrapped messages, and what was said just before and after. */
const CONTEXT = 3;

/** Hears how much of a long text has been gone through, from 0 to 1. */
export type Progress = (done: number) => void;

/** In characters. */
const TOLD_EVERY = 500_000;

/** A text short enough to be looked at closely. */
export interface Condensed {
  readonly text: string;
  /** Characters that were not looked at: the ends of very long lines, and the middle of more than was bearable. */
  readonly unread: number;
}

/** Takes a log line by line, and keeps of it what `condense` would. */
export interface Condenser {
  line(text: string): void;
  /** At most `LONGEST_PASTE` characters. */
  finish(): Condensed;
}

/**
 * Leaves out of a long log what says nothing: lines that no signature knows, and that stand near none that one
 * knows. `matcher` is asked for only then. Where too much is left, the beginning and the end of it are kept, for there
 * is the cause, and the newest.
 */
export function condense(text: string, matcher: () => Matcher, progress?: Progress): Condensed {
  if (text.length <= LONGEST_PASTE) return { text, unread: 0 };
  const condenser = createCondenser(matcher);
  let told = 0;
  for (let start = 0; start < text.length; ) {
    if (start - told >= TOLD_EVERY) {
      told = start;
      progress?.(start / text.length);
    }
    const newline = text.indexOf("\n", start);
    const end = newline < 0 ? text.length : newline;
    condenser.line(text.slice(start, end));
    start = end + 1;
  }
  return condenser.finish();
}

/** Makes a condenser for a log of any length; an empty line stands for what was left out. */
export function createCondenser(matcherOnce: () => Matcher): Condenser {
  const half = LONGEST_PASTE / 2 - 2;
  const matcher = matcherOnce();
  const first: string[] = [];
  let last: string[] = [];
  let room = half;
  let size = 0;
  let before: string[] = [];
  let wanted = 0;
  let unread = 0;

  function keep(text: string): void {
    if (last.length === 0 && text.length < room) {
      room -= text.length + 1;
      first.push(text);
      return;
    }
    last.push(text);
    size += text.length + 1;
    if (size > 2 * half) trim();
  }

  /** The middle goes. */
  function trim(): void {
    let from = 0;
    for (; size > half; from += 1) {
      const length = (last[from]?.length ?? 0) + 1;
      size -= length;
      unread += length;
    }
    last = last.slice(from);
  }

  return {
    line(whole) {
      const text = whole.slice(0, LONGEST_LINE);
      unread += whole.length - text.length;
      if (matcher.knows("unknown", text)) {
        if (wanted === 0) for (const other of ["", ...before]) keep(other);
        keep(text);
        before = [];
        wanted = CONTEXT;
      } else if (wanted > 0) {
        keep(text);
        wanted -= 1;
      } else {
        before.push(text);
        if (before.length > CONTEXT) before.shift();
      }
    },
    finish() {
      // That nothing is known in a log does not make it an empty one.
      if (first.length === 0 && last.length === 0) before.forEach(keep);
      trim();
      const gap = unread > 0 && last.length > 0 ? [""] : [];
      return { text: [...first, ...gap, ...last].join("\n"), unread };
    },
  };
}
