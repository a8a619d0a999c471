import { detectPlatform } from "../host/platform.ts";
import { readNames } from "../host/read-file.ts";
import type { HostPaths } from "../host-paths.ts";

/**
 * Who shows Unraid's notifications, which decides what text means itself there:
 * - `page`: the webGUI up to 7.1 puts subject and description into the page as HTML.
 * - `api`: from 7.2.1 on, Unraid's API reads the file, resolves character references, reads the quoted INI value, and
 *   shows the subject as it is and the description as Markdown.
 * - `api-unquoted`: 7.2.0 does the same with values that are not quoted, so `;` and `#` end them; its API resolves
 *   references only if it was updated (4.26 and newer do, 7.2.1 has 4.27).
 * - `any`: the version is unknown, or Unraid Connect has brought the API to a webGUI that reads HTML.
 */
export type UnraidReader = "page" | "api" | "api-unquoted" | "any";

/** Finds out who shows notifications on this host, from its version and whether Unraid's API is there. */
export function unraidReader(host: HostPaths): UnraidReader {
  const { kind, version = "" } = detectPlatform(host);
  const parts = /^(\d+)\.(\d+)(?:\.(\d+))?(-?)/.exec(version);
  if (kind !== "unraid" || parts === null) return "any";
  const [major, minor, patch] = parts.slice(1, 4).map((part) => Number(part ?? 0));
  if (major === undefined || minor === undefined || patch === undefined) return "any";
  if (major < 7 || (major === 7 && minor < 2))
    return readNames(host.at("/usr/local/unraid-api")).state === "absent" ? "page" : "any";
  // Release candidates of 7.2.1 do not quote yet.
  const quoted = major > 7 || minor > 2 || patch > 1 || (patch === 1 && parts[4] !== "-");
  return quoted ? "api" : "api-unquoted";
}

/** Escapes for each reader. The mail text goes to mail and agents, and to one page as HTML, on every version. */
export interface UnraidEscapes {
  readonly subject: (text: string) => string;
  readonly description: (text: string) => string;
}

export function unraidEscapes(reader: UnraidReader): UnraidEscapes {
  switch (reader) {
    case "page":
      return { subject: pageText, description: pageText };
    case "api":
      return { subject: plainSubject, description: twiceReadMarkdown };
    case "api-unquoted":
      return { subject: (text) => unquoted(plainSubject(text)), description: portableText };
    case "any":
      return { subject: portableText, description: portableText };
  }
}

/**
 * HTML for the webGUI up to 7.1. Besides what HTML needs: `notify get` drops what follows a second `=` of a line, the
 * page of archived notifications takes `*` for bold type, and the stock agents put the text into JSON as it is, where
 * `"` and `\` would break it, and through `echo -e`.
 */
function pageText(text: string): string {
  return text.replace(/[<"=\\*]|&(?=[#0-9A-Za-z])/g, (character) => PAGE_REFERENCES[character] ?? "");
}

const PAGE_REFERENCES: Readonly<Record<string, string>> = {
  "<": "&lt;",
  "&": "&amp;",
  '"': "&quot;",
  "=": "&#61;",
  "\\": "&#92;",
  "*": "&#42;",
};

/**
 * Markdown that stays Markdown after the API has resolved the character references of the whole file, so every
 * reference is written so that one is left over. A backslash would do for Markdown, but Slack's, Pushbullet's and
 * Discord's agents put the text into JSON, which knows no `\*`. Only what Markdown would take is escaped: names like
 * `my_vm` and `AD106 [GeForce]` stay readable in mail.
 */
function twiceReadMarkdown(text: string): string {
  return text
    .replace(TWICE_READ, reference)
    .replace(MARKDOWN_START, (start) => start.slice(0, -1) + reference(start.slice(-1)));
}

function reference(character: string): string {
  return `&amp;#${character.codePointAt(0)};`;
}

// What makes a line a heading, quotation, list or rule.
const MARKDOWN_START = /^(?:[#>+-]|\d+[.)])/;
// `_` counts only where it is not inside a word, `]` only where a link could follow.
const MARKDOWN = "[*`~]|(?<![0-9A-Za-z])_|_(?![0-9A-Za-z])|\\](?=[([:])";
// What GitHub's Markdown links by itself.
const LINKS = ":(?=//)|(?<=www)\\.|@";
const TWICE_READ = new RegExp(`${MARKDOWN}|${LINKS}|[<"\\\\]|&(?=[#0-9A-Za-z])`, "gi");

/**
 * Plain text for the API's subject. Before it is stored, `notify` blanks what looks like a character reference, and
 * the API resolves the rest; an unseen blank keeps `&` from being one. Nothing can keep `"` and `\` from breaking the
 * JSON of the stock agents, so those two are shown as what looks like them. `<!channel>` and `<a …>` mean something
 * to Slack's and Pushover's agents.
 */
function plainSubject(text: string): string {
  return blanked(lookAlike(text, /["\\]/g), /&(?=[#0-9A-Za-z])|<(?=[!@#]|a\b|[a-z]+:)/gi);
}

/**
 * Plain text for mail and agents. The archive's page up to 7.1 shows it as HTML, where `<` begins a tag only before
 * certain characters and `&` a reference; an unseen blank after them leaves both for what they are everywhere.
 */
export function mailText(text: string): string {
  return blanked(lookAlike(text, /["\\]/g), TAG_OR_REFERENCE);
}

const TAG_OR_REFERENCE = /<(?=[A-Za-z/!?@#])|&(?=[#0-9A-Za-z])/g;

/**
 * Text that means itself for the readers of all versions. No escape suits HTML, Markdown, unquoted INI, mail and
 * agents at once, so what an unseen blank cannot save is replaced by the character that looks like it.
 */
function portableText(text: string): string {
  const started = text.replace(MARKDOWN_START, `${UNSEEN_BLANK}$&`);
  const plain = lookAlike(started, PORTABLE);
  return unquoted(blanked(plain, new RegExp(`${LINKS}|&(?=[#0-9A-Za-z])`, "gi")));
}

// Pushbullet's agent cuts out whatever stands between `<` and `>`.
const PORTABLE = new RegExp(`${MARKDOWN}|[<="\\\\]`, "g");

/** For an INI value without quotes: `;` and `#` would end it, and `'` at both ends be taken for quotes. */
function unquoted(text: string): string {
  return lookAlike(text, /[;#]/g).replace(/^(?='(?:.*')?$)/, UNSEEN_BLANK);
}

/** No width, no glyph, not alphanumeric: ends whatever the character before it might begin. */
const UNSEEN_BLANK = "\u200b";

function blanked(text: string, characters: RegExp): string {
  return text.replace(characters, `$&${UNSEEN_BLANK}`);
}

function lookAlike(text: string, characters: RegExp): string {
  return text.replace(characters, (character) => LOOK_ALIKES[character] ?? "");
}

const LOOK_ALIKES: Readonly<Record<string, string>> = {
  "<": "‹",
  "=": "꞊",
  ";": "；",
  "#": "＃",
  '"': "”",
  "`": "‘",
  "*": "∗",
  _: "＿",
  "~": "∼",
  "]": "］",
  "\\": "＼",
};
