import { changeTexts, demandText, failingText, sinceText } from "../answer/words.ts";
import type { PreflightFinding } from "../preflight/finding.ts";
import type { Mark } from "./document.ts";
import { escapeHtml } from "./escape.ts";
import type { PreflightView, PreflightVm } from "./page-input.ts";
import { foldedHtml, markHtml, type PageLinks, timeHtml } from "./page-parts.ts";
import { noteInUnraidWords } from "./unraid-words.ts";
import { count } from "./words.ts";

/** More lines stand below the picture. */
const MOST_CHANGES = 2;

const AT_REST: ReadonlySet<string> = new Set(["shutoff", "crashed", "nostate"]);

/** A verdict for each VM with passed-through devices, the worst first, with what to do about it. */
export function preflightHtml({ vms, notes }: PreflightView, links: Pick<PageLinks, "start">): string {
  const judged = vms
    .filter(({ definition }) => definition.hostDevices.length > 0)
    .map((vm) => ({ vm, verdict: verdictOf(vm) }))
    .sort((a, b) => RANK[a.verdict.tone] - RANK[b.verdict.tone]);
  const without = vms.length - judged.length;
  return `<section class="vfw-now" aria-label="Would they start now?">
${
  judged.length === 0
    ? `<p>${vms.length === 0 ? "No VM is known yet." : "No VM has a passed-through PCI device."}</p>`
    : `<div class="vfw-cards">${judged.map(({ vm, verdict }) => card(vm, verdict, links)).join("\n")}</div>`
}
${notes.map((note) => `<p class="vfw-small">${escapeHtml(noteInUnraidWords(note))}</p>`).join("\n")}
${without > 0 && judged.length > 0 ? `<p class="vfw-small">${count(without, "more VM")} without passed-through PCI devices.</p>` : ""}
</section>`;
}

/** Hearsay stands below what this host itself shows, and says that it is hearsay. */
export function elsewhereHtml({ elsewhere }: PreflightView): string {
  if (elsewhere.length === 0) return "";
  const items = elsewhere.map((sentence) => `<li>${escapeHtml(sentence)}</li>`).join("");
  return foldedHtml(
    "What other owners of this board say",
    `<p>It proves nothing of this host.</p><ul>${items}</ul>`,
  );
}

const RANK = { bad: 0, warning: 1, neutral: 2, good: 3 } as const;

/** Of a failed start that no diagnosis explains. */
export const NOBODY_KNOWS = "Nothing that could be read says why.";

/** Whether it does not run, as far as anybody knows. */
export function isAtRest({ state }: Pick<PreflightVm, "state">): boolean {
  return state.state !== "read" || AT_REST.has(state.value.state);
}

/** Whether all that speaks against its next start is that the last one failed. */
export function isFailedLastTime(vm: PreflightVm): boolean {
  const isStopped = vm.findings.some(({ matter }) => matter === "stops");
  return vm.failed !== undefined && vm.failed.startedSince === undefined && isAtRest(vm) && !isStopped;
}

/** A device that a running VM uses at the moment is no surprise: that is how many people share a card. */
export function verdictOf(vm: PreflightVm): Mark {
  const { state, findings, unknown } = vm;
  if (state.state === "read" && !isAtRest({ state })) return { word: state.value.state, tone: "good" };
  const [worst] = findings.filter(({ matter }) => matter === "stops");
  if (worst?.certainty === "certain")
    return { word: "will not start", tone: worst.check === "state.in-use-by-vm" ? "warning" : "bad" };
  if (worst?.certainty === "likely") return { word: "will probably not start", tone: "warning" };
  if (worst !== undefined) return { word: "may fail", tone: "warning" };
  if (isFailedLastTime(vm)) return { word: "failed last time", tone: "warning" };
  if (unknown.length > 0) return { word: "cannot be told", tone: "neutral" };
  if (findings.length > 0) return { word: "starts, until an update", tone: "warning" };
  return { word: "nothing stands in its way", tone: "good" };
}

function card(vm: PreflightVm, verdict: Mark, links: Pick<PageLinks, "start">): string {
  const { definition, findings, unknown } = vm;
  const devices = definition.hostDevices.map(({ bdf }) => escapeHtml(bdf)).join(" ");
  const stands = isAtRest(vm) ? findings : [];
  const [first, ...others] = stands;
  return [
    `<article class="vfw-card vfw-${verdict.tone}">`,
    `<span class="vfw-name">${escapeHtml(definition.name)}</span> ${markHtml(verdict.word, verdict.tone)}`,
    ...(isFailedLastTime(vm) ? lastTimeHtml(vm) : []),
    ...(first === undefined
      ? []
      : [findingHtml(first, vm), ...others.map((other) => findingHtml(other, vm))]),
    ...(isAtRest(vm) && first === undefined
      ? unknown.map((sentence) => `<p class="vfw-small">${escapeHtml(sentence)}</p>`)
      : []),
    failedHtml(vm, first?.matter === "stops", links),
    `<p class="vfw-small"><code>${devices}</code></p>`,
    "</article>",
  ].join("");
}

function findingHtml(finding: PreflightFinding, { answer }: PreflightVm): string {
  const { check, sentence } = finding;
  const own = answer?.cause?.signature === check ? answer : undefined;
  const [first, ...others] = own?.remedies ?? finding.remedies;
  const changed = own === undefined ? [] : changeTexts(own).slice(0, MOST_CHANGES);
  return [
    `<p>${escapeHtml(sentence)}</p>`,
    firstHtml(first),
    ...(changed.length === 0 ? [] : [`<p><b>Changed:</b> ${changed.map(escapeHtml).join("; ")}</p>`]),
    othersHtml(others),
    ...(own === undefined
      ? []
      : [sinceText(own), failingText(own), demandText(own)]
          .filter((text) => text !== undefined)
          .map((text) => `<p class="vfw-small">${escapeHtml(text)}</p>`)),
  ].join("");
}

function firstHtml(first: string | undefined): string {
  return first === undefined ? "" : `<p class="vfw-todo"><b>What to do:</b> ${escapeHtml(first)}</p>`;
}

function othersHtml(others: readonly string[]): string {
  if (others.length === 0) return "";
  const items = others.map((remedy) => `<li>${escapeHtml(remedy)}</li>`).join("");
  return foldedHtml(`What else helps (${others.length})`, `<ol start="2">${items}</ol>`);
}

/** Nothing that can be looked at stops it now, so its last failure is the answer. */
function lastTimeHtml({ failed }: PreflightVm): readonly string[] {
  const [first, ...others] = failed?.remedies ?? [];
  return [`<p>${escapeHtml(failed?.why ?? NOBODY_KNOWS)}</p>`, firstHtml(first), othersHtml(others)];
}

/** How its last failure stands to what is so now: nothing contradicts the verdict without saying which is now. */
function failedHtml({ failed }: PreflightVm, isStopped: boolean, links: Pick<PageLinks, "start">): string {
  if (failed === undefined) return "";
  const { number, at, startedSince } = failed;
  const link = `<a href="${escapeHtml(links.start)}${number}#vfw-chosen">#${number}</a>`;
  if (startedSince === undefined)
    return `<p class="vfw-small">It failed when it was last started, ${timeHtml(at)} (${link}).</p>`;
  const started = `start #${startedSince.number}, ${timeHtml(startedSince.at)}`;
  if (isStopped)
    return `<p class="vfw-small">It failed before, ${timeHtml(at)} (${link}), then started (${started}), and would not start now.</p>`;
  return `<p class="vfw-healed">${markHtml("works again", "good")} It failed ${timeHtml(at)} (${link}) and has started since: ${started}.</p>`;
}
