import { hostname } from "node:os";
import { CHANNEL_NAMES, type ChannelName } from "../../alerts/channels/all.ts";
import { channelSurroundings } from "../../alerts/channels/surroundings.ts";
import {
  type ChangedIncident,
  type Decision,
  decide,
  type FoundIncident,
  findIncident,
  type IncidentView,
  listIncidents,
  parseDuration,
  viewOf,
} from "../../alerts/people.ts";
import { testChannel } from "../../alerts/test-channel.ts";
import { systemClock } from "../../clock.ts";
import { askService } from "../../control/client.ts";
import { mayBeHidden, runtimeDirectory } from "../../daemon/runtime-state.ts";
import type { AlertStore, Incident } from "../../model/alert.ts";
import { openBeside } from "../../store/open-beside.ts";
import { createPaint, formatTime, printable } from "../../terminal-text.ts";
import { parseCount } from "../arguments.ts";
import { type Command, type CommandIo, EXIT, type ParsedArguments, UsageError } from "../command.ts";
import { describeIncident, describeIncidents } from "../incidents.ts";
import { documentText } from "../json/document.ts";
import { incidentViewJson } from "../json/incidents.ts";
import { findSurroundings, HISTORY_OPTIONS, HISTORY_OPTIONS_HELP, withHistory } from "../surroundings.ts";

const DEFAULT_LIMIT = 30;
/** The service answers at once, unless the machine is very busy (ms). */
const PATIENCE = 20_000;
/** A channel may take as long as its own limit says, which is a minute or two (ms). */
const TEST_PATIENCE = 300_000;
const ARGUMENTS: Readonly<Record<string, readonly string[]>> = {
  list: [],
  show: ["ID"],
  ack: ["ID"],
  silence: ["ID", "DURATION"],
  test: ["CHANNEL"],
};

/** What people were told, and what they say to it. */
export const alertsCommand: Command = {
  name: "alerts",
  summary: "Lists what people were told, and takes back what they know already.",
  usage: "list [--open] [--limit N] | show ID | ack ID | silence ID DURATION | test CHANNEL   [--json]",
  help: `
  list                   incidents, the newest first: one for each VM and cause, however often it happened
  show ID                one incident, with what left or is to leave through which channel
  ack ID                 you know: no reminders until it is over; it is counted all the same
  silence ID DURATION    say nothing about it, nor about the same thing anew: 90m, 12h, 7d, 2w
  test CHANNEL           send a test alert now, whether the channel is switched on or not:
                         ${CHANNEL_NAMES.join(", ")}
                         The running service sends it, as it would a real one; where none runs, this command does

  --open                 only incidents that last
  --limit N              at most so many (default ${DEFAULT_LIMIT})
${HISTORY_OPTIONS_HELP}

The beginning of an ID is enough where it is the only one.
JSON: list {"incidents":[…]}, show, ack and silence {"incident","state","deliveries"}, test {"channel","by","delivered",
"error"}.
Example: vfio-watch alerts silence 3f9a 7d`,
  options: { ...HISTORY_OPTIONS, open: { type: "boolean" }, limit: { type: "string" } },
  run(args, io) {
    const [action = "list", ...rest] = args.positionals;
    const wanted = Object.hasOwn(ARGUMENTS, action) ? ARGUMENTS[action] : undefined;
    if (wanted === undefined)
      throw new UsageError(`there is no '${action}'; use one of ${Object.keys(ARGUMENTS).join(", ")}`);
    if (rest.length !== wanted.length) {
      const what = wanted.length === 0 ? "no further argument" : wanted.join(" and ");
      throw new UsageError(`'alerts ${action}' takes ${what}`);
    }
    const [first = "", second = ""] = rest;
    switch (action) {
      case "show":
        return readIncident(first, args, io);
      case "ack":
        return change(first, { kind: "acknowledge" }, args, io);
      case "silence":
        return silenceFor(first, second, args, io);
      case "test":
        return sendTest(first, args, io);
      default:
        return list(args, io);
    }
  },
};

function databaseOf(args: ParsedArguments, io: CommandIo): string {
  return findSurroundings(io.env, args.text("database")).database;
}

function list(args: ParsedArguments, io: CommandIo): Promise<number> {
  const limit = args.text("limit");
  const filter = {
    openOnly: args.flag("open"),
    limit: limit === undefined ? DEFAULT_LIMIT : parseCount(limit, "limit"),
  };
  return withHistory(databaseOf(args, io), io, ({ alerts }) => {
    const incidents = listIncidents(alerts, Date.now(), filter);
    if (args.flag("json")) io.out(documentText({ incidents: incidents.map(incidentViewJson) }));
    else io.out(`${describeIncidents(incidents, createPaint(io.color), io.tableColumns)}\n`);
    return EXIT.ok;
  });
}

function readIncident(id: string, args: ParsedArguments, io: CommandIo): Promise<number> {
  return withHistory(databaseOf(args, io), io, ({ alerts }) => {
    const found = find(alerts, id, io);
    if (found === undefined) return EXIT.failure;
    say(viewOf(alerts, found, Date.now()), args, io);
    return EXIT.ok;
  });
}

