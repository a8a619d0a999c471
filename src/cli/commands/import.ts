import { systemClock } from "../../clock.ts";
import { beginTalk, type Talk } from "../../control/client.ts";
import { runtimeDirectory } from "../../daemon/runtime-state.ts";
import { createMatcher } from "../../diagnosis/matcher.ts";
import { readBootIdentity } from "../../host/boot-identity.ts";
import { readHostState } from "../../host/host-state.ts";
import { readKernelRelease } from "../../host/kernel.ts";
import type { HostPaths } from "../../host-paths.ts";
import { findSources } from "../../import/find-sources.ts";
import { type ImportResult, importHistory } from "../../import/import-history.ts";
import { JOURNAL_PATIENCE_MS } from "../../import/journal.ts";
import type { KnownBoot } from "../../import/match-boots.ts";
import type { TakenBoot } from "../../import/take-in.ts";
import { createMessageFinder } from "../../pipeline/message-finder.ts";
import { PIPELINE_DEFAULTS } from "../../pipeline/options.ts";
import { shippedConfigDirectory } from "../../places.ts";
import { openStore } from "../../store/open.ts";
import { createPaint, formatTime, type Paint, printable } from "../../terminal-text.ts";
import { table, wrap } from "../../text-columns.ts";
import { inUtc } from "../../time-words.ts";
import { type Command, type CommandIo, EXIT, type ParsedArguments, UsageError } from "../command.ts";
import { documentText, timeJson } from "../json/document.ts";
import { troubleJson } from "../json/status.ts";
import { createProgressBar } from "../progress-bar.ts";
import { findCatalogue, findSurroundings, type Surroundings, signatureLookup } from "../surroundings.ts";

/** Of failures of years that no signature knows, so many are looked up in the programs' sources at once. */
const MOST_LOOKED_UP = 100;

/** The service answers at once, unless the machine is very busy (ms). */
const PATIENCE = 20_000;

