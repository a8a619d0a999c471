import { settingsForm } from "../../config/settings-form.ts";
import { loadConfigText } from "../../config.ts";
import { LONGEST_WAIT } from "../../control/requests.ts";
import { readRuntimeState, runtimeDirectory, stateFile } from "../../daemon/runtime-state.ts";
import { jsonText } from "../../json-text.ts";
import { renderPage } from "../../report/page.ts";
import type { HistoryView, PageInput, ServiceView } from "../../report/page-input.ts";
import { LONGEST_FILE } from "../../settings/flat-file.ts";
import { openStore } from "../../store/open.ts";
import type { Store } from "../../store/store.ts";
import { parseCount } from "../arguments.ts";
import { thisHost } from "../check-host.ts";
import { type Command, type CommandIo, EXIT, type ParsedArguments, UsageError } from "../command.ts";
import { readElsewhere } from "../known-firmware.ts";
import { explainStart, type PageAnswer, type StartQuestion } from "../page-answer.ts";
import { readOverview } from "../page-overview.ts";
import { chooseStart, findOlderLogs, readAlerts, withFailures } from "../page-view.ts";
import { readPageVms } from "../page-vms.ts";
import { findCatalogue, findSurroundings, type Surroundings } from "../surroundings.ts";

/** Parts of a web interface's pages. */
export const pageCommand: Command = {
  name: "page",
  summary: "Prints what the pages of Unraid's web interface show; they hold no logic of their own.",
  usage: "tools [--start N] | overview | answer --vm UUID --since MS [--wait MS] | settings | check [-]",
  help: `
  tools              state, preflight, failed starts, the picture and what changed, as a piece of HTML
  overview           a verdict for each VM, the last failure and update, the picture, as JSON
  answer             what to add to the web interface's own message about a start that failed, as JSON
  settings           every setting with its meaning, its default and what may stand there, as JSON
  check              what is wrong in the settings in force, as JSON; with - in the file on standard input

  --start N          tools: show start N in full instead of the newest failed one
  --vm UUID          answer: the VM that was started
  --since MS         answer: not before this time, in milliseconds since 1970
  --wait MS          answer: wait so long for the diagnosis (default 0, at most ${LONGEST_WAIT})
  --database FILE    another history than the service's

Exit code: 0 when it is printed; check: 3 when something is wrong.
JSON: settings: [{"title","settings":[{"key","label","meaning","expects","fallback","secret","field"}]}];
check: {"problems":[{"where","line","key","message"}]};
overview: {"madeAt","vms":[{"name","uuid","verdict","word","tone","why","todo","failed"}],"failure","update","picture"};
answer: {"state":"off"|"none"} or {"state":"failed","number","vm","why","remedies","lastGoodAt","changes"}.
Example: vfio-watch page tools`,
  options: {
    start: { type: "string" },
    database: { type: "string" },
    vm: { type: "string" },
    since: { type: "string" },
    wait: { type: "string" },
  },
  async run(args, io) {
    const [part, ...others] = args.positionals;
    if (part === "settings" && others.length === 0) {
      io.out(jsonText(settingsForm(), 1));
      return EXIT.ok;
    }
    const surroundings = findSurroundings(io.env, args.text("database"));
    if (part === "check" && (others.length === 0 || others.join() === "-")) {
      const candidate = others.length > 0 ? await io.readInput(LONGEST_FILE) : undefined;
      if (others.length > 0 && candidate === undefined)
        throw new UsageError("these are no settings: too long");
      return printProblems(candidate?.toString("utf8"), surroundings, io);
    }
    if (part === "overview" && others.length === 0) {
      const { opened } = openPageHistory(surroundings, io);
      const store = opened.state === "open" ? opened.store : undefined;
      try {
        io.out(jsonText(await readOverview(surroundings, store, io), 1));
      } finally {
        store?.close();
      }
      return EXIT.ok;
    }
    if (part === "answer" && others.length === 0) {
      const question = startQuestion(args);
      const service = readService(io.env);
      const answer: PageAnswer =
        service.state === "stopped"
          ? { state: "off" }
          : await explainStart(question, {
              runtimeDirectory: runtimeDirectory(io.env),
              history: service.runtime.database,
            });
      io.out(jsonText(answer, 1));
      return EXIT.ok;
    }
    if (part !== "tools" || others.length > 0)
      throw new UsageError("name one part: tools, overview, answer, settings or check");
    const start = args.text("start");
    const number = start === undefined ? undefined : parseCount(start, "start");
    io.out(renderPage(await readPage(surroundings, number, io), LINKS));
    return EXIT.ok;
  },
};

