/**
 * Whether two names are one board's. Vendors change spaces and capitals between BIOS versions; MSI's number is the
 * board, whatever the name before it (`MPG X870E CARBON WIFI (MS-7E49)`, and as the system's product `MS-7E49`).
 */
export function isSameBoard(one: string, other: string): boolean {
  const [left, right] = [numberOf(one), numberOf(other)];
  return left !== undefined && right !== undefined ? left === right : plain(one) === plain(other);
}

/** `7E49` of MS-7E49. */
export function numberOf(board: string): string | undefined {
  return /\bMS-([0-9A-Z]{4})\b/i.exec(board)?.[1]?.toUpperCase();
}

function plain(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]+/g, "");
}
