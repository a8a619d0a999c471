import { LONGEST_LINE } from "./long-text.ts";
import { unwrapTransport } from "./unwrap-transport.ts";

/** Lines that may belong together: a line that begins a message, and those after it that begin none. */
export interface Block {
  readonly lines: readonly string[];
  /** For each line whether the text has a blank between it and the one before. */
  readonly spaced: readonly boolean[];
}

const MOST_LINES_IN_BLOCK = 12;
/** Between these, in characters, lie the widths at which terminals and mail programs wrap. */
const NARROWEST = 50;
const WIDEST = 260;

/** What a page, a mail or a list puts in front of a line. */
const DECORATION =
  /^(?:[\s>|│┃║░▒┆•●❯➜»]+|[-*+–—] +|\d{1,4}[.)] +|\d{1,4}: +(?=\[)|\d{1,5}:(?=\[ {0,6}\d+\.\d|[A-Z][a-z]{2} [ \d]\d |\d{4}-\d\d-\d\d|[a-z][\w-]+: )|\*(?=[^*\n]+\*$)|\(qemu\) *|\* *(?=\$))/;
const TRAILING_DECORATION = " |│*\\";

const MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)";
const KERNEL_STAMP = "\\[ {0,6}\\d{1,7}\\.\\d{3,6}\\]";
const QEMU_STAMP = "\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3,6}Z ";
/** Where a new message begins within a line. A syslog date is one only when a kernel or daemon tag follows. */
const MESSAGE_START = new RegExp(
  `(?<=\\S) +(?=${KERNEL_STAMP} |${QEMU_STAMP}|${MONTH} +\\d{1,2} \\d\\d:\\d\\d:\\d\\d \\S+ [\\w.-]+(?:\\[\\d+\\])?:)`,
  "g",
);
/** How a line begins that is a message of its own. */
const RECORD_START = new RegExp(
  [
    `^(?:${KERNEL_STAMP}|\\[ *\\d+\\.\\d+|\\d{4}[-/]\\d\\d[-/]\\d\\d[T ]|${MONTH} +\\d{1,2} |<\\d>|\\[?\\w{3} \\w{3} +\\d{1,2} )`,
    "^(?:kern|daemon|user) +:\\w+ +:",
    "^(?:qemu[\\w.-]*|kvm): -",
  ].join("|"),
);
/** How one may begin that has no time: these words also stand in the middle of messages. */
const PROGRAM_START = new RegExp(
  [
    "^(?:kernel:|qemu[\\w-]*: |kvm: |libvirt(?:d|: |\\.libvirtError)|error: |Error:? |ERR(?:OR)?:? |WARNING |TASK ERROR|internal error|EAL: |Traceback|File )",
    "^[a-z][\\w-]* [0-9a-f]{4,5}:[0-9a-f]{2}:[0-9a-f]{2}\\.[0-7]: ",
    "^(?:AMD-Vi|DMAR|DMAR-IR|genirq|VFIO)\\b|^vfio_\\w+: ",
    // QEMU's option in JSON belongs to the `-device` before it.
    '^\\{\\s?"(?!driver")|^[$#] ',
  ].join("|"),
);
/** After a line of QEMU's that breaks off at a colon comes its message, though it looks like a kernel's. */
const OF_QEMU = /(?:\bqemu[\w.-]*|\bkvm):(?: |$)/;
const MESSAGE_OF_QEMU = /^vfio[_ ]/;

/**
 * Makes lines of a pasted text, without what the way here put around them, several messages on one line taken
 * apart, and says which lines may be the pieces of one. `unread`: characters beyond the longest line.
 */
export function blocksOf(text: string): { readonly blocks: readonly Block[]; readonly unread: number } {
  const blocks: { lines: string[]; spaced: boolean[] }[] = [];
  let open: { lines: string[]; spaced: boolean[] } | undefined;
  const raws = unwrapTransport(text).split("\n");
  const width = raws.reduce((longest, { length }) => Math.max(longest, length), 0);
  for (const [number, raw] of raws.entries()) {
    const line = undecorated(raw);
    if (line === "") {
      open = undefined;
      continue;
    }
    const rawBefore = raws[number - 1] ?? "";
    for (const [index, message] of line.split(MESSAGE_START).entries()) {
      const goesOn = isOfQemu(open?.lines.at(-1), message) || wasWrapped(rawBefore, raw, width);
      const begins = index > 0 || RECORD_START.test(message) || (PROGRAM_START.test(message) && !goesOn);
      if (open === undefined || begins || open.lines.length >= MOST_LINES_IN_BLOCK) {
        open = { lines: [], spaced: [] };
        blocks.push(open);
      }
      open.lines.push(message);
      open.spaced.push(/\s$/.test(rawBefore) || /^\s\S/.test(raw));
    }
  }
  const unread = raws.reduce((sum, { length }) => sum + Math.max(0, length - LONGEST_LINE), 0);
  return { blocks, unread };
}

function isOfQemu(before: string | undefined, message: string): boolean {
  return before?.endsWith(":") === true && OF_QEMU.test(before) && MESSAGE_OF_QEMU.test(message);
}

/** A line that takes up the whole width, or would with the next one's first word, goes on in the next one. */
function wasWrapped(before: string, line: string, width: number): boolean {
  if (width < NARROWEST || width > WIDEST) return false;
  const [word = ""] = /\S+\s*$/.test(before) ? line.trim().split(/\s/, 1) : [];
  return before.length > width / 2 && before.trimEnd().length + 1 + word.length > width;
}

function undecorated(raw: string): string {
  let line = raw.slice(0, LONGEST_LINE);
  for (let removed = true; removed; ) {
    const shorter = line.replace(DECORATION, "");
    removed = shorter !== line;
    line = shorter;
  }
  line = line.replace(/\s+/g, " ");
  // Not an expression with `$`: that would try every run of blanks in the middle, too.
  let end = line.length;
  while (end > 0 && TRAILING_DECORATION.includes(line.charAt(end - 1))) end--;
  return line.slice(0, end);
}
