import { formatMinute, isoTime } from "../time-words.ts";
import type { Tone } from "./document.ts";
import { escapeHtml } from "./escape.ts";

/** A word on its colour. */
export function markHtml(word: string, tone: Tone): string {
  return `<span class="vfw-mark vfw-${tone}">${escapeHtml(word)}</span>`;
}

/** A time in the zone of the host; a script may add what that is in the reader's. */
export function timeHtml(at: number): string {
  const iso = isoTime(at);
  if (iso === undefined) return "at an unknown time";
  return `<time datetime="${iso}">${formatMinute(at)}</time>`;
}

/** A sentence that wants to be read. */
export function warningHtml(sentence: string, tone: "warning" | "bad" = "warning"): string {
  return `<p class="vfw-warn vfw-${tone}">${escapeHtml(sentence)}</p>`;
}
