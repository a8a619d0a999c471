import { formatMinute, isoTime } from "../time-words.ts";
import type { Tone } from "./document.ts";
import { escapeHtml } from "./escape.ts";

/** Where the page's own addresses lie. */
export interface PageLinks {
  /** Address of the page with another start shown in full, to be put before the start's number: `?start=`. */
  readonly start: string;
  /** Address of a report, to be put before the start's number and `&format=`: `/…/report.php?start=`. */
  readonly report: string;
}

/** What not everybody wants to read; `body` is HTML. */
export function foldedHtml(title: string, body: string, open = false): string {
  return `<details class="vfw-fold"${open ? " open" : ""}><summary>${escapeHtml(title)}</summary>${body}</details>`;
}

/** A button that a script of the page makes work: it asks for `what` to be done, with `value`. */
export function actionHtml(label: string, what: string, value: string): string {
  return `<button type="button" class="vfw-action" data-do="${escapeHtml(what)}" data-value="${escapeHtml(value)}">${escapeHtml(label)}</button>`;
}

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
