import { basename, dirname, join } from "node:path";
import type { Clock } from "../clock.ts";
import type { HostPaths } from "../host-paths.ts";
import type { BootId } from "../model/identifiers.ts";
import type { LibvirtdRecord, Observation, ResumePoint } from "../model/observation.ts";
import type { ObservationSink, Source } from "../model/source.ts";
import { createDirectoryWatch, describeWatch } from "./directory-watch.ts";
import { createDrainLoop } from "./drain-loop.ts";
import { createFileFollower, type FileFollower, type FollowedLine } from "./file-follower.ts";
import { type FilePosition, lookAt, readPosition } from "./file-position.ts";
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

interface FollowedLog {
  readonly follower: FileFollower;
  readonly parser: LibvirtdLogParser;
  readonly fresh: boolean;
  readonly sameBoot: boolean;
  problem: string | undefined;
}

const DIRECTORY = "/var/log/libvirt";
const USUAL_FILES = ["libvirtd.log", "virtqemud.log"];
const CURSOR_KEY = "libvirtd-log:journal";
/** Milliseconds without another line after which a record is taken to be whole. */
const QUIET_MS = 100;

/** libvirtd's (virtqemud's) own log: its file where one is written, else the systemd journal. */
export function createLibvirtdLogSource(options: LibvirtdLogOptions): Source {
  const { clock, bootId, since, paths } = options;
  const directory = paths.at(options.file === undefined ? DIRECTORY : dirname(options.file));
  const files = options.file === undefined ? USUAL_FILES : [basename(options.file)];
  const keeper = createHealthKeeper({ name: "libvirtd-log", clock });
  const logs = new Map<string, FollowedLog>();
  let sink: ObservationSink = () => {};
  let stored: ReadonlyMap<string, string> = new Map();
  let cursor: string | undefined;
  let journal: JournalReader | undefined;
  let stopped = false;
  let live = false;
  let takeBackQuiet = () => {};

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
      await drain(name);
    }
    if ([...logs.values()].some((log) => log.parser.pending())) waitForQuiet();
    await chooseWay();
    tellState();
  }

  async function drain(name: string): Promise<void> {
    const log = logs.get(name) ?? openLog(name);
    const result = await log.follower.drain({
      line: (line) => takeLine(name, log, line),
      skipped: ({ bytes, position }) =>
        tellGap(`${bytes} bytes in the middle of ${name} passed over`, resumeAt(name, position)),
      replaced: ({ unread, offset }) => {
        if (unread && log.sameBoot) tellGap(`${name} was replaced; what came after byte ${offset} is lost`);
      },
      nextFile: () => flush(name, log, undefined),
    });
    if (result.state === "absent") {
      flush(name, log, undefined);
      logs.delete(name);
    } else log.problem = result.state === "unreadable" ? result.why : undefined;
  }

  function openLog(name: string): FollowedLog {
    const resume = readResume(stored.get(fileKey(name)));
    const log: FollowedLog = {
      follower: createFileFollower({
        path: join(directory, name),
        position: resume?.position,
        since: live ? undefined : since,
        ...(options.maxBacklogBytes === undefined ? {} : { maxBacklogBytes: options.maxBacklogBytes }),
      }),
      parser: createLibvirtdLogParser({ fileName: name }),
      fresh: resume === undefined,
      sameBoot: resume === undefined || resume.boot === bootId,
      problem: undefined,
    };
    logs.set(name, log);
    return log;
  }

  function takeLine(name: string, log: FollowedLog, line: FollowedLine): void {
    if (line.cut) keeper.skipped(1);
    const complete = log.parser.line(line.text, line.offset, clock.now());
    if (complete !== undefined) tellRecord(name, log, complete, line.positionBefore());
  }

  function flush(name: string, log: FollowedLog, position: FilePosition | undefined): void {
    const complete = log.parser.flush();
    if (complete !== undefined) tellRecord(name, log, complete, position);
  }

  function waitForQuiet(): void {
    takeBackQuiet();
    takeBackQuiet = clock.after(QUIET_MS, () => {
      for (const [name, log] of logs) flush(name, log, log.follower.position());
    });
  }

  function tellRecord(
    name: string,
    log: FollowedLog,
    record: LibvirtdRecord,
    position: FilePosition | undefined,
  ): void {
    if (log.fresh && !live && since !== undefined && record.at < since) return;
    if (record.level === "debug" && !(options.worthTelling?.(record.text) ?? false)) return;
    const thisBoot = live || (since !== undefined && record.at >= since);
    give({
      ...record,
      ...(thisBoot ? { bootId } : {}),
      ...(position === undefined ? {} : { resume: resumeAt(name, position) }),
    });
  }

  function resumeAt(name: string, position: FilePosition): ResumePoint {
    return { key: fileKey(name), value: JSON.stringify({ boot: bootId, position }) };
  }

  function tellGap(detail: string, resume?: ResumePoint): void {
    give({
      kind: "gap",
      source: "libvirtd-log",
      at: clock.now(),
      exactTime: false,
      bootId,
      identity: `gap:${bootId}:${clock.now()}:${detail}`,
      lost: undefined,
      detail,
      ...(resume === undefined ? {} : { resume }),
    });
  }

  function give(observation: Observation): void {
    if (stopped) return;
    keeper.observed(observation.at);
    sink(observation);
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
          if (record.level === "debug" && !(options.worthTelling?.(record.text) ?? false)) return;
          give({ ...record, resume: { key: CURSOR_KEY, value: at } });
        },
        skipped: keeper.skipped,
        lost: tellGap,
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
    const problems = [...logs].filter(([, log]) => log.problem !== undefined);
    if (logs.size === 0 || problems.length === logs.size) {
      const why = problems.map(([name, log]) => `${join(directory, name)}: ${log.problem}`).join("; ");
      const remedy = 'set log_outputs="3:file:/var/log/libvirt/libvirtd.log" in libvirtd.conf';
      keeper.become({
        state: "waiting",
        why: why || `neither a log of libvirtd in ${directory} nor a systemd journal`,
        remedy: why ? "run vfio-watch as root" : remedy,
      });
      return;
    }
    const detail = [`following ${[...logs.keys()].join(" and ")} in ${directory}`, describeWatch(watch)];
    keeper.become({ state: "live", detail: detail.filter((part) => part !== "").join("; ") });
  }

  return {
    name: "libvirtd-log",
    async start(to, resume) {
      sink = to;
      stored = resume;
      await watch.start();
      await loop.run();
      live = true;
    },
    async stop() {
      stopped = true;
      takeBackQuiet();
      for (const log of logs.values()) log.follower.stop();
      await Promise.all([watch.stop(), journal?.stop()]);
      await loop.idle();
      takeBackQuiet();
      keeper.become({ state: "stopped" });
    },
    health: keeper.health,
  };
}

function fileKey(name: string): string {
  return `libvirtd-log:${name}`;
}

function readResume(
  value: string | undefined,
): { readonly position: FilePosition; readonly boot: unknown } | undefined {
  try {
    const stored = JSON.parse(value ?? "null") as Record<string, unknown> | null;
    const position = readPosition(stored?.position);
    return position === undefined ? undefined : { position, boot: stored?.boot };
  } catch {
    return undefined;
  }
}
