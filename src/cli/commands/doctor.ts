import { answerJson } from "../../answer/json.ts";
import { systemClock } from "../../clock.ts";
import { readBootIdentity } from "../../host/boot-identity.ts";
import type { HostPaths } from "../../host-paths.ts";
import type { Snapshot } from "../../model/fact.ts";
import { openStore } from "../../store/open.ts";
import type { Store } from "../../store/store.ts";
import { createPaint, type Paint, printable } from "../../terminal-text.ts";
import { wrap } from "../../text-columns.ts";
import { type Brief, readBrief, readWatching, type Watching } from "../brief.ts";
import { askedHost, checkHost, thisHost } from "../check-host.ts";
import { type Command, type CommandIo, EXIT, refusePositionals } from "../command.ts";
import { describeBrief } from "../describe-brief.ts";
import { documentText, timeJson } from "../json/document.ts";
import { startJson } from "../json/starts.ts";
import { readLiveFacts } from "../live-facts.ts";
import { findMissing, type Missing, type MissingInput } from "../missing.ts";
import { findCatalogue, findSurroundings, HISTORY_OPTIONS, HISTORY_OPTIONS_HELP } from "../surroundings.ts";

/** What to look at first, and what is missing. */
export const doctorCommand: Command = {
  name: "doctor",
  summary: "Says how it stands (what 'vfio-watch' alone says), and what is missing to see or tell more.",
  usage: "[--json]",
  help: `
Is it watching, what failed last and why, what will not start, what changed; then what keeps it from seeing or telling
more: the service, rights, libvirt, settings, channels of alerts, facts that cannot be read.

${HISTORY_OPTIONS_HELP}

Exit code: 0 when all is well, 3 when there is something to act on.
JSON: {"watching":"watching|stuck|stopped","watchingSince","boots","starts","openIncidents","lastStart","lastFailure":
{"start","isOver","answer"},"stopped":[{"vm","verdict","why"}],"changed":{"since","sentences"},"missing":[{"what",
"remedy"}]}.
Example: vfio-watch doctor`,
  options: HISTORY_OPTIONS,
  run(args, io) {
    refusePositionals(args);
    return lookAround(io, args.text("database"), async ({ brief, ...found }) => {
      const missing = findMissing({
        ...found,
        facts: await readLiveFacts(found.surroundings.paths),
        stored: found.store && storedFacts(found.store, found.surroundings.paths),
        isRoot: process.geteuid?.() === 0,
      });
      if (args.flag("json")) io.out(documentText(doctorJson(found.watching, brief, missing)));
      else {
        const paint = createPaint(io.color);
        const lines = brief === undefined ? [] : describeBrief(brief, paint, io.columns, Date.now());
        io.out(`${[...lines, "", ...missingLines(missing, paint, io.columns)].join("\n").trimStart()}\n`);
      }
      return missing.some(({ isNote }) => isNote !== true) || (brief !== undefined && isToAct(brief))
        ? EXIT.findings
        : EXIT.ok;
    });
  },
};

/** What `vfio-watch` alone prints: the state in ten lines; undefined where there is no history to tell it from. */
export function printBrief(io: CommandIo): Promise<number | undefined> {
  return lookAround(io, undefined, ({ brief, historyProblem }) => {
    if (historyProblem !== undefined) {
      io.err(`vfio-watch: ${printable(historyProblem)}\n`);
      return EXIT.failure;
    }
    if (brief === undefined) return undefined;
    io.out(`${describeBrief(brief, createPaint(io.color), io.columns, Date.now()).join("\n")}\n`);
    return isToAct(brief) ? EXIT.findings : EXIT.ok;
  });
}

function isToAct({ watching, lastFailure, stopped }: Brief): boolean {
  return watching.state !== "watching" || lastFailure?.isOver === false || stopped.length > 0;
}

type Found = Omit<MissingInput, "facts" | "stored" | "isRoot"> & { readonly brief: Brief | undefined };

/** Looks at service, history and host, and closes the history after `use`. */
async function lookAround<T>(
  io: CommandIo,
  database: string | undefined,
  use: (found: Found) => T | Promise<T>,
): Promise<T> {
  const surroundings = findSurroundings(io.env, database);
  const watching = readWatching(io.env, Date.now());
  const path = database ?? (watching.state === "stopped" ? surroundings.database : watching.service.database);
  const opened = openStore({ path, readOnly: true, clock: { now: Date.now } });
  const store = opened.state === "open" ? opened.store : undefined;
  try {
    const catalogue = findCatalogue(surroundings, io);
    const asked = await (database === undefined ? thisHost : askedHost)(surroundings, store);
    const { live } = asked;
    const preflight =
      live.vms.state === "read" ? checkHost(surroundings, asked, catalogue, store) : undefined;
    return await use({
      ...{ surroundings, watching, store, preflight },
      brief: store && readBrief(store, catalogue, watching, preflight, asked.machine),
      historyProblem:
        opened.state === "refused" && opened.reason !== "missing"
          ? `${opened.why} ${opened.remedy}`
          : undefined,
      vmProblem: live.vms.state === "unreadable" ? live.vms.why : undefined,
    });
  } finally {
    store?.close();
  }
}

/** The newest facts of the boot that runs now. */
function storedFacts(store: Store, paths: HostPaths): Snapshot | undefined {
  const { bootId } = readBootIdentity({ paths, clock: systemClock });
  const id = bootId.state === "read" ? store.boots.get(bootId.value)?.snapshotId : undefined;
  return id === undefined ? undefined : store.snapshots.get(id);
}

function missingLines(missing: readonly Missing[], paint: Paint, columns: number): readonly string[] {
  if (missing.length === 0) return [paint("green", "Nothing is missing.")];
  return [
    paint("bold", "What is missing to see or tell more"),
    ...missing.map(({ what, remedy }) => wrap(printable(`- ${what} ${remedy}`.trimEnd()), columns, "  ")),
  ];
}

function doctorJson(watching: Watching, brief: Brief | undefined, missing: readonly Missing[]): object {
  const failure = brief?.lastFailure;
  return {
    watching: watching.state,
    watchingSince: watching.state === "stopped" ? null : timeJson(watching.service.startedAt),
    boots: brief?.boots ?? 0,
    starts: brief?.starts ?? 0,
    openIncidents: brief?.openIncidents ?? 0,
    lastStart: brief?.lastStart === undefined ? null : startJson(brief.lastStart),
    lastFailure:
      failure === undefined
        ? null
        : { start: startJson(failure.row), isOver: failure.isOver, answer: answerJson(failure.answer) },
    stopped:
      brief?.stopped.map(({ vm, verdict, findings }) => ({
        ...{ vm, verdict, why: findings[0]?.sentence ?? null },
      })) ?? [],
    changed: {
      since: typeof brief?.changed.since === "string" ? null : timeJson(brief?.changed.since),
      sentences: brief?.changed.sentences ?? [],
    },
    missing: missing.map(({ what, remedy }) => ({ what, remedy: remedy === "" ? null : remedy })),
  };
}
