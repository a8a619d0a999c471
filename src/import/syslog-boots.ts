import { parseBdf } from "../model/identifiers.ts";
import type { Observation } from "../model/observation.ts";
import { bounded } from "../sources/kernel-log/escaping.ts";
import { vmNamedIn } from "../sources/libvirtd-log-parser.ts";
import { createContentIdentities } from "./content-identity.ts";
import { TELLING_LINE } from "./known-host.ts";
import { COST_OF_A_RECORD, counted, IMPORT_LIMITS, type ImportLimits } from "./limits.ts";
import { type PastObservation, TEXT_LIMIT } from "./past-boot.ts";
import { type LineStamp, type LogLine, parseLogLine, unfoldRepeats } from "./syslog-lines.ts";
import type { WallClock, WallTime } from "./wall-clock.ts";

/** A boot, or a piece of one, in the files of a syslog daemon. */
export interface SyslogBoot {
  /** The kernel's first line is there. */
  readonly startSeen: boolean;
  /** UTC epoch milliseconds. */
  readonly firstAt: number;
  readonly lastAt: number;
  readonly endedCleanly: boolean;
  /** Kernel texts that tell of the host, in order. */
  readonly kernelLines: readonly string[];
  readonly observations: readonly PastObservation[];
}

/** Takes the lines of one or more files, the oldest first, and cuts them into boots. */
export interface SyslogReader {
  line(text: string): void;
  /** Whether any line was one of a syslog daemon's. */
  readonly understood: () => number;
  finish(): {
    readonly boots: readonly SyslogBoot[];
    readonly yearsInferred: boolean;
    /** What there was more of than is kept, in sentences. */
    readonly leftOut: readonly string[];
  };
}

/** The kernel's first line, which no other of its lines begins like. */
const FIRST_LINE = /^Linux version \d/;
const KERNEL_STAMP = /^\[ {0,8}(\d{1,9})\.(\d{6})\] ?/;
const LIBVIRT_DAEMONS = new Set(["libvirtd", "virtqemud"]);
const LOG_DAEMONS = /^(?:r?syslogd|syslog-ng|systemd-journald)$/;
/** Words with which a shutdown ends; a log daemon is also restarted at other times, so only at a boot's end. */
const LAST_WORDS =
  /exiting on signal 15|^shutting down for system (?:reboot|halt)|^reboot: (?:Restarting system|Power down|System halted)|^Journal stopped/;
const LAST_WORDS_WITHIN = 20;
/** A log daemon starts before it writes what the kernel said until then. */
const START_WITHIN = 50;
/** A clock that is set back by more has not been set back: the year turned. */
const YEAR_TURNED_AFTER = 7 * 86_400;
const DAY = 86_400_000;
const KEPT_IN_A_BOOT = 20_000;
const TELLING_KEPT = 400;
const LEVEL_INFO = 6;

interface RawRecord {
  readonly line: LogLine;
  readonly turn: number;
  times: number;
}

interface RawBoot {
  readonly startSeen: boolean;
  readonly first: { readonly stamp: LineStamp; readonly turn: number };
  last: { readonly stamp: LineStamp; readonly turn: number };
  lines: number;
  lastWordsAt: number;
  daemonStart: { readonly line: number; readonly before: RawBoot["last"] } | undefined;
  followed: boolean;
  readonly telling: string[];
  readonly records: RawRecord[];
  /** What it takes of the room. */
  size: number;
}

/**
 * Makes the reader. `isKnown` says which kernel texts the catalogue knows; the others are passed over. `referenceAt`
 * (UTC epoch milliseconds) is when the newest line was written, at the latest: traditional stamps have no year.
 */
