/**
 * Cuts `text` to at most `most` UTF-16 units and says how much is missing. Never cuts a character in two; a
 * text that fits is returned as it is, whatever it contains.
 */
export function boundedText(text: string, most: number): string {
  if (text.length <= most) return text;
  let end = most;
  const last = text.charCodeAt(end - 1);
  if (last >= 0xd800 && last <= 0xdbff) end--;
  return `${text.slice(0, end)} … [${text.length - end} more characters]`;
}

/** JSON of a plain value in which no text and no list is longer than the bounds allow. */
export function boundedJson(value: unknown, mostText: number, mostEntries: number): string {
  return JSON.stringify(value, (_key, part: unknown) => {
    if (typeof part === "string") return boundedText(part, mostText);
    if (Array.isArray(part) && part.length > mostEntries) return part.slice(0, mostEntries);
    return part;
  });
}
