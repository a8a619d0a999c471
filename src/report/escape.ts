import { printable } from "../terminal-text.ts";

/** Separates characters that would mean something together, and is not seen. */
const WORD_JOINER = "\u2060";

/**
 * Hostile text as one line of harmless characters: control characters and what turns the direction of writing become
 * visible escapes; a tab stays.
 */
export function visible(text: string): string {
  return printable(text.toWellFormed());
}

/** Hostile text as lines; line ends of any kind divide, everything else as in {@link visible}. */
export function visibleLines(text: string): readonly string[] {
  return text.split(/\r\n|[\r\n]/).map(visible);
}

/** Escapes for HTML text and double-quoted attributes. */
export function escapeHtml(text: string): string {
  return visible(text).replace(/[&<>"'`]/g, (character) => `&#${character.charCodeAt(0)};`);
}

/**
 * Escapes for Markdown (CommonMark, GitHub's and forums' dialects): formatting, HTML, entities, mathematics, links that
 * make themselves, and mentions, which no backslash stops.
 */
export function escapeMarkdown(text: string): string {
  return (
    visible(text)
      .replace(/[\\`*[\]<>|~$^]|&(?=[#a-z])|={2,}|(?<![a-z0-9])_|_(?![a-z0-9])/gi, "\\$&")
      // At the beginning it is a heading, and before a number a link to an issue, which no backslash stops.
      .replace(/^#/, "\\#")
      .replace(/#(?=\d)/g, `#${WORD_JOINER}`)
      .replace(/:(?=\/\/)/g, ":\\")
      .replace(/\b(www)\./gi, "$1\\.")
      .replace(/@(?=[\w-])/g, `@${WORD_JOINER}`)
      .replace(/^([-+]|\d{1,9}[.)])(?=\s|$)/, (marker) => `${marker.slice(0, -1)}\\${marker.slice(-1)}`)
  );
}

/**
 * Text as code within a line of Markdown. In a table a bar ends the cell even inside code, and code has no escape for a
 * bar behind a backslash, so there such text is no code.
 */
export function codeMarkdown(text: string, inTable: boolean): string {
  const shown = visible(text);
  if (shown.trim() === "" || (inTable && /[|\\]/.test(shown))) return escapeMarkdown(text);
  const fence = "`".repeat(longestRun(shown) + 1);
  // A backtick at either end would become part of the fence.
  const padded = /^`|`$/.test(shown) ? ` ${shown} ` : shown;
  return `${fence}${padded}${fence}`;
}

/** Lines as a block of code that nothing in them can end. */
export function fencedMarkdown(lines: readonly string[]): string {
  const fence = "`".repeat(Math.max(3, longestRun(lines.join("\n")) + 1));
  return [fence, ...lines, fence].join("\n");
}

function longestRun(text: string): number {
  let longest = 0;
  for (const [run] of text.matchAll(/`+/g)) longest = Math.max(longest, run.length);
  return longest;
}

/**
 * Escapes for BBCode, which knows no escape: an unseen character behind the bracket keeps it from being a tag, and one
 * in `://` and `www.` keeps the forum from making a link.
 */
export function escapeBbcode(text: string): string {
  return (
    visible(text)
      // No tag begins with a digit, and an id such as [10de:2805] is often copied.
      .replace(/\[(?!\d)/g, `[${WORD_JOINER}`)
      .replace(/:(?=\/\/)/g, `:${WORD_JOINER}`)
      .replace(/\b(www)\./gi, `$1${WORD_JOINER}.`)
      .replace(/@(?=[\w-])/g, `@${WORD_JOINER}`)
  );
}

/** Lines as a block of code; only what would end the block is touched, everything else stands word for word. */
export function codeBbcode(lines: readonly string[]): string {
  const text = lines.join("\n").replace(/\[(?=\s{0,8}\/\s{0,8}code)/gi, `[${WORD_JOINER}`);
  return `[code]\n${text}\n[/code]`;
}