export function createSyslogReader(options: {
  readonly wallClock: WallClock;
  readonly referenceAt: number;
  readonly isKnown: (layer: "kernel" | "libvirt", text: string) => boolean;
  readonly limits?: Pick<ImportLimits, "boots" | "keptText">;
}): SyslogReader {
  const { wallClock, referenceAt, isKnown, limits = IMPORT_LIMITS } = options;
  const boots: RawBoot[] = [];
  let understood = 0;
  let turn = 0;
  let newest: WallTime | undefined;
  let repeatable: RawRecord | undefined;
  let size = 0;
  let droppedBoots = 0;
  let droppedRecords = 0;

  /** The oldest boots go, whole, where there are too many or too much was said in them. */
  function makeRoom(): void {
    while (boots.length > 1 && (boots.length > limits.boots || size > limits.keptText)) {
      const oldest = boots.shift();
      size -= oldest?.size ?? 0;
      droppedBoots += 1;
    }
  }

  function grow(boot: RawBoot, { length }: string): void {
    boot.size += length + COST_OF_A_RECORD;
    size += length + COST_OF_A_RECORD;
  }

  function begin(startSeen: boolean, stamp: LineStamp): RawBoot {
    const mark = { stamp, turn };
    const boot: RawBoot = {
      startSeen,
      first: mark,
      last: mark,
      lines: 0,
      lastWordsAt: Number.NEGATIVE_INFINITY,
      daemonStart: undefined,
      followed: false,
      telling: [],
      records: [],
      size: COST_OF_A_RECORD,
    };
    const before = boots.at(-1);
    if (before !== undefined) {
      before.followed = true;
      const start = before.daemonStart;
      // What the log daemon said of its own start belongs to the boot that follows.
      if (start !== undefined && before.lines - start.line <= START_WITHIN) {
        before.last = start.before;
        before.lines = start.line;
      }
    }
    boots.push(boot);
    size += boot.size;
    makeRoom();
    return boot;
  }

  function take(line: LogLine): void {
    const { stamp, program } = line;
    if (stamp.kind === "yearless") {
      if (newest !== undefined && secondOfYear(stamp.time) < secondOfYear(newest) - YEAR_TURNED_AFTER)
        turn += 1;
      newest = stamp.time;
    }
    const isKernel = program === "kernel";
    const kernelText = isKernel ? line.text.replace(KERNEL_STAMP, "") : "";
    const isFirst = isKernel && FIRST_LINE.test(kernelText);
    const boot = isFirst ? begin(true, stamp) : (boots.at(-1) ?? begin(false, stamp));
    if (LOG_DAEMONS.test(program) && /start/.test(line.text))
      boot.daemonStart = { line: boot.lines, before: boot.last };
    boot.lines += 1;
    boot.last = { stamp, turn };
    if (LAST_WORDS.test(isKernel ? kernelText : line.text)) boot.lastWordsAt = boot.lines;
    repeatable = undefined;
    if (!isKernel && !LIBVIRT_DAEMONS.has(program)) return;
    const { text, times } = unfoldRepeats(isKernel ? kernelText : line.text);
    if (isKernel && boot.telling.length < TELLING_KEPT && TELLING_LINE.test(text)) {
      boot.telling.push(bounded(text));
      grow(boot, line.text);
    }
    if (!isKnown(isKernel ? "kernel" : "libvirt", text)) return;
    if (boot.records.length >= KEPT_IN_A_BOOT || boot.size > limits.keptText / 2) {
      droppedRecords += 1;
      return;
    }
    grow(boot, line.text);
    makeRoom();
    repeatable = { line: { ...line, text: isKernel ? line.text : text }, turn, times };
    boot.records.push(repeatable);
  }

  function finish() {
    // The newest stamp is in the year that does not put it after the reference; each turn before is a year earlier.
    const year = newest === undefined ? 0 : yearOf(newest, referenceAt, wallClock);
    const timeOf = (mark: { readonly stamp: LineStamp; readonly turn: number }): number =>
      mark.stamp.kind === "moment"
        ? mark.stamp.at
        : wallClock.toUtc(year - (turn - mark.turn), mark.stamp.time);
    return {
      boots: boots.map((boot) => finished(boot, timeOf)),
      yearsInferred: newest !== undefined,
      leftOut: leftOut(),
    };
  }

  function leftOut(): readonly string[] {
    const sentences: string[] = [];
    if (droppedBoots > 0)
      sentences.push(
        `It tells of ${counted(droppedBoots + boots.length, "boot")}; the oldest ${counted(droppedBoots, "boot")} left out: of one log at most ${counted(limits.boots, "boot")} and ${counted(limits.keptText, "character")} of what was said in them are kept.`,
      );
    if (droppedRecords > 0)
      sentences.push(
        `${counted(droppedRecords, "known line")} left out: of one boot the first ${counted(KEPT_IN_A_BOOT, "line")} are kept, and of them at most ${counted(limits.keptText / 2, "character")}.`,
      );
    return sentences;
  }

  return {
    line(raw) {
      const line = parseLogLine(raw.endsWith("\r") ? raw.slice(0, -1) : raw);
      if (line === undefined) return;
      understood += 1;
      if ("times" in line) {
        if (repeatable !== undefined) repeatable.times += line.times;
      } else take(line);
    },
    understood: () => understood,
    finish,
  };
}

