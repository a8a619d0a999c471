import { type RuntimeState, STUCK_AFTER } from "../daemon/runtime-state.ts";
import type { SourceHealth } from "../model/source.ts";
import { formatSpan } from "../terminal-text.ts";
import type { Mark } from "./document.ts";
import { escapeHtml } from "./escape.ts";
import type { HistoryView, PageInput } from "./page-input.ts";
import { actionHtml, foldedHtml, markHtml, timeHtml, warningHtml } from "./page-parts.ts";
import { inUnraidWords } from "./unraid-words.ts";
import { count } from "./words.ts";

/** Whether the service watches, and everything that wants to be read before the rest. */
export function serviceHtml({ now, service, history, historyProblem }: PageInput): string {
  const lines: string[] = [];
  if (service.state === "stopped") {
    lines.push(
      `<p class="vfw-banner">${markHtml("not running", "bad")}<span>The service is not running: nothing is watched.</span></p>`,
    );
    if (service.left !== undefined)
      lines.push(
        warningHtml(
          `It ended without a word (pid ${service.left.pid}); its last sign of life was ${formatSpan(Math.max(0, now - service.left.writtenAt))} ago. Its log says more.`,
          "bad",
        ),
      );
    lines.push(`<p>${actionHtml("Start", "service", "start")}</p>`);
  } else {
    const { runtime } = service;
    const silent = now - runtime.writtenAt;
    const { word, tone } = serviceMark(runtime, silent);
    lines.push(
      `<p class="vfw-banner">${markHtml(word, tone)}<span class="vfw-small">${escapeHtml(waitingText(runtime))}</span></p>`,
    );
    if (silent > STUCK_AFTER)
      lines.push(
        warningHtml(`It has not said anything for ${formatSpan(silent)}.`, "bad"),
        `<p>${actionHtml("Restart", "service", "restart")}</p>`,
      );
    lines.push(...runtime.problems.map((problem) => warningHtml(problem)));
  }
  if (historyProblem !== undefined) lines.push(warningHtml(historyProblem));
  const told = service.state === "running" ? service.runtime.troubles : undefined;
  for (const { why, remedy } of told ?? history?.troubles ?? [])
    lines.push(warningHtml(`${why} ${remedy}`, "bad"));
  return lines.join("\n");
}

function serviceMark({ sources }: RuntimeState, silent: number): Mark {
  if (silent > STUCK_AFTER) return { word: "stuck", tone: "bad" };
  const waiting = sources.filter(({ state }) => state.state === "waiting").length;
  const lost = sources.reduce((sum, source) => sum + source.lost, 0);
  if (waiting > 0) return { word: `watching, ${count(waiting, "source")} waiting`, tone: "warning" };
  if (lost > 0) return { word: `watching, ${count(lost, "record")} lost`, tone: "warning" };
  return { word: "watching", tone: "good" };
}

/** What the sources that wait are waiting for. */
function waitingText({ sources }: RuntimeState): string {
  const names = new Map<string, string[]>();
  for (const { name, state } of sources) {
    if (state.state !== "waiting") continue;
    const remedy = inUnraidWords(state.remedy, sources);
    names.set(remedy, [...(names.get(remedy) ?? []), name]);
  }
  return [...names].map(([remedy, waiting]) => `${waiting.join(", ")}: ${remedy}`).join("; ");
}

/** What each source sees and what is missing, how alerts leave, where the history lies. */
export function watchingHtml({ now, service, history }: PageInput): string {
  const sources = service.state === "running" ? service.runtime.sources : [];
  const body = [
    ...(service.state === "running" ? [serviceText(service.runtime)] : []),
    sources.length === 0
      ? "<p>Nothing, as long as the service is not running.</p>"
      : `<table><thead><tr><th scope="col">Source</th><th scope="col">State</th><th scope="col">Seen</th><th scope="col">Details</th></tr></thead><tbody>${sources.map((source) => sourceRow(source, sources, now)).join("\n")}</tbody></table>`,
    ...(history === undefined ? [] : historyHtml(history)),
  ];
  return foldedHtml("What is watched, and how alerts leave", body.join("\n"));
}

function serviceText({ startedAt, version, pid, memory }: RuntimeState): string {
  return `<p>The service runs since ${timeHtml(startedAt)}: version ${escapeHtml(version)}, pid ${pid}, ${Math.round(memory.rssBytes / 1048576)} MB of memory.</p>`;
}

function sourceRow(source: SourceHealth, all: readonly SourceHealth[], now: number): string {
  const { name, state, seen, lastSeenAt, lost, skipped } = source;
  const tone =
    state.state === "waiting" || lost > 0 ? "warning" : state.state === "live" ? "good" : "neutral";
  const last =
    lastSeenAt === undefined
      ? "nothing yet"
      : `${seen}, last ${formatSpan(Math.max(0, now - lastSeenAt))} ago`;
  const details = [
    ...(state.state === "live" ? [state.detail] : []),
    ...(state.state === "waiting" ? [`${state.why}: ${inUnraidWords(state.remedy, all)}`] : []),
    ...(lost > 0 ? [`${count(lost, "record")} lost`] : []),
    ...(skipped > 0 ? [`${count(skipped, "record")} skipped`] : []),
  ];
  return `<tr><td data-label="Source"><span>${escapeHtml(name)}</span></td><td data-label="State"><span class="vfw-tone vfw-${tone}">${escapeHtml(state.state)}</span></td><td data-label="Seen"><span>${escapeHtml(last)}</span></td><td data-label="Details"><span>${escapeHtml(details.filter(Boolean).join("; "))}</span></td></tr>`;
}

function historyHtml({ path, stats, gaps, channels }: HistoryView): readonly string[] {
  const { rows, bytes } = stats;
  return [
    ...gaps.map((gap) =>
      warningHtml(
        `Gap in ${gap.source}: ${gap.lost === undefined ? "an unknown number of records" : count(gap.lost, "record")} lost; ${gap.detail}.`,
      ),
    ),
    ...channels.map(({ channel, pending, givenUp, lastError, lastDeliveredAt }) => {
      const last =
        lastDeliveredAt === undefined
          ? "nothing delivered yet"
          : `last delivered ${timeHtml(lastDeliveredAt)}`;
      const open = `${pending > 0 ? `, ${pending} waiting` : ""}${givenUp > 0 ? `, ${givenUp} given up` : ""}`;
      const error = lastError === undefined ? "" : `; last error: ${escapeHtml(lastError)}`;
      return `<p>Alerts through ${escapeHtml(channel)}: ${last}${open}${error}</p>`;
    }),
    `<p class="vfw-small">History: <code>${escapeHtml(path)}</code>, ${(bytes / 1048576).toFixed(1)} MB, ${count(rows.boots, "boot")}, ${count(rows.attempts, "start")}, ${count(rows.snapshots, "snapshot")}.</p>`,
  ];
}
