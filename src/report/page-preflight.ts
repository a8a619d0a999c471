import { historyTexts } from "../answer/words.ts";
import type { PreflightFinding } from "../preflight/finding.ts";
import type { Mark } from "./document.ts";
import { escapeHtml } from "./escape.ts";
import type { PreflightView, PreflightVm } from "./page-input.ts";
import { markHtml, warningHtml } from "./page-parts.ts";
import { count } from "./words.ts";

const AT_REST: ReadonlySet<string> = new Set(["shutoff", "crashed", "nostate"]);

/** What would happen if each VM with passed-through devices were started now, the worst first. */
export function preflightHtml({ vms, notes, elsewhere }: PreflightView): string {
  const judged = vms
    .filter(({ definition }) => definition.hostDevices.length > 0)
    .map((vm) => ({ vm, verdict: verdictOf(vm) }))
    .sort((a, b) => RANK[a.verdict.tone] - RANK[b.verdict.tone]);
  const without = vms.length - judged.length;
  return `<section class="vfw-section" aria-labelledby="vfw-preflight">
<h3 id="vfw-preflight">Would they start now?</h3>
${notes.map((note) => warningHtml(note)).join("\n")}
${
  judged.length === 0
    ? `<p>${vms.length === 0 ? "No VM is known yet." : "No VM has a passed-through PCI device."}</p>`
    : `<div class="vfw-cards">${judged.map(({ vm, verdict }) => card(vm, verdict)).join("\n")}</div>`
}
${without > 0 && judged.length > 0 ? `<p class="vfw-small">${count(without, "more VM")} without passed-through PCI devices.</p>` : ""}
${elsewhereHtml(elsewhere)}
</section>`;
}

/** Hearsay stands below what this host itself shows, and says that it is hearsay. */
function elsewhereHtml(sentences: readonly string[]): string {
  if (sentences.length === 0) return "";
  const items = sentences.map((sentence) => `<li>${escapeHtml(sentence)}</li>`).join("");
  return `<p class="vfw-small">What other owners say, which proves nothing of this host:</p><ul class="vfw-small">${items}</ul>`;
}

const RANK = { bad: 0, warning: 1, neutral: 2, good: 3 } as const;

/** Whether it does not run, as far as anybody knows. */
export function isAtRest({ state }: Pick<PreflightVm, "state">): boolean {
  return state.state !== "read" || AT_REST.has(state.value.state);
}

/** A device that a running VM uses at the moment is no surprise: that is how many people share a card. */
export function verdictOf({ state, findings, unknown }: PreflightVm): Mark {
  if (state.state === "read" && !isAtRest({ state })) return { word: state.value.state, tone: "good" };
  const [worst] = findings.filter(({ matter }) => matter === "stops");
  if (worst?.certainty === "certain")
    return { word: "will not start", tone: worst.check === "state.in-use-by-vm" ? "warning" : "bad" };
  if (worst?.certainty === "likely") return { word: "will probably not start", tone: "warning" };
  if (worst !== undefined) return { word: "may fail", tone: "warning" };
  if (unknown.length > 0) return { word: "cannot be told", tone: "neutral" };
  if (findings.length > 0) return { word: "starts, until an update", tone: "warning" };
  return { word: "nothing stands in its way", tone: "good" };
}

function card(vm: PreflightVm, verdict: Mark): string {
  const { definition, findings, unknown } = vm;
  const atRest = isAtRest(vm);
  return [
    `<article class="vfw-card vfw-${verdict.tone}">`,
    `<span class="vfw-name">${escapeHtml(definition.name)}</span> ${markHtml(verdict.word, verdict.tone)}`,
    `<p class="vfw-small"><code>${definition.hostDevices.map(({ bdf }) => escapeHtml(bdf)).join(" ")}</code></p>`,
    ...(atRest ? findings.map((finding) => findingHtml(finding, vm)) : []),
    ...(atRest && findings.length === 0
      ? unknown.map((sentence) => `<p class="vfw-small">${escapeHtml(sentence)}</p>`)
      : []),
    "</article>",
  ].join("");
}

function findingHtml({ check, sentence, remedies }: PreflightFinding, { answer }: PreflightVm): string {
  const history = answer?.cause?.signature === check ? historyTexts(answer) : [];
  const list =
    remedies.length === 0
      ? ""
      : `<ol>${remedies.map((remedy) => `<li>${escapeHtml(remedy)}</li>`).join("")}</ol>`;
  return `<p>${escapeHtml(sentence)}</p>${history.map((text) => `<p class="vfw-small">${escapeHtml(text)}</p>`).join("")}${list}`;
}
