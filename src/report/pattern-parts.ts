/** What kinds of private things are told apart; each is the first word of its placeholders (`MAC-1`). */
export const PRIVATE_KINDS = [
  ...(["SECRET", "UUID", "SERIAL", "DISK", "VOLUME", "SHARE", "PATH", "WIFI", "MAC", "IP"] as const),
  ...(["LOGIN", "USER", "HOST", "ID"] as const),
] as const;
export type PrivateKind = (typeof PRIVATE_KINDS)[number];

/** How one kind is found, with named groups `before` and `after` for what stays of the match. */
export interface PrivatePattern {
  /** `KEEP` is what only looks private: it is taken away from all patterns behind. */
  readonly kind: PrivateKind | "KEEP";
  readonly source: string;
  /** Letters in the case that is written; else in any. */
  readonly caseMatters?: boolean;
  /** The whole value, where it says nothing about anybody. */
  readonly harmless?: RegExp;
}

/** What stands between a name and its value: `a=b`, `a: b`, `"a":"b"`, `<a>b`, `name='a'>b`. */
export const SEPARATOR = String.raw`(?:["']?\s{0,3}[:=]\s{0,3}["']?|["']?>)`;
/** As above, where a colon in prose says too little. */
export const EQUALS = String.raw`(?:["']?\s{0,3}=\s{0,3}["']?|"\s{0,3}:\s{0,3}"|["']?>)`;
/** A value up to its quotation mark, or up to what divides arguments; a doubled comma is QEMU's escape for one. */
export const VALUE = String.raw`(?:(?<=")[^"\n]{1,400}(?=")|(?<=')[^'\n]{1,400}(?=')|(?<=>)[^<\n]{1,400}(?=<)|(?:,,|[^\s,;&"'<>(){}]){1,400})`;
export const HEX = "[0-9a-f]";
/** Divides the parts of a UUID: in systemd's names of units a hyphen is escaped. */
export const DASH = String.raw`(?:-|_|\\x2d)`;

/** Finds the value of what is called so. */
export function named(
  kind: PrivateKind,
  names: string,
  separator = SEPARATOR,
  harmless?: RegExp,
  value = VALUE,
): PrivatePattern {
  // `-` and `_` belong to longer names of the same thing (`wifi-password`), a letter does not (`bypass`).
  const source = `(?<before>(?<![a-z0-9])(?:${names})${separator})${value}`;
  return { kind, source, ...(harmless && { harmless }) };
}
