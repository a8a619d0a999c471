import { keyHashOf } from "../../src/knowledge/message-format.ts";
import type { PrintedFormat } from "./printed-format.ts";

/** Fewer letters that stand for themselves tell nobody apart: `%s: failed`. */
const FEWEST_LETTERS = 9;
const FEWEST_WORDS = 2;
const LONGEST = 300;

/**
 * Brings formats into the form in which the data has them: one line; `%s` any text, `%d` a number, `%x` one in
 * hexadecimal digits, `%c` a character, `%m` what strerror says, `%%` a percent sign. What is too general to be told
 * from other text is left out.
 */
export function normalForms({ text, printer }: PrintedFormat): readonly string[] {
  const withReason = APPENDS_REASON.test(printer) ? `${text.replace(/\n+$/, "")}: %m` : text;
  return withReason
    .split("\n")
    .map((line) =>
      plainConversions(line)
        .replace(/\s+/g, " ")
        .replace(/(?:%s ?){2,}/g, "%s ")
        .trim(),
    )
    .map((line) => (line.length > LONGEST ? line.slice(0, LONGEST).replace(/%?\S*$/, "%s") : line))
    .filter(tellsApart);
}

/** These put `: ` and the error number's text behind the format. */
const APPENDS_REASON = /^(?:error_setg_errno|virReportSystemError|LOGEV?D?)$/;

const CONVERSION =
  /%(?:%|(?:\d+\$)?[-+ #0']*(?:\*(?:\d+\$)?|\d+)?(?:\.(?:\*(?:\d+\$)?|\d+)?)?(?:hh|h|ll|l|L|q|j|z|t)?([a-zA-Z])([A-Za-z0-9]*))/g;

/** Field widths, lengths and positions say nothing about what a message means. */
function plainConversions(line: string): string {
  return line.replace(CONVERSION, (whole, letter: string | undefined, tail: string | undefined) => {
    if (letter === undefined) return "%%";
    const rest = tail ?? "";
    // The kernel's extensions (%pOF, %pe, %pUb) are letters behind the p.
    if (letter === "p") return /^[A-Za-z]/.test(rest) ? "%s" : `%x${rest}`;
    const kind = /[xXo]/.test(letter)
      ? "%x"
      : /[diu]/.test(letter)
        ? "%d"
        : letter === "c"
          ? "%c"
          : letter === "m"
            ? "%m"
            : /[sSfgeG]/.test(letter)
              ? "%s"
              : undefined;
    return kind === undefined ? whole.replace("%", "%%") : `${kind}${rest}`;
  });
}

/** Words that stand in any program's complaints. */
const COMMON =
  /^(?:an?|and|are|as|at|be|but|by|bad|can|cannot|could|did|do|does|error|errors|exited|failed|failure|fail|fails|failing|for|from|got|has|have|in|internal|into|invalid|is|it|its|missing|must|no|not|of|on|only|option|or|read|required|returned|start|size|supported|text|than|that|the|this|to|too|type|unable|unknown|unsupported|value|was|when|with|write|wrong|you|your)$/i;

function tellsApart(format: string): boolean {
  // The usage of a tool that prints its options with the same call.
  if (/^-{1,2}[a-z]/.test(format)) return false;
  // A conversion that is none, where a macro of another architecture makes its rest.
  if (!/^(?:[^%]|%[sdxcm%])+$/.test(format)) return false;
  const literal = format.replace(/%[sdxcm]/g, "\0");
  const words = literal.match(/[A-Za-z_-]{2,}/g) ?? [];
  const letters = words.reduce((sum, { length }) => sum + length, 0);
  const own = words.filter((word) => !COMMON.test(word));
  return (
    keyHashOf(format) !== 0 &&
    own.some(({ length }) => length >= 3) &&
    words.length >= FEWEST_WORDS &&
    letters >= FEWEST_LETTERS
  );
}
