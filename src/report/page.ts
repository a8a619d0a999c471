import type { AttemptRow } from "../store/attempt-store.ts";
import { escapeHtml } from "./escape.ts";
import { renderHtmlFragment } from "./html.ts";
import { ROOT_CLASS, reportStyle } from "./html-style.ts";
import type { ChosenStart, PageInput } from "./page-input.ts";
import { markHtml, timeHtml } from "./page-parts.ts";
import { preflightHtml } from "./page-preflight.ts";
import { serviceHtml, watchingHtml } from "./page-service.ts";
import { PAGE_CLASS, pageStyle } from "./page-style.ts";
import { outcomeMark } from "./words.ts";

/** Where the page's own addresses lie. */
export interface PageLinks {
  /** Address of the page with another start shown in full, to be put before the start's number: `?start=`. */
  readonly start: string;
  /** Address of a report, to be put before the start's number and `&format=`: `/…/report.php?start=`. */
  readonly report: string;
}

/**
 * The page of a web interface as a piece of HTML without script: how the service is, what would fail, what failed and
 * why, which change is to blame. Pure; every text from the host is escaped.
 */
export function renderPage(input: PageInput, links: PageLinks): string {
  const { chosen, history } = input;
  return `<div class="${PAGE_CLASS}">
<div class="${ROOT_CLASS}">
<style>
${chosen === undefined ? reportStyle() : ""}
${pageStyle()}
</style>
${serviceHtml(input)}
${preflightHtml(input.preflight)}
${history === undefined ? "" : failuresHtml(input, links)}
</div>
${chosen === undefined ? "" : chosenHtml(chosen, links)}
<div class="${ROOT_CLASS}">
${watchingHtml(input)}
</div>
</div>
`;
}

function failuresHtml({ failures, chosen }: PageInput, links: PageLinks): string {
  const rows = failures.map((row) => failureRow(row, row.number === chosen?.number, links));
  return `<section class="vfw-section" aria-labelledby="vfw-failures">
<h3 id="vfw-failures">Failed starts</h3>
${
  rows.length === 0
    ? "<p>No failed start is on record.</p>"
    : `<table><thead><tr><th scope="col">Start</th><th scope="col">When</th><th scope="col">VM</th><th scope="col">Outcome</th><th scope="col">Why</th></tr></thead>
<tbody>
${rows.join("\n")}
</tbody></table>`
}
</section>`;
}

function failureRow(row: AttemptRow, isChosen: boolean, links: PageLinks): string {
  const { word, tone } = outcomeMark(row.outcome);
  const number = `<a href="${escapeHtml(links.start)}${row.number}#vfw-chosen"${isChosen ? ' aria-current="true"' : ""}>#${row.number}</a>`;
  const imported = row.origin === "imported" ? " (imported)" : "";
  const cells: readonly (readonly [label: string, html: string])[] = [
    ["Start", number],
    ["When", `${timeHtml(row.openedAt)}${imported}`],
    ["VM", escapeHtml(row.vm)],
    ["Outcome", `<span class="vfw-tone vfw-${tone}">${escapeHtml(word)}</span>`],
    ["Why", escapeHtml(row.summary ?? "not known")],
  ];
  return `<tr${isChosen ? ' class="vfw-chosen"' : ""}>${cells.map(([label, html]) => `<td data-label="${label}"><span>${html}</span></td>`).join("")}</tr>`;
}

const FORMATS = [
  ["markdown", "Markdown (GitHub, Reddit, Discourse)"],
  ["bbcode", "BBCode (Unraid's forum)"],
  ["html", "HTML (one file with the picture)"],
] as const;

function chosenHtml({ number, content, startedSince }: ChosenStart, links: PageLinks): string {
  const downloads =
    number === undefined
      ? ""
      : `<p class="vfw-actions"><span>Download the report to hand in, with names and serial numbers masked:</span>${FORMATS.map(
          ([format, label]) =>
            `<a href="${escapeHtml(`${links.report}${number}&format=${format}`)}" download>${escapeHtml(label)}</a>`,
        ).join("")}</p>`;
  const since =
    startedSince === undefined
      ? ""
      : `<p class="vfw-banner">${markHtml("works again", "good")}<span>This VM has started since: start #${startedSince.number}, ${timeHtml(startedSince.at)}.</span></p>`;
  return `<div class="${ROOT_CLASS}" id="vfw-chosen">${downloads}${since}</div>
${renderHtmlFragment(content)}`;
}
