import type { Fact, FactGroup, FactValue } from "../model/fact.ts";
import type { Reading } from "../model/reading.ts";

/** Longer values are cut: no fact needs more, and all of them come from files that others write. */
const VALUE_LIMIT = 1024;

/** One line, without control characters, at most `limit` characters. */
export function oneLine(text: string, limit = VALUE_LIMIT): string {
  const line = text
    .slice(0, limit * 4)
    .replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, " ")
    .trim();
  return line.length > limit ? `${line.slice(0, limit - 1)}…` : line;
}

/** A fact that is so; the value is made one line. */
export function valueFact(group: FactGroup, key: string, value: string): Fact {
  return { group, key, value: { state: "value", value: oneLine(value) } };
}

/** A fact that is verifiably not so. */
export function absentFact(group: FactGroup, key: string): Fact {
  return { group, key, value: { state: "absent" } };
}

/**
 * A fact that could not be learned. It speaks for every key below its own (`firmware` for `firmware.bios.version`),
 * so that a collector that fails as a whole needs only one.
 */
export function unknownFact(group: FactGroup, key: string, why: string): Fact {
  return { group, key, value: { state: "unknown", why: oneLine(why) } };
}

/** A fact from a reading, state for state; an empty value counts as absent. */
export function factOfReading(group: FactGroup, key: string, reading: Reading<string>): Fact {
  if (reading.state === "unreadable") return unknownFact(group, key, reading.why);
  if (reading.state === "absent" || oneLine(reading.value) === "") return absentFact(group, key);
  return valueFact(group, key, reading.value);
}

/** The value of a fact, or undefined when it is absent or unknown. */
export function valueOfFact(value: FactValue | undefined): string | undefined {
  return value?.state === "value" ? value.value : undefined;
}

/**
 * A name that others chose (a VM, a firmware setting) as one part of a key. Keys are divided by dots, so a dot in
 * the name is written `%2e`; ordinary names stand as they are.
 */
export function keyPart(name: string): string {
  return oneLine(name.slice(0, 256).replaceAll("%", "%25").replaceAll(".", "%2e"));
}

/** The name that {@link keyPart} wrote. */
export function nameOfKeyPart(part: string): string {
  return part.replaceAll("%2e", ".").replaceAll("%25", "%");
}