/** Takes the history from before installation in. */
export const importCommand: Command = {
  name: "import",
  summary:
    "Takes in the history from before installation: diagnostics, syslogs, the journal, VMs' logs, Proxmox's tasks.",
  usage: "SOURCE… [--database FILE] [--json]",
  help: `
SOURCE is one or more of
  FILE.zip           Unraid diagnostics (6.12 and later)
  DIRECTORY          a folder of them, an unpacked one, or any directory of the logs below (/boot/logs)
  FILE               a syslog (syslog, syslog-previous, syslog.1, *.gz), a VM's log (NAME.log, NAME.log.0),
                     libvirtd.log, a kernel dump of pstore
  DIRECTORY          Proxmox's archive of tasks, /var/log/pve/tasks or a copy of it: the starts of VMs, for which the
                     boots come from the journal
  journal            every boot that systemd's journal still holds
  host               all of these that this host has

The same again changes nothing, one boot out of several sources is one boot, and what the service saw itself stays as
it is. The boot that runs now is left to the service. All of it is marked as imported wherever it is shown.
Logs are read in UTF-8 and UTF-16, also packed with gzip. Nothing is unpacked to disk, and however many files there are
and whatever they hold, the import stays within 150 MB of memory: of one log the newest 1000 boots, of one source the
newest 5000 VM starts and 16 million characters of what was said are taken in, of one file 256 MB and 4 million lines are
read. What is left out is counted and said, also in "notes". The service may run: it lets the import write beside it and
watches on.

  --database FILE    another history than the service's, for somebody else's diagnostics; every command that
                     reads takes the same option
  --json             one JSON document instead of text
  --utc              times in UTC, not in this machine's time zone

Exit code: 0, or 1 when a source was refused or the history could not be written.
JSON: {"sources":[{"name","refused","boots","notes"}],"boots":[{"id","startedAt","bios","isNew","isLive","newAttempts",
"good","failed","undecided"}],"withoutBoot":{"newAttempts","attempts"},"runningBootLeftOut","trouble"}
Example: vfio-watch import /boot/logs && vfio-watch blame
         vfio-watch import tower-diagnostics-*.zip --database friend.db && vfio-watch blame --database friend.db`,
  options: { database: { type: "string" }, json: { type: "boolean" }, utc: { type: "boolean" } },
  readsLocalTimes: true,
  async run(args, io) {
    if (args.positionals.length === 0)
      throw new UsageError("name at least one source: a file, a directory, journal or host");
    const surroundings = findSurroundings(io.env, args.text("database"));
    const { database, paths } = surroundings;
    const admission = await askToWrite(database, io);
    if (admission === "refused") return EXIT.failure;
    const opened = openStore({
      ...{ path: database, clock: systemClock, besideService: admission !== undefined },
    });
    if (opened.state === "refused") {
      io.err(
        `vfio-watch: ${printable(opened.why)} ${opened.reason === "locked" ? whenLocked(surroundings) : opened.remedy}\n`,
      );
      await admission?.finish();
      return EXIT.failure;
    }
    const { store } = opened;
    try {
      const bar = createProgressBar(io);
      const catalogue = findCatalogue(surroundings, io);
      const matcher = createMatcher(catalogue);
      const { config } = surroundings.loaded;
      const sources = findSources(args.positionals, {
        paths,
        isKnown: matcher.knows,
        journal: { journalctl: ["journalctl"], clock: systemClock, patienceMs: JOURNAL_PATIENCE_MS },
      });
      const result = await importHistory({
        sources,
        parts: {
          store,
          matcher,
          signatures: signatureLookup(catalogue),
          findMessages: createMessageFinder(shippedConfigDirectory(), systemClock, MOST_LOOKED_UP),
          settings: {
            ...PIPELINE_DEFAULTS,
            settlingMs: config.SETTLING_SECONDS * 1000,
            crashedEarlyMs: config.CRASH_EARLY_MINUTES * 60_000,
          },
        },
        runningBoot: runningBoot(paths),
        now: systemClock.now(),
        progress: bar.tell,
      });
      bar.end();
      return await tell(result, args, io);
    } finally {
      store.close();
      await admission?.finish();
    }
  },
};

/**
 * Asks the service to be let in beside it. The files are read here and not there: its sandbox hides homes and `/tmp`,
 * and what they take of memory is not the service's. Undefined where no service keeps this history.
 */
async function askToWrite(history: string, io: CommandIo): Promise<Talk<"import"> | "refused" | undefined> {
  const begun = await beginTalk(runtimeDirectory(io.env), { ask: "import", history }, PATIENCE);
  if (!("state" in begun)) return begun;
  if (begun.state === "no-service") return undefined;
  const { why, remedy } =
    begun.state === "refused" ? begun : { why: "The service did not let it in.", remedy: "Try again." };
  io.err(`vfio-watch: ${printable(why)} ${printable(remedy)}\n`);
  return "refused";
}

/** The boot that runs now, as far as the host says. */
function runningBoot(paths: HostPaths): KnownBoot | undefined {
  const { bootId, bootedAt } = readBootIdentity({ paths, clock: systemClock });
  if (bootId.state !== "read" || bootedAt.state !== "read") return undefined;
  const bios = readHostState({ paths }).bios;
  const release = readKernelRelease(paths);
  return {
    id: bootId.value,
    startedAt: bootedAt.value,
    lastSeenAt: systemClock.now(),
    bios: bios.state === "read" ? bios.value.version : undefined,
    kernelRelease: release.state === "read" ? release.value : undefined,
  };
}

/** Only one program writes the history, so that nothing is lost or doubled when both want the same row. */
function whenLocked({ unraid }: Surroundings): string {
  const [stop, start] = unraid
    ? ["/etc/rc.d/rc.vfio-watch stop", "/etc/rc.d/rc.vfio-watch start"]
    : ["systemctl stop vfio-watch", "systemctl start vfio-watch"];
  return `If that is the service: '${stop}', import, then '${start}'; what happens meanwhile it reads afterwards. Or import into a history of its own with --database FILE.`;
}

