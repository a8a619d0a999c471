import { listenToService } from "../../control/client.ts";
import type { LoggedLine } from "../../daemon/log.ts";
import { mayBeHidden, runtimeDirectory } from "../../daemon/runtime-state.ts";
import { openStore } from "../../store/open.ts";
import { createPaint, type Paint, printable } from "../../terminal-text.ts";
import { wrap } from "../../text-columns.ts";
import { formatTimeOfDay } from "../../time-words.ts";
import { type Command, EXIT, Refusal, refusePositionals } from "../command.ts";
import { findSurroundings } from "../surroundings.ts";

/** The service answers at once, unless the machine is very busy (ms). */
const PATIENCE = 20_000;
/** How the service's log begins the line of a start that has settled. */
const SETTLED = /^start of '/;

/** The service's log, live. */
export const watchCommand: Command = {
  name: "watch",
  summary: "Shows what happens, live: the service's log and each start as it settles, until Ctrl-C.",
  usage: "[--database FILE] [--utc]",
  help: `
Asks the running service, so it has to run, and this to be run by the same user (root). What happened before is in
'vfio-watch history'.

  --database FILE    another history than the service's
  --utc              times in UTC, not in this machine's time zone

Exit code: 0 when it was ended by Ctrl-C, 1 when no service runs, or it ended.
Example: vfio-watch watch`,
  options: { database: { type: "string" }, utc: { type: "boolean" } },
  async run(args, io) {
    refusePositionals(args);
    const { database } = findSurroundings(io.env, args.text("database"));
    const paint = createPaint(io.color);
    let isEndedHere = false;
    const talk = listenToService(
      runtimeDirectory(io.env),
      { ask: "watch", history: database },
      {
        patienceMs: PATIENCE,
        onProgress(text) {
          const line = parseLine(text);
          if (line === undefined) io.err("Watching; Ctrl-C ends it.\n");
          else io.out(`${lineText(line, database, paint, io.columns)}\n`);
        },
      },
    );
    const end = () => {
      isEndedHere = true;
      talk.end();
    };
    process.once("SIGINT", end).once("SIGTERM", end);
    try {
      const last = await talk.last;
      if (last.state === "no-service")
        throw new Refusal(
          mayBeHidden(io.env)
            ? "whether root's service runs cannot be seen by this user: sudo vfio-watch watch"
            : "no service runs, so nothing is watched; 'vfio-watch doctor' says how to start it.",
        );
      if (last.state === "refused" && !isEndedHere) throw new Refusal(`${last.why} ${last.remedy}`);
      return EXIT.ok;
    } finally {
      process.off("SIGINT", end).off("SIGTERM", end);
    }
  },
};

function lineText({ at, level, text }: LoggedLine, database: string, paint: Paint, columns: number): string {
  const told = printable(text);
  const more = SETTLED.test(text) ? numberOfNewest(database) : undefined;
  const line = wrap(
    `${formatTimeOfDay(at).slice(0, 8)}  ${told}${more === undefined ? "" : ` (vfio-watch show ${more})`}`,
    columns,
    " ".repeat(10),
  );
  if (level === "error") return paint("red", line);
  if (level === "warn") return paint("yellow", line);
  return SETTLED.test(text) ? paint("bold", line) : line;
}

/** The line is logged once the start is stored. */
function numberOfNewest(database: string): number | undefined {
  const opened = openStore({ path: database, readOnly: true, clock: { now: Date.now } });
  if (opened.state !== "open") return undefined;
  try {
    return opened.store.attempts.list({ limit: 1 })[0]?.number;
  } finally {
    opened.store.close();
  }
}

/** The service is the same program; of another version nothing is printed that is no line. */
function parseLine(text: string): LoggedLine | undefined {
  if (text === "") return undefined;
  try {
    const { at, level, text: said } = JSON.parse(text) as Partial<LoggedLine>;
    return typeof at === "number" && typeof said === "string"
      ? { at, level: level ?? "info", text: said }
      : undefined;
  } catch {
    return undefined;
  }
}
