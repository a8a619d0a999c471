import type { SuspectName } from "../../src/history/name-suspects.ts";
import type { SuspectFact, SuspectSet } from "../../src/history/suspects.ts";
import type { Trial } from "../../src/history/trials.ts";
import type { FactValue } from "../../src/model/fact.ts";
import { vmName } from "../../src/model/identifiers.ts";

/**
 * Starts as a text: `g` worked, `b` failed, a digit says how many times the next one did; ` ` begins another boot, `|`
 * another host.
 */
export function trialsOf(text: string, vms: readonly string[] = []): readonly Trial[] {
  const trials: Trial[] = [];
  let boot = 0;
  let block: number | undefined = text.includes("|") ? 0 : undefined;
  let count = 1;
  for (const letter of text) {
    if (letter === " ") boot += 1;
    else if (letter === "|") block = (block ?? 0) + 1;
    else if (/\d/.test(letter)) count = Number(letter);
    else {
      const at = trials.length;
      const outcome = letter === "g" ? "started" : "failed";
      const tally = { firstAt: at, vm: vmName(vms[at] ?? "win"), count, outcome, snapshotId: `s${at}` };
      const made = { good: letter === "g", boot, first: true, later: false, tally };
      trials.push({ ...made, ...(block !== undefined && { block }) } as unknown as Trial);
      count = 1;
    }
  }
  return trials;
}

export const said = (value: string): FactValue => ({ state: "value", value });

/** A fact with a value each: its letter at each trial (`.`: not known); those in `broken` break it. */
export function factOf(
  trials: readonly Trial[],
  text: string,
  broken: string,
  key = "firmware.bios.version",
): SuspectFact {
  const letters = [...new Set(text.replaceAll(".", ""))];
  const pattern = Int32Array.from(text, (letter) => letters.indexOf(letter));
  const counts = letters.map((letter, index) => {
    const own = trials.filter((_, at) => pattern[at] === index);
    const sum = (good: boolean) =>
      own.filter((trial) => trial.good === good).reduce((total, { tally }) => total + tally.count, 0);
    return { value: said(letter.toUpperCase()), good: sum(true), bad: sum(false) };
  });
  return {
    key,
    pattern,
    broken: letters.map((letter) => broken.includes(letter)),
    counts,
  } as unknown as SuspectFact;
}

export function nameOf(lead: SuspectFact): SuspectName {
  const text = (value: FactValue) => (value.state === "value" ? String(value.value) : value.state);
  return { full: "BIOS", lead, on: (value) => `on ${text(value)}`, short: text };
}

export function setOf(...facts: readonly SuspectFact[]): SuspectSet {
  return { suspects: facts.map((fact) => ({ facts: [fact] })) } as unknown as SuspectSet;
}