/** Below Unraid's document root. */
const LINKS = { start: "?start=", report: "/plugins/vfio-watch/include/report.php?start=" };
const MOST_FAILURES = 8;
const MOST_GAPS = 5;

function printProblems(candidate: string | undefined, surroundings: Surroundings, io: CommandIo): number {
  const { problems } =
    candidate === undefined
      ? surroundings.loaded
      : loadConfigText(candidate, { where: surroundings.settingsFile, unraid: surroundings.unraid });
  io.out(jsonText({ problems }, 1));
  return problems.length > 0 ? EXIT.findings : EXIT.ok;
}

function startQuestion(args: ParsedArguments): StartQuestion {
  const [uuid, since, wait = "0"] = ["vm", "since", "wait"].map((name) => args.text(name));
  if (uuid === undefined || !/^[0-9a-f]{8}(?:-?[0-9a-f]{4}){3}-?[0-9a-f]{12}$/i.test(uuid))
    throw new UsageError("answer needs --vm with the UUID of a VM");
  if (since === undefined || !/^\d{1,15}$/.test(since))
    throw new UsageError("answer needs --since with milliseconds since 1970");
  if (!/^\d{1,5}$/.test(wait) || Number(wait) > LONGEST_WAIT)
    throw new UsageError(`--wait takes milliseconds up to ${LONGEST_WAIT}, not '${wait}'`);
  return { uuid, since: Number(since), waitMs: Number(wait) };
}

/** The history that was asked for by name, else the one that the service keeps, else the one that the settings name. */
function openPageHistory(surroundings: Surroundings, io: CommandIo) {
  const service = readService(io.env);
  const isOfService = service.state === "running" && !surroundings.isNamed;
  const path = isOfService ? service.runtime.database : surroundings.database;
  return { service, opened: openStore({ path, readOnly: true, clock: { now: Date.now } }) };
}

async function readPage(
  surroundings: Surroundings,
  start: number | undefined,
  io: CommandIo,
): Promise<PageInput> {
  const now = Date.now();
  const { service, opened } = openPageHistory(surroundings, io);
  const store = opened.state === "open" ? opened.store : undefined;
  try {
    const catalogue = findCatalogue(surroundings, io);
    const host = await thisHost(surroundings, store);
    return {
      now,
      service,
      history: store === undefined ? undefined : readHistory(store),
      // None yet is no problem: the service begins one.
      historyProblem:
        opened.state === "refused" && opened.reason !== "missing"
          ? `${opened.why} ${opened.remedy}`
          : undefined,
      preflight: {
        ...withFailures(readPageVms(surroundings, host, catalogue, store), store, catalogue),
        elsewhere: await readElsewhere(surroundings, io, "what it said last", host.reading),
      },
      failures: store?.attempts.list({ failedOnly: true, limit: MOST_FAILURES }) ?? [],
      alerts: store === undefined ? [] : readAlerts(store, now),
      olderLogs: findOlderLogs(surroundings.paths, store),
      chosen: store === undefined ? undefined : chooseStart(store, start, catalogue, now),
    };
  } finally {
    store?.close();
  }
}

function readService(env: NodeJS.ProcessEnv): ServiceView {
  const found = readRuntimeState(stateFile(runtimeDirectory(env)));
  if (found?.running === true) return { state: "running", runtime: found.state };
  return { state: "stopped", left: found?.state };
}

function readHistory(store: Store): HistoryView {
  return {
    path: store.path,
    stats: store.stats(),
    troubles: store.troubles().filter((trouble) => trouble.until === undefined),
    gaps: store.gaps.list({ limit: MOST_GAPS }),
    channels: store.alerts.channelStates(),
  };
}
