/** One `KEY="value"` line. */
export interface Assignment {
  readonly key: string;
  readonly value: string;
  /** Counted from 1. */
  readonly line: number;
}

/** A line that does not say what its writer thinks it says. */
export interface LineProblem {
  readonly line: number;
  readonly key: string | undefined;
  readonly message: string;
  /** False when the assignment was taken all the same. */
  readonly ignored: boolean;
}

/** The longest file that is read; a settings file is a few kilobytes. */
export const LONGEST_FILE = 256 * 1024;
const LONGEST_LINE = 8_192;
const ASSIGNMENT = /^([A-Za-z_][A-Za-z0-9_]{0,63})[ \t]*=[ \t]*/;

/**
 * Reads a flat settings file: `KEY="value"`, `KEY='value'` or `KEY=value`, comments on lines of their own. That is
 * what a shell, PHP's `parse_ini_string` and systemd's `EnvironmentFile` have in common; nothing is expanded.
 * Line ends of any system, and a byte order mark, are taken. Of a key that stands twice the last line counts.
 */
export function parseFlatFile(text: string): {
  readonly assignments: readonly Assignment[];
  readonly problems: readonly LineProblem[];
} {
  const assignments: Assignment[] = [];
  const problems: LineProblem[] = [];
  const lineOf = new Map<string, number>();
  const lines = text.replace(/^\uFEFF/, "").split(/\r\n|\n|\r/);
  for (const [index, raw] of lines.entries()) {
    const line = index + 1;
    const content = raw.trim();
    if (content === "" || content.startsWith("#") || content.startsWith(";")) continue;
    if (content.length > LONGEST_LINE) {
      problems.push({ line, key: undefined, message: "the line is too long", ignored: true });
      continue;
    }
    const head = ASSIGNMENT.exec(content);
    const key = head?.[1];
    if (head === null || key === undefined) {
      problems.push({ line, key: undefined, message: 'this is not KEY="value"', ignored: true });
      continue;
    }
    const value = readValue(content.slice(head[0].length));
    if (value.problem !== undefined) {
      problems.push({ line, key, message: value.problem, ignored: value.text === undefined });
    }
    if (value.text === undefined) continue;
    const earlier = lineOf.get(key);
    if (earlier !== undefined) {
      problems.push({
        line,
        key,
        message: `also stands in line ${earlier}; this line counts`,
        ignored: false,
      });
    }
    lineOf.set(key, line);
    assignments.push({ key, value: value.text, line });
  }
  return { assignments, problems };
}

interface ValueRead {
  readonly text?: string;
  readonly problem?: string;
}

function readValue(rest: string): ValueRead {
  const quote = rest[0];
  if (quote !== '"' && quote !== "'") return readBare(rest);
  let text = "";
  let expands = false;
  for (let at = 1; at < rest.length; at++) {
    const character = rest[at] ?? "";
    const next = rest[at + 1] ?? "";
    if (character === quote) return closed(text, rest.slice(at + 1).trim(), expands);
    // Inside double quotes a shell takes the backslash away before these four only, and nothing before others.
    if (quote === '"' && character === "\\" && '"\\$`'.includes(next) && next !== "") {
      text += next;
      at++;
      continue;
    }
    if (quote === '"' && (character === "$" || character === "`")) expands = true;
    text += character;
  }
  return { problem: "the closing quote is missing" };
}

function closed(text: string, after: string, expands: boolean): ValueRead {
  if (after.startsWith("#")) {
    // systemd would take the comment into the value, so it is worth a word, but its meaning is plain.
    return {
      text,
      problem: "put the comment on a line of its own; not every reader of this file takes it here",
    };
  }
  if (after !== "") return { problem: "there is text after the closing quote" };
  if (expands) {
    return { text, problem: "a shell that reads this file expands $ and `; put the value in single quotes" };
  }
  return { text };
}

function readBare(rest: string): ValueRead {
  if (/["'`$\\;&|<>()]/.test(rest)) return { problem: "a value with special characters needs quotes" };
  if (/\s#/.test(rest)) return { problem: "put the comment on a line of its own, or the value in quotes" };
  if (/\s/.test(rest)) return { text: rest, problem: "a shell needs quotes around a value with blanks" };
  return { text: rest };
}

/**
 * Writes a value so that shell, PHP, systemd and this program read the same; undefined when that cannot be done
 * (a value with both kinds of quotes, or with a line break).
 */
export function quoteValue(value: string): string | undefined {
  if (/[\r\n\0]/.test(value)) return undefined;
  if (!/["$`\\]/.test(value)) return `"${value}"`;
  return value.includes("'") ? undefined : `'${value}'`;
}
