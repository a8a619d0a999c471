import { isoTime } from "../time-words.ts";
import type { Tone } from "./document.ts";
import { escapeHtml } from "./escape.ts";
import { timeOf } from "./words.ts";

/** A word on its colour. */
export function markHtml(word: string, tone: Tone): string {
  return `<span class="vfw-mark vfw-${tone}">${escapeHtml(word)}</span>`;
}

/** A time; a script may add what that is in local time. */
export function timeHtml(at: number): string {
  const iso = isoTime(at);
  if (iso === undefined) return "at an unknown time";
  return `<time datetime="${iso}">${timeOf(at).replace(/:\d\d UTC$/, " UTC")}</time>`;
}

/** A sentence that wants to be read. */
export function warningHtml(sentence: string, tone: "warning" | "bad" = "warning"): string {
  return `<p class="vfw-warn vfw-${tone}">${escapeHtml(sentence)}</p>`;
}
