import { formatTimeOfDay, zoneAt } from "../time-words.ts";
import type { Block, Cell, ChangeLine, FactRow, ReportContent, Section, Tone } from "./document.ts";
import { escapeHtml, visibleLines } from "./escape.ts";
import { drawHostsPicture } from "./hosts-picture.ts";
import { PAGE_STYLE, ROOT_CLASS, reportStyle } from "./html-style.ts";
import { drawTimeLinePicture } from "./time-line-picture.ts";
import { count, timeOf } from "./words.ts";

/** The report as one file: no script, nothing loaded from anywhere, and a policy that forbids both. */
export function renderHtml(content: ReportContent): string {
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>${escapeHtml(content.title)}</title>
<link rel="icon" href="data:,">
<style>
${PAGE_STYLE}
${reportStyle()}
</style>
</head>
<body>
<main class="${ROOT_CLASS}">
${renderBody(content, 1)}
</main>
</body>
</html>
`;
}

/**
 * The report as a part of another page (Unraid's): its style sheet reaches nothing outside, text and background are the
 * page's own, headings begin at the third level.
 */
export function renderHtmlFragment(content: ReportContent): string {
  return `<div class="${ROOT_CLASS}">
<style>
${reportStyle()}
</style>
${renderBody(content, 3)}
</div>
`;
}

function renderBody(content: ReportContent, level: number): string {
  const { outcome } = content;
  const mark =
    outcome === undefined
      ? ""
      : ` <span class="vfw-mark vfw-${outcome.tone}">${escapeHtml(outcome.word)}</span>`;
  return [
    `<h${level} class="vfw-title">${escapeHtml(content.title)}${mark}</h${level}>`,
    `<div class="vfw-answer vfw-${outcome?.tone ?? "neutral"}">${content.answer.map((sentence) => `<p>${escapeHtml(sentence)}</p>`).join("")}</div>`,
    factsHtml(content.glance),
    ...content.sections.map((section) => sectionHtml(section, level + 1)),
    `<footer class="vfw-notes">${content.notes.map((note) => `<p>${escapeHtml(note)}</p>`).join("")}<p>Made by ${escapeHtml(content.madeBy)}, ${timeOf(content.madeAt)}.</p></footer>`,
  ].join("\n");
}

/** A section of the report; without a title, where what is around it says it. */
export function sectionHtml({ id, title, blocks }: Section, level: number): string {
  return [
    ...(title === ""
      ? ['<section class="vfw-part">']
      : [
          `<section class="vfw-section" aria-labelledby="vfw-${id}">`,
          `<h${level} id="vfw-${id}">${escapeHtml(title)}</h${level}>`,
        ]),
    ...blocks.map((block) => renderBlock(block, id, level + 1)),
    "</section>",
  ].join("\n");
}

function renderBlock(block: Block, section: string, level: number): string {
  switch (block.kind) {
    case "text":
      return `<p>${escapeHtml(block.text)}</p>`;
    case "heading":
      return `<h${level} class="vfw-heading">${escapeHtml(block.text)}</h${level}>`;
    case "facts":
      return factsHtml(block.rows);
    case "list": {
      const tag = block.ordered ? "ol" : "ul";
      return `<${tag}>${block.items.map((item) => `<li>${escapeHtml(item)}</li>`).join("")}</${tag}>`;
    }
    case "table": {
      const table = [
        `<table>${block.caption === "" || block.folded ? "" : `<caption>${escapeHtml(block.caption)}</caption>`}`,
        `<thead><tr>${block.columns.map((column) => `<th scope="col">${escapeHtml(column)}</th>`).join("")}</tr></thead>`,
        "<tbody>",
        ...block.rows.map(
          (row) =>
            `<tr>${row.map((cell, index) => `<td data-label="${escapeHtml(block.columns[index] ?? "")}">${cellText(cell)}</td>`).join("")}</tr>`,
        ),
        "</tbody></table>",
      ].join("\n");
      return block.folded
        ? `<details><summary>${escapeHtml(block.caption)}</summary>${table}</details>`
        : table;
    }
    case "lines":
      return `<ol class="vfw-lines">${block.lines.map(spokenLine).join("\n")}</ol>`;
    case "changes":
      return `<ul class="vfw-changes">${block.changes.map(changeLine).join("\n")}</ul>`;
    case "time-line": {
      const { earlierBoots, runs } = block.timeLine;
      const left = earlierBoots > 0 ? ` ${count(earlierBoots, "earlier boot")} not shown.` : "";
      return `<figure class="vfw-picture">${drawTimeLinePicture(block.timeLine, `vfw-${section}-picture`)}<figcaption>${count(runs.length, "run")} of boots from left to right, a lane for each BIOS; the number is how many starts worked (tick) or failed (cross), or how many of all worked (exclamation mark).${left}</figcaption></figure>`;
    }
    case "hosts": {
      const { family, turns } = block.picture;
      const lines =
        turns.length === 0
          ? ""
          : ` A line is a host on which nothing but the ${escapeHtml(family)} changed, from what its starts did before to what they did after.`;
      return `<figure class="vfw-picture">${drawHostsPicture(block.picture, `vfw-${section}-picture`)}<figcaption>A lane for each ${escapeHtml(family)}; the numbers are hosts whose starts work (tick) and fail (cross).${lines}</figcaption></figure>`;
    }
  }
}

/** Names with their values. */
export function factsHtml(rows: readonly FactRow[]): string {
  const row = ({ label, value, state, code }: FactRow) => {
    const text = escapeHtml(value);
    const shown =
      state === "unknown"
        ? `<span class="vfw-unknown">unknown: ${text}</span>`
        : code === true
          ? `<code>${text}</code>`
          : text;
    return `<div><dt>${escapeHtml(label)}</dt><dd>${shown}</dd></div>`;
  };
  return `<dl class="vfw-facts">${rows.map(row).join("\n")}</dl>`;
}

function cellText({ text, tone, code, items = [] }: Cell): string {
  if (items.length > 0) {
    const list = `<ul>${items.map((item) => `<li>${escapeHtml(item)}</li>`).join("")}</ul>`;
    return `<div>${escapeHtml(text)}${list}</div>`;
  }
  if (text === "") return "";
  // A version or an address that is broken in the middle is hard to compare with the one below it.
  const short = text.length <= 24 && !text.includes(" ") ? ' class="vfw-short"' : "";
  const tag = code === true ? "code" : "span";
  const shown = `<${tag}${short}>${escapeHtml(text)}</${tag}>`;
  return tone === undefined ? shown : `<span class="vfw-tone ${toneClass(tone)}">${shown}</span>`;
}

function toneClass(tone: Tone): string {
  return `vfw-${tone}`;
}

function spokenLine(line: {
  readonly at: number;
  readonly source: string;
  readonly text: string;
  readonly count: number;
  readonly decisive: boolean;
}): string {
  const { at, source, text, decisive } = line;
  const repeated = line.count > 1 ? `, ${line.count} times` : "";
  const cause = decisive ? " · <b>names the cause</b>" : "";
  const shown = visibleLines(text).map(escapeHtml).join("\n");
  return `<li${decisive ? ' class="vfw-decisive"' : ""}><span class="vfw-lead">${formatTimeOfDay(at)} ${zoneAt(at)} · ${escapeHtml(source)}${repeated}${cause}</span><code>${shown}</code></li>`;
}

/** A sentence that holds both values says its name, and the values follow as a difference. */
function changeLine({ sentence, before, after }: ChangeLine): string {
  const arrow = sentence.indexOf(" → ");
  const colon = sentence.lastIndexOf(": ", arrow < 0 ? undefined : arrow);
  // An update is told without a colon: "BIOS A (date) → B (date)".
  const name = colon < 0 ? sentence.slice(0, sentence.indexOf(before)) : sentence.slice(0, colon);
  if (arrow < 0 || before === "" || after === "" || name === "" || name.length > arrow)
    return `<li>${escapeHtml(sentence)}</li>`;
  const rest = / (?:\(with it: .*|\[new since [^\]]*\])$/.exec(sentence)?.[0] ?? "";
  const [was, is] =
    colon < 0
      ? [sentence.slice(name.length, arrow), sentence.slice(arrow + 3, sentence.length - rest.length)]
      : [before, after];
  return `<li>${escapeHtml(name.trim())}<div class="vfw-diff"><del>${escapeHtml(was)}</del><ins>${escapeHtml(is)}</ins></div>${rest === "" ? "" : `<div class="vfw-with">${escapeHtml(rest.trim())}</div>`}</li>`;
}
