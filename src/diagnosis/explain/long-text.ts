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

/**
 * Leaves out of a long log what says nothing: lines that no signature knows, and that stand near none that one
 * knows. `matcher` is asked for only then. Where too much is left, the beginning and the end of it are kept, for there
 * is the cause, and the newest.
 */
export function condense(text: string, matcher: () => Matcher, progress?: Progress): Condensed {
  if (text.length <= LONGEST_PASTE) return { text, unread: 0 };
  const kept = telling(text, matcher(), progress);
  const size = kept.lines.reduce((sum, line) => sum + line.length + 1, 0);
  if (size <= LONGEST_PASTE) return { text: kept.lines.join("\n"), unread: kept.unread };
  const whole = kept.lines.join("\n");
  const half = LONGEST_PASTE / 2;
  return {
    text: `${whole.slice(0, half)}\n\n${whole.slice(-half)}`,
    unread: kept.unread + whole.length - LONGEST_PASTE,
  };
}

/** The known lines and those around them; an empty line stands for what was left out. */
function telling(
  text: string,
  matcher: Matcher,
  progress?: Progress,
): { readonly lines: readonly string[]; readonly unread: number } {
  const lines: string[] = [];
  let before: string[] = [];
  let wanted = 0;
  let unread = 0;
  let told = 0;
  for (let start = 0; start < text.length; ) {
    if (start - told >= TOLD_EVERY) {
      told = start;
      progress?.(start / text.length);
    }
    const newline = text.indexOf("\n", start);
    const end = newline < 0 ? text.length : newline;
    const line = text.slice(start, Math.min(end, start + LONGEST_LINE));
    unread += Math.max(0, end - start - LONGEST_LINE);
    start = end + 1;
    if (matcher.knows("unknown", line)) {
      if (wanted === 0) lines.push("", ...before);
      lines.push(line);
      before = [];
      wanted = CONTEXT;
    } else if (wanted > 0) {
      lines.push(line);
      wanted--;
    } else {
      before.push(line);
      if (before.length > CONTEXT) before.shift();
    }
  }
  return { lines, unread };
}
