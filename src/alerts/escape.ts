/**
 * Escapes for Discord's Markdown, which takes a backslash before any punctuation. Pings are switched off in the
 * message itself (`allowed_mentions`).
 */
export function escapeDiscord(text: string): string {
  return text
    .replace(/[\\`*_~|<>[\]()#]/g, "\\$&")
    .replace(/^(\s*)([-+])/gm, "$1\\$2")
    .replace(/^(\s*\d+)\./gm, "$1\\.");
}

/** Escapes for Slack, which knows three entities and no escape for its Markdown; so that is switched off or avoided. */
export function escapeSlack(text: string): string {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}

const LOOK_ALIKES: Readonly<Record<string, string>> = {
  "<": "‹",
  ">": "›",
  "&": "＆",
  "=": "꞊",
  ";": "；",
  "#": "＃",
  '"': "”",
  "`": "‘",
  "*": "∗",
  _: "＿",
  "~": "∼",
  "[": "［",
  "]": "］",
  "|": "∣",
  "\\": "＼",
};

/**
 * Text that means itself everywhere in Unraid. One notification is read by all of these: raw HTML up to 7.1, Markdown
 * from 7.2 on, an INI reader that cuts at `;` and `#`, another that splits at `=`, mail, and agents that run
 * `echo -e`. No escape suits all of them (an entity holds `&`, `#` and `;`; a backslash shows in mail), so what means
 * something to any of them is replaced by the character that looks like it.
 */
export function portableUnraid(text: string): string {
  return text.replace(/[<>&=;#"`*_~[\]|\\]/g, (character) => LOOK_ALIKES[character] ?? "");
}
