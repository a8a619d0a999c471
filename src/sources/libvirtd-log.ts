import { basename, dirname, join } from "node:path";
import type { Clock } from "../clock.ts";
import type { HostPaths } from "../host-paths.ts";
import type { BootId } from "../model/identifiers.ts";
import type { LibvirtdRecord } from "../model/observation.ts";
import type { ResumePoints, Source } from "../model/source.ts";
import { createDirectoryWatch, describeWatch } from "./directory-watch.ts";
import { createDrainLoop } from "./drain-loop.ts";
import { type FilePosition, lookAt } from "./file-position.ts";
import { createFollowedLogs, type FollowedLog, liveState, problemsOf } from "./followed-logs.ts";
import { createJournalReader, type JournalReader, journalIsThere } from "./libvirtd-log-journal.ts";
import { createLibvirtdLogParser, type LibvirtdLogParser } from "./libvirtd-log-parser.ts";
import { createHealthKeeper } from "./source-state.ts";

export interface LibvirtdLogOptions {
  readonly paths: HostPaths;
  readonly clock: Clock;
  readonly bootId: BootId;
  /** When this boot began (UTC epoch milliseconds, less some slack): older records of an unknown file are passed over. */
  readonly since?: number;
  /** Judges debug records, of which libvirt can write thousands a second; without it none is told. */
  readonly worthTelling?: (text: string) => boolean;
  /** What to run in place of `journalctl`, with parameters before all others. */
  readonly journalctl?: readonly [string, ...string[]];
  readonly maxBacklogBytes?: number;
  /** The log's file, where it is not one of the usual. */
  readonly file?: string;
}

const DIRECTORY = "/var/log/libvirt";
const USUAL_FILES = ["libvirtd.log", "virtqemud.log"];
const CURSOR_KEY = "libvirtd-log:journal";
/** Milliseconds without another line after which a record is taken to be whole. */
const QUIET_MS = 100;

/** libvirtd's (virtqemud's) own log: its file where one is written, else the systemd journal. */
export function createLibvirtdLogSource(options: LibvirtdLogOptions): Source {
  const { clock, since, paths } = options;
  const directory = paths.at(options.file === undefined ? DIRECTORY : dirname(options.file));
  const files = options.file === undefined ? USUAL_FILES : [basename(options.file)];
  const keeper = createHealthKeeper({ name: "libvirtd-log", clock });
  const isWorthTelling = (record: LibvirtdRecord) =>
    record.level !== "debug" || (options.worthTelling?.(record.text) ?? false);
  let stored: ResumePoints = new Map();
  let cursor: string | undefined;
  let journal: JournalReader | undefined;
  let stopped = false;
  let takeBackQuiet = () => {};

  const logs = createFollowedLogs<LibvirtdLogParser>({
    source: "libvirtd-log",
    key: "libvirtd-log",
    directory,
    clock,
    bootId: options.bootId,
    since,
    maxBacklogBytes: options.maxBacklogBytes,
    keeper,
    makeParser: (name) => createLibvirtdLogParser({ fileName: name }),
    line(log, line) {
      const complete = log.parser.line(line.text, line.offset, clock.now());
      if (complete !== undefined && isWorthTelling(complete)) logs.tell(log, complete, line.positionBefore());
    },
    ended: (log) => flush(log, undefined),
  });
  const loop = createDrainLoop(work);
  const watch = createDirectoryWatch({
    directory,
    clock,
    accept: (name) => files.includes(name),
    onWake: loop.wake,
  });

  async function work(): Promise<void> {
    takeBackQuiet();
    for (const name of files) {
      if (stopped) return;
      await logs.drain(name);
    }
    if (logs.all().some((log) => log.parser.pending())) waitForQuiet();
    await chooseWay();
    tellState();
  }

  function flush(log: FollowedLog<LibvirtdLogParser>, position: FilePosition | undefined): void {
    const complete = log.parser.flush();
    if (complete !== undefined && isWorthTelling(complete)) logs.tell(log, complete, position);
  }

  function waitForQuiet(): void {
    takeBackQuiet();
    takeBackQuiet = clock.after(QUIET_MS, () => {
      for (const log of logs.all()) flush(log, log.follower.position());
    });
  }

  /** A file counts if it is written in this boot: one left over from years ago must not hide the journal. */
  function fileInUse(): boolean {
    return files.some((name) => {
      const file = lookAt(join(directory, name));
      return file.state === "read" && (since === undefined || file.value.mtimeMs >= since);
    });
  }

  async function chooseWay(): Promise<void> {
    const wanted = journalIsThere(paths) && !fileInUse();
    if (!wanted && journal !== undefined) {
      const ending = journal;
      journal = undefined;
      await ending.stop();
    } else if (wanted && journal === undefined && !stopped) {
      journal = createJournalReader({
        clock,
        journalctl: options.journalctl ?? ["journalctl"],
        cursor: cursor ?? stored.get(CURSOR_KEY),
        tell: (record, at) => {
          cursor = at;
          if (isWorthTelling(record)) logs.give({ ...record, resume: { key: CURSOR_KEY, value: at } });
        },
        skipped: keeper.skipped,
        lost: (detail) => logs.tellGap(detail),
        changed: tellState,
      });
      await journal.start();
    }
  }

  function tellState(): void {
    if (stopped) return;
    if (journal !== undefined) {
      const problem = journal.problem();
      const detail = "following the systemd journal of libvirtd and virtqemud";
      if (problem === undefined) keeper.become({ state: "live", detail });
      else keeper.become({ state: "waiting", why: problem, remedy: "make journalctl work for root" });
      return;
    }
    const all = logs.all();
    const problems = problemsOf(all);
    if (problems.length === all.length) {
      const nothing = problems.length === 0;
      keeper.become({
        state: "waiting",
        why: nothing
          ? `neither a log of libvirtd in ${directory} nor a systemd journal`
          : `in ${directory}: ${problems.join("; ")}`,
        remedy: nothing
          ? 'set log_outputs="3:file:/var/log/libvirt/libvirtd.log" in libvirtd.conf'
          : "run vfio-watch as root",
      });
      return;
    }
    const names = all.map(({ name }) => name).join(" and ");
    keeper.become(liveState([`following ${names} in ${directory}`, ...problems, describeWatch(watch)]));
  }

  return {
    name: "libvirtd-log",
    async start(to, resume) {
      stored = resume;
      logs.open(to, resume);
      await watch.start();
      await loop.run();
      logs.becomeLive();
    },
    async stop() {
      stopped = true;
      takeBackQuiet();
      logs.close();
      await Promise.all([watch.stop(), journal?.stop()]);
      await loop.idle();
      takeBackQuiet();
      keeper.become({ state: "stopped" });
    },
    health: keeper.health,
  };
}
