import type { FactValue } from "../model/fact.ts";
import { boundedText } from "./bounded.ts";

/** A longer value is a mistake of its collector. */
const MOST_VALUE = 16 * 1024;

/** How a fact's value lies in the table: plain text as it is, any other type (number, boolean, list) as JSON. */
export interface StoredValue {
  readonly state: "text" | "json" | "absent" | "unknown";
  readonly value: string;
}

/** The stored form of a value. What is too long is cut where it is text, and said to be unknown where it is not. */
export function encodeValue(value: FactValue): StoredValue {
  if (value.state === "absent") return { state: "absent", value: "" };
  if (value.state === "unknown") return { state: "unknown", value: boundedText(value.why, 512) };
  if (typeof value.value === "string") return { state: "text", value: boundedText(value.value, MOST_VALUE) };
  const json = JSON.stringify(value.value);
  return json.length <= MOST_VALUE
    ? { state: "json", value: json }
    : { state: "unknown", value: `too long to be kept: ${json.length} characters` };
}

/** The value that a row holds. */
export function decodeValue({ state, value }: StoredValue): FactValue {
  if (state === "text") return { state: "value", value };
  if (state === "json") return { state: "value", value: JSON.parse(value) };
  return state === "unknown" ? { state: "unknown", why: value } : { state: "absent" };
}
