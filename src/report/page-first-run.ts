import { escapeHtml } from "./escape.ts";
import type { PageInput } from "./page-input.ts";
import { actionHtml, foldedHtml } from "./page-parts.ts";
import { count } from "./words.ts";

const MOST_NAMED = 4;

/** What somebody sees who has just installed it; afterwards, as long as there is something, the offer alone, folded. */
export function firstRunHtml({ history, olderLogs, preflight }: PageInput): string {
  const starts = history?.stats.rows.attempts ?? 0;
  if (starts > 0)
    return olderLogs.length === 0 ? "" : foldedHtml("Take in older logs", importHtml(olderLogs));
  const watched = preflight.vms.filter(({ definition }) => definition.hostDevices.length > 0).length;
  return `<section class="vfw-section vfw-first" aria-labelledby="vfw-first">
<h3 id="vfw-first">Nothing has happened yet</h3>
<p>${watched === 0 ? "As soon as a VM has a passed-through device, each of its starts is watched" : `Each start of ${count(watched, "VM")} with passed-through devices is watched`} from now on. One that fails is told as an Unraid notification, with the cause and what to do, and the BIOS, kernel and settings of each boot are kept, so that it can be said which change broke it.</p>
<p>${actionHtml("Send a test notification", "test", "unraid")} It has to appear at the bell above, and wherever Unraid's own notifications go.</p>
${olderLogs.length === 0 ? "" : importHtml(olderLogs)}
</section>`;
}

function importHtml(olderLogs: readonly string[]): string {
  const named = olderLogs.slice(0, MOST_NAMED).map((name) => `<code>${escapeHtml(name)}</code>`);
  const more = olderLogs.length - named.length;
  return `<p>On the flash drive are logs from before: ${named.join(", ")}${more > 0 ? ` and ${more} more` : ""}. Failed starts and BIOS versions in them become part of the history.</p>
<p>${actionHtml("Take them in", "import", "host")}</p>`;
}
