import { formatSpan, formatTime, type Paint, printable } from "../terminal-text.ts";
import { shortened } from "../text-columns.ts";
import { formatMinute } from "../time-words.ts";
import type { Brief } from "./brief.ts";
import { outcomeWord } from "./commands/starts.ts";

const MOST_STOPPED = 2;
const MOST_CHANGES = 2;

/** The state in at most ten lines, each of which fits the terminal. */
export function describeBrief(brief: Brief, paint: Paint, columns: number, now: number): readonly string[] {
  const line = (label: string, text: string, color?: Parameters<Paint>[0]) => {
    const shown = shortened(printable(text), columns - LABEL);
    return `${paint("bold", label.padEnd(LABEL))}${color === undefined ? shown : paint(color, shown)}`;
  };
  const { lastStart, lastFailure, stopped, changed } = brief;
  const lines = [
    ...(brief.machine === undefined ? [] : [line("History of", brief.machine, "yellow")]),
    watchingLine(brief, line, now),
  ];
  lines.push(
    line("History", `${count(brief.boots, "boot")}, ${count(brief.starts, "VM start")}${alerts(brief)}`),
  );
  if (lastStart === undefined) lines.push(line("Last start", "none is on record yet"));
  else {
    const what = `#${lastStart.number} '${lastStart.vm}', ${formatMinute(lastStart.openedAt)}: ${outcomeWord(lastStart.outcome, plain)}`;
    lines.push(line("Last start", what, lastStart.outcome === "started" ? "green" : "red"));
  }
  if (lastFailure !== undefined) {
    const { row, answer, isOver } = lastFailure;
    const since = isOver ? "; it has started since" : "";
    if (row.number !== lastStart?.number)
      lines.push(line("Last failure", `#${row.number} '${row.vm}', ${formatMinute(row.openedAt)}${since}`));
    lines.push(line("  why", answer.why, isOver ? undefined : "red"));
    const [remedy] = answer.remedies;
    if (remedy !== undefined && !isOver) lines.push(line("  what to do", remedy));
  }
  for (const { vm, verdict, findings } of stopped.slice(0, MOST_STOPPED)) {
    const word = verdict === "will-not-start" ? "will not start" : "may not start";
    const why = findings[0]?.sentence ?? "";
    lines.push(
      line("Next start", `'${vm}' ${word}: ${why}`, verdict === "will-not-start" ? "red" : "yellow"),
    );
  }
  const [first, ...others] = changed.sentences;
  if (first !== undefined) {
    const when =
      changed.since === "good start"
        ? "since it worked"
        : changed.since === "boot before"
          ? "since the boot before"
          : `at ${formatTime(changed.since)}`;
    const room = Math.min(MOST_CHANGES - 1, others.length);
    const left = others.length - room;
    lines.push(line("Changed", `${when}: ${first}`));
    for (const other of others.slice(0, room))
      lines.push(line("", `${other}${left > 0 ? `, and ${left} more` : ""}`));
  }
  const next =
    lastFailure === undefined || lastFailure.isOver ? "" : `show ${lastFailure.row.number}, blame, `;
  return [...lines.slice(0, 9), line("More", `vfio-watch ${next}doctor, --help`)];
}

const LABEL = 14;
const plain: Paint = (_style, text) => text;

function watchingLine(
  { watching }: Brief,
  line: (label: string, text: string, color?: Parameters<Paint>[0]) => string,
  now: number,
): string {
  if (watching.state === "stopped" && watching.mayBeHidden)
    return line("Watching", "unknown: only root can see whether root's service runs");
  if (watching.state === "stopped") return line("Watching", "no: the service does not run", "red");
  const { startedAt, sources } = watching.service;
  const waiting = sources.filter(({ state }) => state.state === "waiting").length;
  if (watching.state === "stuck") return line("Watching", "no: the service hangs, restart it", "red");
  const wait = waiting === 0 ? "" : `; ${waiting} of ${sources.length} sources wait`;
  const since = `since ${formatMinute(startedAt)} (${formatSpan(Math.max(0, now - startedAt))})${wait}`;
  return line("Watching", since, waiting === 0 ? "green" : "yellow");
}

function alerts({ openIncidents }: Brief): string {
  return openIncidents === 0 ? "" : `, ${count(openIncidents, "open alert")}`;
}

function count(number: number, thing: string): string {
  return `${number} ${thing}${number === 1 ? "" : "s"}`;
}
