/** What the bundled rooms ask of Node's `net`: 4 or 6 for an address of that version, 0 for anything else. */
export function isIP(text: string): 0 | 4 | 6 {
  if (isIPv4(text)) return 4;
  return isIPv6(text) ? 6 : 0;
}

function isIPv4(text: string): boolean {
  const parts = text.split(".");
  return (
    parts.length === 4 && parts.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255)
  );
}

function isIPv6(text: string): boolean {
  const [address = "", ...zones] = text.split("%");
  if (zones.length > 1 || (zones.length === 1 && !/^[0-9a-z\-.:]+$/i.test(zones[0] ?? ""))) return false;
  const halves = address.split("::");
  if (halves.length > 2) return false;
  const groups = halves.flatMap((half) => (half === "" ? [] : half.split(":")));
  const last = groups.at(-1) ?? "";
  // The last two groups may be written as an IPv4 address, unless a gap stands behind it.
  const hasIPv4 = last.includes(".") && halves.at(-1) !== "";
  const plain = hasIPv4 ? groups.slice(0, -1) : groups;
  if (hasIPv4 && !isIPv4(last)) return false;
  if (!plain.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return false;
  const count = plain.length + (hasIPv4 ? 2 : 0);
  return halves.length === 2 ? count < 8 : count === 8;
}
