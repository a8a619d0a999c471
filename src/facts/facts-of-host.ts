import type { HostReading } from "../host/host-reading.ts";
import { type HostSources, readHost } from "../host/host-reading.ts";
import { oneLine } from "../hostile-text.ts";
import type { Fact, FactContent, FactValue } from "../model/fact.ts";
import { type Reading, unreadable } from "../model/reading.ts";
import { ABSENT } from "./fact-value.ts";
import type { FactKind } from "./kind.ts";
import { VMS } from "./kinds/vm.ts";
import { FACT_KINDS } from "./kinds.ts";
import { knownKey } from "./vocabulary.ts";

/** More of a list than this no host has, and no reader wants. */
const MOST_ITEMS = 2000;

/**
 * All facts of what was read of a host. Each kind fails alone: what cannot be learned is an unknown fact with the
 * reason, which speaks for every key below its own (`firmware` for `firmware.bios.version`).
 */
export function factsOf(host: HostReading): readonly Fact[] {
  return FACT_KINDS.flatMap((kind) => factsOfKind(kind, host));
}

/** All but those of its VMs. */
export function factsBesideVms(host: HostReading): readonly Fact[] {
  return FACT_KINDS.filter((kind) => kind !== VMS).flatMap((kind) => factsOfKind(kind, host));
}

/** The facts of one kind. */
export function factsOfKind(kind: FactKind, host: HostReading): readonly Fact[] {
  const facts: Fact[] = [];
  const { group } = kind;
  try {
    kind.collect(host, (key, what) => {
      if (!isPrivate(kind, key)) facts.push({ group, key, value: valueFrom(key, what) });
    });
  } catch (error) {
    // A bug in one collector must not take the others' facts away.
    const why = `collecting failed: ${error instanceof Error ? error.message : error}`;
    return [{ group, key: kind.root, value: valueFrom(kind.root, unreadable(why)) }];
  }
  return facts;
}

/** All facts of the host as it is now. Reads files only; blocks for as long as that takes (some ten milliseconds). */
export function collectFacts(sources: HostSources): readonly Fact[] {
  return factsOf(readHost(sources));
}

function isPrivate({ private: hidden }: FactKind, key: string): boolean {
  return hidden?.test(key.slice(key.lastIndexOf(".") + 1)) === true;
}

function valueFrom(key: string, what: FactContent | Reading<FactContent> | undefined): FactValue {
  if (what === undefined) return ABSENT;
  if (typeof what !== "object" || !("state" in what)) return contentValue(key, what);
  if (what.state === "unreadable") return { state: "unknown", why: oneLine(what.why) };
  return what.state === "absent" ? ABSENT : contentValue(key, what.value);
}

function contentValue(key: string, content: FactContent): FactValue {
  if (typeof content === "number" || typeof content === "boolean") return { state: "value", value: content };
  if (typeof content === "string") {
    const line = oneLine(content);
    return line === "" ? ABSENT : { state: "value", value: line };
  }
  const items = content
    .slice(0, MOST_ITEMS)
    .map((item) => oneLine(item))
    .filter((item) => item !== "");
  // Where the order means nothing it must not look like a change.
  if (knownKey(key)?.form.ordered !== true) items.sort();
  return items.length === 0 ? ABSENT : { state: "value", value: items };
}
