/**
 * What came of reading something on the host. Unreadable is not absent and not changed
 * (design, law 7), so the three states never collapse into `undefined`.
 */
export type Reading<T> =
  | { readonly state: "read"; readonly value: T }
  | { readonly state: "absent" }
  | { readonly state: "unreadable"; readonly why: string };

/** A reading that succeeded. */
export function read<T>(value: T): Reading<T> {
  return { state: "read", value };
}

/** The thing is verifiably not there. */
export const absent: Reading<never> = { state: "absent" };

/** The thing could not be read; `why` says what it would take, e.g. "needs root". */
export function unreadable(why: string): Reading<never> {
  return { state: "unreadable", why };
}

/** Applies `change` to a successful reading and passes the other states through. */
export function mapReading<A, B>(reading: Reading<A>, change: (value: A) => B): Reading<B> {
  return reading.state === "read" ? read(change(reading.value)) : reading;
}

/** The value of a successful reading, else `fallback`. */
export function valueOr<T>(reading: Reading<T>, fallback: T): T {
  return reading.state === "read" ? reading.value : fallback;
}
