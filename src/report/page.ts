import type { AttemptRow } from "../store/attempt-store.ts";
import type { Block, Section, SectionId } from "./document.ts";
import { escapeHtml } from "./escape.ts";
import { factsHtml, sectionHtml } from "./html.ts";
import { ROOT_CLASS, reportStyle } from "./html-style.ts";
import { alertsHtml } from "./page-alerts.ts";
import { firstRunHtml } from "./page-first-run.ts";
import type { ChosenStart, PageInput } from "./page-input.ts";
import { foldedHtml, markHtml, type PageLinks, timeHtml } from "./page-parts.ts";
import { elsewhereHtml, preflightHtml, verdictOf } from "./page-preflight.ts";
import { serviceHtml, watchingHtml } from "./page-service.ts";
import { PAGE_CLASS, pageStyle } from "./page-style.ts";
import { outcomeMark } from "./words.ts";

/**
 * The page of a web interface as a piece of HTML without script: a verdict for each VM and what to do, then the picture
 * and what changed, then everything behind it, folded. Pure; every text from the host is escaped.
 */
export function renderPage(input: PageInput, links: PageLinks): string {
  const { chosen, history } = input;
  return `<div class="${PAGE_CLASS}">
<div class="${ROOT_CLASS}">
<style>
${reportStyle()}
${pageStyle()}
</style>
${serviceHtml(input)}
${verdicts(input, links).join("\n")}
${alertsHtml(input)}
${chosen === undefined ? "" : causeHtml(chosen, links)}
${chosen === undefined ? "" : chosenHtml(chosen)}
${history === undefined ? "" : failuresHtml(input, links)}
${elsewhereHtml(input.preflight)}
${watchingHtml(input)}
</div>
</div>
`;
}

/** Who has just installed it is told first what it does, unless there is a VM that will not start. */
function verdicts(input: PageInput, links: PageLinks): readonly string[] {
  const parts = [firstRunHtml(input), preflightHtml(input.preflight, links)];
  return input.preflight.vms.some((vm) => verdictOf(vm).tone === "bad") ? parts.reverse() : parts;
}

/** Which change broke it: the picture and the change; the reckoning behind it is folded. */
function causeHtml({ number, content }: ChosenStart, links: PageLinks): string {
  const blame = content.sections.find(({ id }) => id === "blame");
  const changed = (content.sections.find(({ id }) => id === "changes")?.blocks ?? []).filter(
    ({ kind }) => kind === "changes",
  );
  const picture = (blame?.blocks ?? []).filter(isPicture);
  const headline = content.answer.slice(number === undefined ? 0 : 1);
  if (picture.length === 0 && headline.length === 0 && changed.length === 0)
    return downloadsHtml(number, links);
  const shown: Section = {
    id: "blame",
    title: blame?.title ?? "What changed",
    blocks: [...headline.map((text): Block => ({ kind: "text", text })), ...picture, ...changed],
  };
  const reckoning = (blame?.blocks ?? []).filter((block) => !isPicture(block));
  return [
    sectionHtml(shown, 3),
    reckoning.length === 0
      ? ""
      : foldedHtml("What speaks for it", sectionHtml({ id: "blame", title: "", blocks: reckoning }, 4)),
    downloadsHtml(number, links),
  ].join("\n");
}

function isPicture({ kind }: Block): boolean {
  return kind === "time-line";
}

const FORMATS = [
  ["bbcode", "BBCode (Unraid's forum)"],
  ["markdown", "Markdown (GitHub, Reddit, Discourse)"],
  ["html", "HTML (one file with the picture)"],
] as const;

function downloadsHtml(number: number | undefined, links: PageLinks): string {
  if (number === undefined) return "";
  const all = FORMATS.map(
    ([format, label]) =>
      `<a href="${escapeHtml(`${links.report}${number}&format=${format}`)}" download>${escapeHtml(label)}</a>`,
  );
  return `<p class="vfw-actions vfw-small"><span>Report of start #${number} to hand in, names and serial numbers masked:</span>${all.join("")}</p>`;
}

/** What was said and seen at the start, in this order. */
const EVIDENCE: readonly SectionId[] = ["diagnosis", "evidence", "no-effect"];

function chosenHtml({ number, content, asked }: ChosenStart): string {
  if (number === undefined) return "";
  const { outcome } = content;
  const mark = outcome === undefined ? "" : ` ${markHtml(outcome.word, outcome.tone)}`;
  const sections = EVIDENCE.flatMap((id) => content.sections.filter((section) => section.id === id));
  const [why] = content.answer;
  const body = [
    `<p><b>${escapeHtml(content.title)}</b>${mark}</p>`,
    ...(why === undefined ? [] : [`<p>${escapeHtml(why)}</p>`]),
    factsHtml(content.glance),
    ...sections.map((section) => sectionHtml(section, 4)),
  ];
  return `<div id="vfw-chosen">${foldedHtml(`Start #${number}: what was said and seen, word for word`, body.join("\n"), asked)}</div>`;
}

function failuresHtml({ failures, chosen }: PageInput, links: PageLinks): string {
  if (failures.length === 0) return '<p class="vfw-small">No failed start is on record.</p>';
  const rows = failures.map((row) => failureRow(row, row.number === chosen?.number, links));
  return foldedHtml(
    `Failed starts (the newest ${failures.length})`,
    `<table><thead><tr><th scope="col">Start</th><th scope="col">When</th><th scope="col">VM</th><th scope="col">Outcome</th><th scope="col">Why</th></tr></thead>
<tbody>
${rows.join("\n")}
</tbody></table>`,
  );
}

function failureRow(row: AttemptRow, isChosen: boolean, links: PageLinks): string {
  const { word, tone } = outcomeMark(row.outcome, row.summary !== undefined);
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
