import { formatDay } from "../time-words.ts";
import type { BlameAnswer } from "./ask-blame.ts";
import { describeBlameSections, type TextSection } from "./blame-sections.ts";
import { blameCertainty, blameHeadline } from "./blame-sentences.ts";
import { agesaSentence } from "./shared-agesa.ts";

/** The answer in words. Plain text from hostile names: escape it for where it goes. */
export interface BlameText {
  /** The answer in one sentence. */
  readonly headline: string;
  /** How certain that is, and why, in one or two sentences. */
  readonly certainty: string;
  /** First row: headings. Empty where there is no start at all. */
  readonly table: readonly (readonly string[])[];
  readonly sections: readonly TextSection[];
}

/** Puts the answer into words, for the terminal and for the report. */
export function describeBlame(answer: BlameAnswer): BlameText {
  return {
    headline: blameHeadline(answer),
    certainty: [blameCertainty(answer), agesaSentence(answer.agesa), importedNote(answer)]
      .filter((text) => text !== "")
      .join(" "),
    table: biosTable(answer),
    sections: describeBlameSections(answer),
  };
}

function importedNote({ imported, blame }: BlameAnswer): string {
  if (imported === "none" || (blame.trials.length === 0 && blame.good === 0)) return "";
  const which = imported === "all" ? "All" : "Some";
  return `${which} of these starts were not seen live: they come from imported material.`;
}

/** BIOS version by outcome. */
function biosTable({ bios }: BlameAnswer): readonly (readonly string[])[] {
  if (bios.length === 0) return [];
  const refusals = bios.some(({ refused }) => refused > 0);
  return [
    [
      "BIOS",
      "first seen",
      "last seen",
      "starts",
      "worked",
      "failed",
      ...(refusals ? ["refused"] : []),
      "causes",
    ],
    ...bios.map((row) => [
      row.build ?? "not on record",
      formatDay(row.firstSeen),
      formatDay(row.lastSeen),
      String(row.starts),
      String(row.worked),
      String(row.failed),
      ...(refusals ? [String(row.refused)] : []),
      row.causes.map(({ cause, starts: count }) => `${cause} (${count})`).join(", ") || "-",
    ]),
  ];
}
