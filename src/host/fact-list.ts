import { createHash } from "node:crypto";

const LIST_LIMIT = 800;

/** The first 16 hexadecimal digits of the SHA-256 of `content`: enough to see that something is not the same. */
export function shortHash(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex").slice(0, 16);
}

/**
 * Several values as the one value of a fact. A list too long for a reader is cut, and then carries its length and a
 * hash of the whole, so that a change in the part that is not shown is still a change.
 */
export function joinList(items: readonly string[], separator = ", "): string {
  const whole = items.join(separator);
  if (whole.length <= LIST_LIMIT) return whole;
  const cut = whole.slice(0, LIST_LIMIT);
  const lastSeparator = cut.lastIndexOf(separator);
  const shown = lastSeparator > 0 ? cut.slice(0, lastSeparator) : cut;
  return `${shown}${separator}… (${items.length} in all, sha256 ${shortHash(whole)})`;
}
