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

/**
 * Text for each reader. Mail and the agents get the very same subject and description, on every version, so nothing is
 * ever written as a character reference: a push would show `&#60;`. What an unseen blank cannot keep from meaning
 * something is replaced by the character that looks like it.
 */
export interface UnraidEscapes {
  readonly subject: (text: string) => string;
  readonly description: (text: string) => string;
}

export function unraidEscapes(reader: UnraidReader): UnraidEscapes {
  switch (reader) {
    case "page":
      return { subject: pageText, description: (text) => pageText(tagless(text)) };
    case "api":
      return { subject: agentText, description: (text) => markdownText(agentText(tagless(text))) };
    case "api-unquoted":
      return {
        subject: (text) => unquoted(agentText(text)),
        description: (text) => portableText(tagless(text)),
      };
    case "any":
      return { subject: portableText, description: (text) => portableText(tagless(text)) };
  }
}

/** Pushbullet's agent cuts out of the description whatever stands between `<` and `>`. */
function tagless(text: string): string {
  return lookAlike(text, /</g);
}

/**
 * Text that the stock agents pass on as it is. `"` and `\` would break the JSON that some put together and are taken by
 * `echo -e`; Gotify's and Pushover's give it to `curl -F`, where `;` ends it and `@`, `<` or `(` in front make it a file
 * or a part; `<!channel>` and `<a …>` mean something to Slack and Pushover. `notify` from 7.2.1 on blanks character
 * references in the subject, and the API resolves them.
 */
function agentText(text: string): string {
  return blanked(lookAlike(text, /["\\;]/g), /&(?=[#0-9A-Za-z])|<(?=[!@#]|a\b|[a-z]+:)/gi).replace(
    /^[@<(]/,
    `${UNSEEN_BLANK}$&`,
  );
}

/**
 * For the webGUI up to 7.1, which takes it for HTML: `notify get` drops what follows a second `=` of a line, and the
 * page of archived notifications takes `*` for bold type.
 */
function pageText(text: string): string {
  return blanked(lookAlike(agentText(text), /[=*]/g), TAG);
}

/** For the API's description, of which only what Markdown would take is changed: `my_vm`, `AD106 [GeForce]` stay. */
function markdownText(text: string): string {
  const plain = blanked(blanked(lookAlike(text, MARKDOWN), LINKS), TAG);
  return plain.replace(MARKDOWN_START, `${UNSEEN_BLANK}$&`);
}

// `<` begins a tag only before these.
const TAG = /<(?=[A-Za-z/!?])/g;
// What makes a line a heading, quotation, list or rule.
const MARKDOWN_START = /^(?:[#>+-]|\d+[.)])/;
// `_` counts only where it is not inside a word.
const MARKDOWN = /[*`~]|(?<![0-9A-Za-z])_|_(?![0-9A-Za-z])/g;
// What GitHub's Markdown links by itself, and `]` where a link could follow.
const LINKS = /:(?=\/\/)|(?<=www)\.|@|\](?=[([:])/gi;

/**
 * Plain text for mail and agents. The archive's page up to 7.1 shows it as HTML, where `<` begins a tag only before
 * certain characters and `&` a reference; an unseen blank after them leaves both for what they are everywhere.
 */
export function mailText(text: string): string {
  return blanked(lookAlike(text, /["\\]/g), TAG_OR_REFERENCE);
}

const TAG_OR_REFERENCE = /<(?=[A-Za-z/!?@#])|&(?=[#0-9A-Za-z])/g;

/** Text that means itself for the readers of all versions. */
function portableText(text: string): string {
  return unquoted(markdownText(pageText(text)));
}

/** For an INI value without quotes: `#` would end it (as `;`), and `'` at both ends be taken for quotes. */
function unquoted(text: string): string {
  return lookAlike(text, /#/g).replace(/^(?='(?:.*')?$)/, UNSEEN_BLANK);
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
  ";": "\u037e",
  "#": "＃",
  '"': "”",
  "`": "‘",
  "*": "∗",
  _: "＿",
  "~": "∼",
  "\\": "＼",
};
