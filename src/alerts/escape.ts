/**
 * Escapes for Discord's Markdown, which takes a backslash before any punctuation, and for the links that it makes of
 * bare addresses. Pings are switched off in the message itself (`allowed_mentions`).
 */
export function escapeDiscord(text: string): string {
  return text
    .replace(/[\\`*_~|<>[\]()#]|:(?=\/\/)/g, "\\$&")
    .replace(/^(\s*)([-+])/gm, "$1\\$2")
    .replace(/^(\s*\d+)\./gm, "$1\\.");
}

/** Escapes for Slack, which knows three entities and no escape for its Markdown; so that is switched off or avoided. */
export function escapeSlack(text: string): string {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}
