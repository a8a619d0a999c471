import type { FactContent, FactValue } from "../model/fact.ts";

export const ABSENT: FactValue = { state: "absent" };
/** What is to be said of a key of which a snapshot says nothing (law 7). */
export const NOT_COLLECTED: FactValue = { state: "unknown", why: "not collected" };

/** What a fact says, as one text for a reader. */
export function contentText(content: FactContent): string {
  if (typeof content === "boolean") return content ? "yes" : "no";
  return typeof content === "object" ? content.join(", ") : String(content);
}

/** The value of a fact as a text for a reader; undefined when it is absent or unknown. */
export function textOf(value: FactValue | undefined): string | undefined {
  return value?.state === "value" ? contentText(value.value) : undefined;
}

/** The items of a list, or the one value of another fact; empty when it is absent or unknown. */
export function listOf(value: FactValue | undefined): readonly string[] {
  if (value?.state !== "value") return [];
  return typeof value.value === "object" ? value.value : [contentText(value.value)];
}

/** The value for a reader, with a word for the other states. */
export function valueText(value: FactValue): string {
  return textOf(value) ?? (value.state === "absent" ? "none" : "unknown");
}

/** Whether two values say the same; of what is unknown nobody can say it. */
export function isSameValue(a: FactValue, b: FactValue): boolean {
  if (a.state !== "value" || b.state !== "value") return a.state === b.state;
  if (typeof a.value !== "object" || typeof b.value !== "object") return a.value === b.value;
  return a.value.length === b.value.length && a.value.every((item, place) => item === listOf(b)[place]);
}
