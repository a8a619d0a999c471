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
  // Nearly everything is; in a storm of starts the function that is called for each part costs more than all else.
  if (isWithin(value, mostText, mostEntries)) return JSON.stringify(value);
  return JSON.stringify(value, (_key, part: unknown) => {
    if (typeof part === "string") return boundedText(part, mostText);
    if (Array.isArray(part) && part.length > mostEntries) return part.slice(0, mostEntries);
    return part;
  });
}

function isWithin(value: unknown, mostText: number, mostEntries: number): boolean {
  if (typeof value === "string") return value.length <= mostText;
  if (typeof value !== "object" || value === null) return true;
  if (Array.isArray(value)) {
    if (value.length > mostEntries) return false;
    for (const entry of value) if (!isWithin(entry, mostText, mostEntries)) return false;
    return true;
  }
  const parts = value as Readonly<Record<string, unknown>>;
  for (const key in parts) if (!isWithin(parts[key], mostText, mostEntries)) return false;
  return true;
}
