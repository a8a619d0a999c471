import { formatDay, formatMinute } from "../time-words.ts";
import type { Answer, Moment } from "./answer.ts";
import type { ChangeLine } from "./change-lines.ts";

/** More lines than this nobody reads. */
export const MOST_CHANGES = 8;
const MOST_CONSEQUENCES = 2;

/** What changed, a line each, at most eight; what is new since it failed the time before is marked. */
export function changeTexts(
  { changes = [], otherChanges }: Answer,
  options: { readonly withConsequences?: boolean } = {},
): readonly string[] {
  const shown = linesTexts(changes, options);
  return otherChanges > 0 && shown.length > 0 && shown.length < MOST_CHANGES
    ? [...shown, `and ${otherChanges} more that cannot matter for it`]
    : shown;
}

/** The same of lines alone. */
export function linesTexts(
  lines: readonly ChangeLine[],
  { withConsequences = false }: { readonly withConsequences?: boolean } = {},
): readonly string[] {
  const marks = lines.some(({ isNew }) => isNew) && !lines.every(({ isNew }) => isNew);
  const all = lines.map(
    (line) =>
      `${line.sentence}${withConsequences ? consequencesText(line) : ""}${marks && line.isNew ? NEW : ""}`,
  );
  const left = all.length - MOST_CHANGES;
  return left > 0 ? [...all.slice(0, MOST_CHANGES - 1), `and ${left + 1} more`] : all;
}

const NEW = " [new since the last failure]";

function consequencesText({ consequences }: ChangeLine): string {
  const told = consequences.slice(0, MOST_CONSEQUENCES);
  const more = consequences.length - told.length;
  const withIt = [...told, ...(more > 0 ? [`${more} more`] : [])].join("; ");
  return withIt === "" ? "" : ` (with it: ${withIt})`;
}

/** When it last worked and on what, and what cannot be known of that. */
export function sinceText(answer: Answer): string {
  const { lastGood, changes, comparedWith, otherChanges } = answer;
  if (lastGood === undefined) {
    const compared =
      comparedWith === "boot before" && changes !== undefined && changes.length > 0
        ? " The changes are those since the last boot."
        : "";
    return `No good start of it is on record.${compared}`;
  }
  const { without = [] } = lastGood;
  const told =
    without.length > 0
      ? `No good start with ${without.join(", ")} is on record. It last started without: ${momentText(lastGood)}.`
      : `Last good start: ${momentText(lastGood)}.`;
  // Unreadable is not unchanged (law 7).
  if (changes === undefined) return `${told} What has changed since is not on record.`;
  const none =
    otherChanges > 0
      ? "Nothing that can matter for it has changed since."
      : "Nothing that is watched has changed since.";
  return `${told}${changes.length === 0 ? ` ${none}` : ""}`;
}

/** Since when it fails, where that is more than the one start in question. */
export function failingText({ failing }: Answer): string | undefined {
  if (failing === undefined || failing.starts < 2) return undefined;
  return `It has failed ${failing.starts} times since ${momentText(failing.since)}.`;
}

/** Since when, and what changed: what stands between the cause and what to do. */
export function historyTexts(answer: Answer): readonly string[] {
  const changed = changeTexts(answer, { withConsequences: true });
  return [
    sinceText(answer),
    ...[failingText(answer), demandText(answer)].filter((text) => text !== undefined),
    ...(changed.length === 0
      ? []
      : [answer.comparedWith === "boot before" ? "Changed since the last boot:" : "Changed since:"]),
    ...changed.map((text) => `- ${text}`),
  ];
}

/** Since when the firmware demands it, where boots on record tell. */
export function demandText({ demand }: Answer): string | undefined {
  if (demand === undefined) return undefined;
  const { bios, biosWithout, since } = demand;
  const day = formatDay(since);
  if (biosWithout === undefined || bios === undefined)
    return `The demand is there in every boot on record, since ${day}${bios === undefined ? "" : ` on BIOS ${bios}`}.`;
  if (bios === biosWithout)
    return `The demand appeared on ${day} with the same BIOS ${bios}: a setting of the BIOS may have brought it.`;
  return `The demand appeared on ${day} with BIOS ${bios}; BIOS ${biosWithout} did not have it.`;
}

/** `2026-11-20 18:02 UTC (start #12, boot b4), with kernel 6.12.54, on BIOS A63` */
export function momentText({ at, number, boot, bios, kernel }: Moment): string {
  const which = [
    ...(number === undefined ? [] : [`start #${number}`]),
    ...(boot === undefined ? [] : [`boot b${boot}`]),
  ].join(", ");
  return [
    `${formatMinute(at, "an unknown time")}${which === "" ? "" : ` (${which})`}`,
    ...(kernel === undefined ? [] : [`with kernel ${kernel}`]),
    ...(bios === undefined ? [] : [`on BIOS ${bios}`]),
  ].join(", ");
}
