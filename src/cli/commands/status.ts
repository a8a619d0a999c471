import {
  mayBeHidden,
  type RuntimeState,
  readRuntimeState,
  runtimeDirectory,
  STUCK_AFTER,
  stateFile,
} from "../../daemon/runtime-state.ts";
import type { SourceHealth } from "../../model/source.ts";
import type { Store } from "../../store/store.ts";
import { createPaint, formatSpan, formatTime, type Paint, printable } from "../../terminal-text.ts";
import { table, wrap } from "../../text-columns.ts";
import { type Command, EXIT, refusePositionals, UsageError } from "../command.ts";
import { documentText } from "../json/document.ts";
import { startJson } from "../json/starts.ts";
import { channelJson, databaseJson, gapJson, serviceJson, troubleJson } from "../json/status.ts";
import { readMetrics } from "../read-metrics.ts";
import { findSurroundings, HISTORY_OPTIONS, HISTORY_OPTIONS_HELP, withHistory } from "../surroundings.ts";
import { describeStarts } from "./starts.ts";

/** The service's state, so that nobody wonders whether the watcher works. */
export const statusCommand: Command = {
  name: "status",
  summary: "Says whether the service runs, what each source sees, and what is missing.",
  usage: "[--json | --metrics]",
  help: `
${HISTORY_OPTIONS_HELP}
  --metrics          Prometheus' text format, for the textfile collector of node_exporter

Exit code: 0 when the service runs, 1 when it does not, 3 when it runs and something needs attention; 0 with --metrics.
JSON: {"running","service","database","starts","channels","gaps","troubles","unseen"}; "unseen" has what this user cannot
see, a sentence each.
Example: vfio-watch status`,
  options: { ...HISTORY_OPTIONS, metrics: { type: "boolean" } },
  async run(args, io) {
    refusePositionals(args);
    if (args.flag("json") && args.flag("metrics")) throw new UsageError("take --json or --metrics");
    const surroundings = findSurroundings(io.env, args.text("database"));
    const found = readRuntimeState(stateFile(runtimeDirectory(io.env)));
    const now = Date.now();
    let service = found?.running === true ? withSilence(found.state, now) : undefined;
    const database = args.text("database") ?? service?.database ?? surroundings.database;
    if (args.flag("metrics")) {
      io.out(await readMetrics(surroundings, service, database, io));
      return EXIT.ok;
    }
    const unseen: string[] = [];
    const said = {
      ...io,
      err(text: string) {
        unseen.push(text.replace(/^vfio-watch: /, "").trim());
        io.err(text);
      },
    };
    let history: HistoryStatus | undefined;
    await withHistory(database, said, (store) => {
      history = readHistory(store, service);
      service = service && withLag(service, store);
      return EXIT.ok;
    });
    const isHidden = service === undefined && mayBeHidden(io.env);
    if (args.flag("json")) {
      if (isHidden) unseen.push(HIDDEN);
      io.out(documentText({ ...statusJson(service, history), unseen }));
    } else {
      const paint = createPaint(io.color);
      io.out(`${describeStatus(service, found?.state, history, paint, io.columns, now, isHidden)}\n`);
    }
    if (service === undefined) return EXIT.failure;
    return needsAttention(service, history) ? EXIT.findings : EXIT.ok;
  },
};

const HIDDEN = "Whether root's service runs cannot be seen by this user: sudo vfio-watch status";

interface HistoryStatus {
  readonly database: ReturnType<Store["stats"]> & { readonly path: string };
  readonly starts: ReturnType<Store["attempts"]["list"]>;
  readonly channels: ReturnType<Store["alerts"]["channelStates"]>;
  readonly gaps: ReturnType<Store["gaps"]["list"]>;
  readonly troubles: ReturnType<Store["troubles"]>;
}

/** Programs find the same keys where nothing is stored yet. */
function statusJson(service: RuntimeState | undefined, history: HistoryStatus | undefined): object {
  return {
    running: service !== undefined,
    service: service === undefined ? null : serviceJson(service),
    database: history === undefined ? null : databaseJson(history.database.path, history.database),
    starts: history?.starts.map(startJson) ?? [],
    channels: history?.channels.map(channelJson) ?? [],
    gaps: history?.gaps.map(gapJson) ?? [],
    troubles: (history?.troubles ?? service?.troubles ?? []).map(troubleJson),
  };
}

/** A service that hangs is no better than none, and its last words look as if it worked. */
function withSilence(service: RuntimeState, now: number): RuntimeState {
  const silent = now - service.writtenAt;
  if (silent <= STUCK_AFTER) return service;
  const problem = `It has not said anything for ${formatSpan(silent)}, so it watches no longer: restart it.`;
  return { ...service, problems: [problem, ...service.problems] };
}

/** What waited at the last export is not what waits now, above all where the fleet's server is away. */
function withLag(service: RuntimeState, store: Store): RuntimeState {
  const { fleet } = service;
  if (fleet?.position === undefined) return service;
  return { ...service, fleet: { ...fleet, waiting: store.exports.countStarts(fleet.position) } };
}

function readHistory(store: Store, service: RuntimeState | undefined): HistoryStatus {
  return {
    database: { path: store.path, ...store.stats() },
    starts: store.attempts.list({ limit: 5 }),
    channels: store.alerts.channelStates(),
    gaps: store.gaps.list({ limit: 5 }),
    troubles: service?.troubles ?? store.troubles().filter((trouble) => trouble.until === undefined),
  };
}