async function tell(result: ImportResult, args: ParsedArguments, io: CommandIo): Promise<number> {
  const { trouble } = result;
  const describe = () => describeImport(result, createPaint(io.color), io.columns);
  if (args.flag("json")) io.out(documentText(importJson(result)));
  else io.out(`${args.flag("utc") ? await inUtc(describe) : describe()}\n`);
  if (trouble !== undefined) io.err(`vfio-watch: ${printable(trouble.why)} ${trouble.remedy}\n`);
  return trouble !== undefined || result.sources.some(({ refused }) => refused !== undefined)
    ? EXIT.failure
    : EXIT.ok;
}

function importJson({ sources, boots, withoutBoot, runningBootLeftOut, trouble }: ImportResult): object {
  return {
    sources: sources.map(({ name, refused = null, boots, notes }) => ({ name, refused, boots, notes })),
    boots: boots.map(
      ({ id, startedAt, bios = null, isNew, isLive, newAttempts, good, failed, undecided }) => ({
        ...{ id, startedAt: timeJson(startedAt), bios, isNew, isLive, newAttempts, good, failed, undecided },
      }),
    ),
    withoutBoot: { newAttempts: withoutBoot.newAttempts, attempts: withoutBoot.attempts },
    runningBootLeftOut,
    trouble: trouble === undefined ? null : troubleJson(trouble),
  };
}

/** The result for a person: what was taken in, boot by boot, and what could not be. */
export function describeImport(result: ImportResult, paint: Paint, columns: number): string {
  const { boots, sources, withoutBoot } = result;
  const lines: string[] = [];
  const added = boots.filter(({ isNew }) => isNew).length;
  const starts = boots.reduce((sum, boot) => sum + boot.newAttempts, withoutBoot.newAttempts);
  const nothing = added === 0 && starts === 0;
  lines.push(
    paint(
      "bold",
      nothing
        ? sources.every(({ refused }) => refused !== undefined)
          ? "Nothing was taken in."
          : "Nothing new: the history has all of it already, or there was nothing in it."
        : `Taken in: ${count(added, "boot")} and ${count(starts, "VM start")} that the history did not have.`,
    ),
  );
  if (boots.length > 0) lines.push("", table(boots.map(bootRow), columns));
  if (withoutBoot.attempts > 0)
    lines.push(
      "",
      `${count(withoutBoot.attempts, "VM start")} of times of which no boot is known: they stand in 'starts' without facts.`,
    );
  if (result.runningBootLeftOut)
    lines.push("", "The boot that runs now was left out: the service reads it itself when it starts.");
  for (const { name, refused, notes } of sources) {
    if (refused !== undefined)
      lines.push(
        "",
        paint("yellow", wrap(`${printable(name)}: refused. ${printable(refused)}`, columns, "  ")),
      );
    else if (notes.length > 0) lines.push("", `${printable(name)}:`);
    lines.push(...notes.slice(0, 20).map((note) => wrap(`  - ${printable(note)}`, columns, "    ")));
    if (notes.length > 20) lines.push(`  - and ${notes.length - 20} more (--json shows all)`);
  }
  if (boots.length > 0) lines.push("", "Next: vfio-watch blame");
  return lines.join("\n");
}

function bootRow(boot: TakenBoot): readonly string[] {
  const { good, failed, undecided } = boot;
  const outcomes = [
    ...(good > 0 ? [`${good} good`] : []),
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(undecided > 0 ? [`${undecided} without an outcome`] : []),
  ];
  return [
    `  ${formatTime(boot.startedAt)}`,
    boot.bios === undefined ? "BIOS not known" : `BIOS ${printable(boot.bios)}`,
    outcomes.length === 0 ? "no VM start" : `VM starts: ${outcomes.join(", ")}`,
    boot.isLive ? "seen by the service" : boot.isNew ? "new" : "known",
  ];
}

function count(number: number, thing: string): string {
  return `${number} ${thing}${number === 1 ? "" : "s"}`;
}