function silenceFor(id: string, duration: string, args: ParsedArguments, io: CommandIo): Promise<number> {
  const span = parseDuration(duration);
  if (span === undefined) throw new UsageError(`'${duration}' is no duration; use 90m, 12h, 7d or 2w`);
  return change(id, { kind: "silence", until: Date.now() + span }, args, io);
}

/** Tells the service, and where none runs writes into the history itself. */
async function change(id: string, decision: Decision, args: ParsedArguments, io: CommandIo): Promise<number> {
  const history = databaseOf(args, io);
  const asked = await askService(
    runtimeDirectory(io.env),
    decision.kind === "acknowledge"
      ? { ask: "acknowledge", history, incident: id }
      : { ask: "silence", history, incident: id, forMs: decision.until - Date.now() },
    PATIENCE,
  );
  switch (asked.state) {
    case "answered":
      return sayChange(asked.answer, id, args, io);
    case "refused":
      io.err(`vfio-watch: ${asked.why} ${asked.remedy}\n`);
      return EXIT.failure;
    case "no-service":
      return changeAlone(history, id, decision, args, io);
  }
}

function changeAlone(
  history: string,
  id: string,
  decision: Decision,
  args: ParsedArguments,
  io: CommandIo,
): number {
  const opened = openBeside({ path: history, clock: systemClock });
  if (opened.state === "refused") {
    io.err(`vfio-watch: ${opened.why} ${opened.remedy}\n`);
    return EXIT.failure;
  }
  const { store } = opened;
  try {
    return sayChange(decide(store, id, decision, Date.now()), id, args, io);
  } finally {
    store.close();
  }
}

function sayChange(result: ChangedIncident, id: string, args: ParsedArguments, io: CommandIo): number {
  if ("changed" in result) {
    if (args.flag("json")) say(result.changed, args, io);
    else io.out(`${describeChange(result.changed.incident, Date.now())}\n`);
    return EXIT.ok;
  }
  if (result.problem === "not-written") io.err(`vfio-watch: ${result.why} ${result.remedy}\n`);
  else sayNotFound(result, id, io);
  return EXIT.failure;
}

function find(store: AlertStore, id: string, io: CommandIo): Incident | undefined {
  const result = findIncident(store, id);
  if ("found" in result) return result.found;
  sayNotFound(result, id, io);
  return undefined;
}

function sayNotFound(result: Exclude<FoundIncident, { found: Incident }>, id: string, io: CommandIo): void {
  const named = printable(id);
  io.err(
    result.problem === "unknown"
      ? `vfio-watch: there is no incident ${named}; 'vfio-watch alerts list' shows them.\n`
      : `vfio-watch: ${named} is the beginning of several: ${result.candidates.join(", ")}.\n`,
  );
}

function say(view: IncidentView, args: ParsedArguments, io: CommandIo): void {
  if (args.flag("json")) io.out(documentText(incidentViewJson(view)));
  else io.out(`${describeIncident(view, createPaint(io.color), io.columns)}\n`);
}

function describeChange({ id, content, silencedUntil }: Incident, now: number): string {
  const what = `${id} (${printable(content.subject)})`;
  return silencedUntil !== undefined && silencedUntil > now
    ? `${what} is silenced until ${formatTime(silencedUntil)}.`
    : `${what} is acknowledged: no reminders until it is over.`;
}

async function sendTest(name: string, args: ParsedArguments, io: CommandIo): Promise<number> {
  const channel = CHANNEL_NAMES.find((known): known is ChannelName => known === name);
  if (channel === undefined)
    throw new UsageError(`'${name}' is no channel; use one of ${CHANNEL_NAMES.join(", ")}`);
  const { loaded, paths, database } = findSurroundings(io.env, args.text("database"));
  const isJson = args.flag("json");
  const asked = await askService(
    runtimeDirectory(io.env),
    { ask: "test-channel", history: database, channel },
    TEST_PATIENCE,
  );
  if (asked.state === "refused") {
    io.err(`vfio-watch: ${printable(asked.why)} ${printable(asked.remedy)}\n`);
    return EXIT.failure;
  }
  const by = asked.state === "answered" ? "service" : "command";
  const log = (message: string) => (isJson ? io.err : io.out)(`${printable(message)}\n`);
  const result =
    asked.state === "answered"
      ? asked.answer
      : await testChannel(
          channel,
          loaded.config,
          channelSurroundings(loaded.config, {
            ...{ host: paths, clock: systemClock, environment: io.env, machineName: hostname() },
            log: { info: log, warn: log, error: log },
            // Nobody watches, so nobody knows.
            vmProblems: () => [],
          }),
        );
  const who =
    by === "service"
      ? "the running service"
      : mayBeHidden(io.env)
        ? "this command; whether root's service runs cannot be seen by this user"
        : "this command, as no service runs";
  if (isJson)
    io.out(
      documentText({
        channel,
        by,
        delivered: result.delivered,
        error: result.delivered ? null : result.error,
      }),
    );
  else if (result.delivered) io.out(`A test alert was delivered through ${channel} by ${who}.\n`);
  else
    io.err(`vfio-watch: nothing arrived through ${channel}, sent by ${who}: ${printable(result.error)}.\n`);
  return result.delivered ? EXIT.ok : EXIT.failure;
}
