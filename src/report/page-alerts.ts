import { escapeHtml } from "./escape.ts";
import type { PageAlert, PageInput } from "./page-input.ts";
import { actionHtml, foldedHtml, timeHtml } from "./page-parts.ts";

/** What lasts and was told, for whoever knows about it: one click, and it is not told again. */
export function alertsHtml({ alerts }: Pick<PageInput, "alerts">): string {
  if (alerts.length === 0) return "";
  const open = alerts.filter(({ state }) => state === "open");
  const title =
    open.length === 0 ? `Alerts (${alerts.length}, none unanswered)` : `Alerts (${open.length} unanswered)`;
  return foldedHtml(
    title,
    `<ul class="vfw-alerts">${alerts.map(alertHtml).join("\n")}</ul>`,
    open.length > 0,
  );
}

function alertHtml(alert: PageAlert): string {
  const { id, subject, count, lastAt } = alert;
  const often = count === 1 ? "" : `, ${count} times`;
  const buttons =
    alert.state === "silenced"
      ? ""
      : `<span class="vfw-buttons">${alert.state === "open" ? actionHtml("I know", "acknowledge", id) : ""}${actionHtml("Silence for a week", "silence", id)}</span>`;
  return `<li><span>${escapeHtml(subject)} <span class="vfw-small">${timeHtml(lastAt)}${often}${stateText(alert)}</span></span>${buttons}</li>`;
}

function stateText({ state, silencedUntil }: PageAlert): string {
  if (state === "acknowledged") return ", you know: no reminders until it is over";
  return silencedUntil === undefined ? "" : `, silent until ${timeHtml(silencedUntil)}`;
}