function needsAttention(service: RuntimeState, history: HistoryStatus | undefined): boolean {
  return (
    service.problems.length > 0 ||
    service.sources.length === 0 ||
    service.sources.some((source) => source.state.state === "waiting" || source.lost > 0) ||
    service.fleet?.lastError !== undefined ||
    history === undefined ||
    history.troubles.length > 0 ||
    history.channels.some((channel) => channel.givenUp > 0)
  );
}

function describeStatus(
  service: RuntimeState | undefined,
  left: RuntimeState | undefined,
  history: HistoryStatus | undefined,
  paint: Paint,
  columns: number,
  now: number,
  isHidden: boolean,
): string {
  const lines: string[] = [];
  if (service === undefined) {
    lines.push(
      isHidden ? paint("yellow", wrap(HIDDEN, columns)) : paint("red", "The service is not running."),
    );
    if (left !== undefined)
      lines.push(
        wrap(
          `It last wrote at ${formatTime(left.writtenAt)} and ended without a word (pid ${left.pid}).`,
          columns,
        ),
      );
    if (!isHidden)
      lines.push(wrap("Start it with 'vfio-watch run', or see the README for the boot service.", columns));
  } else {
    const { version, pid, startedAt, writtenAt, memory } = service;
    const word = now - writtenAt > STUCK_AFTER ? paint("red", "Stuck") : paint("green", "Watching");
    lines.push(
      wrap(
        `${word} since ${formatTime(startedAt)} (${formatSpan(Math.max(0, now - startedAt))}): version ${version}, pid ${pid}, ${Math.round(memory.rssBytes / 1048576)} MB`,
        columns,
        "  ",
      ),
      "",
      table(
        service.sources.map((source) => sourceRow(source, paint, now)),
        columns,
      ),
    );
    lines.push(
      ...(service.sources.length === 0
        ? [paint("yellow", "Nothing is watched: the setting SOURCES is none.")]
        : []),
      ...service.problems.map((problem) => paint("yellow", wrap(printable(problem), columns, "  "))),
      ...fleetLines(service.fleet, paint, columns),
    );
  }
  if (history !== undefined) lines.push("", ...historyLines(history, paint, columns));
  else lines.push(...troubleLines(service?.troubles ?? [], paint, columns));
  return lines.join("\n");
}

function sourceRow(
  { name, state, seen, lastSeenAt, lost, skipped }: SourceHealth,
  paint: Paint,
  now: number,
): string[] {
  const last =
    lastSeenAt === undefined
      ? "nothing to note yet"
      : `${seen} seen, last ${formatSpan(Math.max(0, now - lastSeenAt))} ago`;
  const missing = [
    ...(lost > 0 ? [`${lost} LOST`] : []),
    ...(skipped > 0 ? [`${skipped} skipped`] : []),
  ].join(", ");
  switch (state.state) {
    case "live":
      return [
        `  ${name}`,
        paint("green", "live"),
        last,
        printable([state.detail, missing].filter(Boolean).join("; ")),
      ];
    case "waiting":
      return [
        `  ${name}`,
        paint("yellow", "waiting"),
        last,
        printable(`${state.why}; ${state.remedy}${missing && `; ${missing}`}`),
      ];
    default:
      return [`  ${name}`, state.state, last, missing];
  }
}

function fleetLines(fleet: RuntimeState["fleet"], paint: Paint, columns: number): readonly string[] {
  if (fleet === undefined) return [];
  const { server, position, waiting = 0, exportedAt, lastError, retryAt } = fleet;
  const reached =
    position === undefined
      ? "nothing sent in this run yet"
      : `${position === 0 ? "no start to send yet" : `sent up to start ${position}`}, ${waiting} waiting, last ${formatTime(exportedAt ?? 0)}`;
  const again = retryAt === undefined ? "" : `; tried again at ${formatTime(retryAt)}`;
  const lines = [wrap(printable(`Fleet: ${server}: ${reached}`), columns, "  ")];
  if (lastError !== undefined)
    lines.push(paint("yellow", wrap(printable(`${lastError}${again}`), columns, "  ")));
  return ["", ...lines];
}

function count(number: number, thing: string): string {
  return `${number} ${thing}${number === 1 ? "" : "s"}`;
}

function troubleLines(troubles: HistoryStatus["troubles"], paint: Paint, columns: number): readonly string[] {
  return troubles.map(({ why, remedy }) => paint("red", wrap(printable(`${why} ${remedy}`), columns, "  ")));
}

function historyLines(
  { database, starts, channels, gaps, troubles }: HistoryStatus,
  paint: Paint,
  columns: number,
): string[] {
  const { rows } = database;
  const told = (text: string) => wrap(printable(text), columns, "  ");
  const lines = [
    told(
      `History: ${database.path}, ${(database.bytes / 1048576).toFixed(1)} MB, ${count(rows.boots, "boot")}, ${count(rows.attempts, "start")}, ${count(rows.snapshots, "snapshot")}`,
    ),
  ];
  lines.push(...troubleLines(troubles, paint, columns));
  for (const gap of gaps)
    lines.push(paint("yellow", told(`Gap at ${formatTime(gap.at)} in ${gap.source}: ${gap.detail}`)));
  for (const channel of channels) {
    const error = channel.lastError === undefined ? "" : `, last error: ${channel.lastError}`;
    lines.push(
      told(
        `Alerts through ${channel.channel}: last ${formatTime(channel.lastDeliveredAt)}, ${channel.pending} waiting, ${channel.givenUp} given up${error}`,
      ),
    );
  }
  lines.push("", "Last starts:", describeStarts(starts, paint, columns));
  return lines;
}