function finished(boot: RawBoot, timeOf: (mark: RawBoot["last"]) => number): SyslogBoot {
  const identify = createContentIdentities();
  const firstAt = timeOf(boot.first);
  return {
    startSeen: boot.startSeen,
    firstAt,
    lastAt: Math.max(firstAt, timeOf(boot.last)),
    endedCleanly: boot.lines - boot.lastWordsAt <= (boot.followed ? LAST_WORDS_WITHIN : 3),
    kernelLines: boot.telling,
    observations: boot.records.map((record) => ({
      observation: identify(observationOf(record, timeOf({ stamp: record.line.stamp, turn: record.turn }))),
      count: record.times,
    })),
  };
}

function observationOf({ line }: RawRecord, at: number): Observation {
  // A traditional stamp has whole seconds only.
  const exactTime = line.stamp.kind === "moment";
  if (line.program !== "kernel") {
    const text = line.text.slice(0, TEXT_LIMIT).toWellFormed();
    const vm = vmNamedIn(text);
    const base = { source: "libvirtd-log", at, exactTime, identity: "" } as const;
    // The file does not say; libvirt logs warnings and errors unless told otherwise.
    return { kind: "libvirtd-record", ...base, level: "warning", text, ...(vm === undefined ? {} : { vm }) };
  }
  const stamp = KERNEL_STAMP.exec(line.text);
  const { text } = unfoldRepeats(stamp === null ? line.text : line.text.slice(stamp[0].length));
  const device = deviceInFront(text);
  return {
    kind: "kernel-record",
    source: "kernel-log",
    at,
    exactTime,
    identity: "",
    ...(stamp === null ? {} : { monotonicUs: Number(stamp[1]) * 1_000_000 + Number(stamp[2]) }),
    sequence: -1,
    level: LEVEL_INFO,
    text: bounded(text),
    ...(device === undefined ? {} : { device }),
  };
}

/** Log daemons drop the record's `DEVICE=`; the kernel also prints it in front of the text (`vfio-pci 0000:01:00.0: `). */
export function deviceInFront(text: string) {
  return parseBdf(/^\S{1,32} ([0-9a-f]{4,8}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]): /.exec(text)?.[1] ?? "");
}

function secondOfYear({ month, day, hour, minute, second }: WallTime): number {
  return Date.UTC(2000, month, day, hour, minute, second) / 1000;
}

function yearOf(time: WallTime, referenceAt: number, wallClock: WallClock): number {
  const year = new Date(referenceAt).getUTCFullYear();
  for (const candidate of [year + 1, year])
    if (wallClock.toUtc(candidate, time) <= referenceAt + DAY) return candidate;
  return year - 1;
}
