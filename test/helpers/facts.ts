import { textOf } from "../../src/facts/fact-value.ts";
import { factsOfKind } from "../../src/facts/facts-of-host.ts";
import type { FactKind } from "../../src/facts/kind.ts";
import { typedContent } from "../../src/facts/typed-content.ts";
import { knownKey } from "../../src/facts/vocabulary.ts";
import { type HostReading, unknownHost } from "../../src/host/host-reading.ts";
import type { Fact, FactValue } from "../../src/model/fact.ts";

/** The facts of these kinds on a host of which only this is known. */
export function factsFrom(known: Partial<HostReading>, ...kinds: readonly FactKind[]): readonly Fact[] {
  const host = { ...unknownHost("not read"), ...known };
  return kinds.flatMap((kind) => factsOfKind(kind, host));
}

/** Values as a reader sees them, by key; the other states in brackets. */
export function shownValues(facts: readonly Fact[]): Record<string, string> {
  return Object.fromEntries(facts.map(({ key, value }) => [key, textOf(value) ?? `(${value.state})`]));
}

/** A value written as one text, of the type that its key's kind declares; lists are divided by spaces or commas. */
export function factValue(key: string, text: string): FactValue {
  const form = knownKey(key)?.form;
  if (form?.type !== "list") return { state: "value", value: typedContent(key, text) };
  const items = text.split(/, | /);
  return { state: "value", value: form.ordered === true ? items : items.sort() };
}
