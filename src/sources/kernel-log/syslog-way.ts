import { closeSync, type FSWatcher, fstatSync, openSync, readSync, statSync, watch } from "node:fs";
import { valueOr } from "../../model/reading.ts";
import { createLineSplitter, type LineSplitter } from "./line-splitter.ts";
import { type KernelLogPosition, resumePoint } from "./position.ts";
import { parseSyslogLine } from "./syslog-line.ts";
import type { KernelLogWay, WayOptions, WayStart } from "./way.ts";

/** Files in which syslog daemons keep the kernel's lines, best first. */
const FILES = ["/var/log/syslog", "/var/log/messages", "/var/log/kern.log"];
const POLL = 500;
/** A daemon writes in bursts, which are read together (ms). */
const WAKE = 20;
const LINE_LIMIT = 64 * 1024;
/** Of a longer backlog only this much is read, in bytes. */
const BACKLOG_LIMIT = 64 * 1024 * 1024;
/** Stamps of whole seconds, and a clock that is set at boot, may put a line before the boot that wrote it. */
const BOOT_SLACK = 5000;
/** The file does not say; this is what most records are. */
const LEVEL_INFO = 6;

interface OpenFile {
  readonly path: string;
  readonly descriptor: number;
  readonly inode: number;
  /** Where the next read begins. */
  end: number;
  /** Where the next line begins. */
  offset: number;
  readonly splitter: LineSplitter;
}

/**
 * Follows a syslog daemon's file. The last resort: any program may write "kernel:" lines there, nothing tells
 * how many were missed, and `level` is always 6, `sequence` -1.
 */
export function createSyslogWay(options: WayOptions): KernelLogWay {
  const { paths, clock, bootId, tell, skipped, live, broken, worthTelling } = options;
  const stored = options.position?.bootId === bootId ? options.position : undefined;
  const toldUntilUs = stored !== undefined && stored.file === undefined ? (stored.monotonicUs ?? -1) : -1;
  const bootedAt = valueOr(options.bootIdentity().bootedAt, clock.now());
  const buffer = Buffer.allocUnsafeSlow(64 * 1024);
  let position: KernelLogPosition | undefined = stored;
  let file: OpenFile | undefined;
  let stopped = false;
  let takeBackPoll = () => {};
  let watcher: FSWatcher | undefined;

  function open(path: string, offset: number): OpenFile {
    const descriptor = openSync(paths.at(path), "r");
    const opened: OpenFile = {
      path,
      descriptor,
      inode: fstatSync(descriptor).ino,
      end: offset,
      offset,
      splitter: createLineSplitter({
        limit: LINE_LIMIT,
        line: (text, bytes) => take(opened, text, bytes),
        overlong(bytes) {
          opened.offset += bytes;
          skipped(1);
        },
      }),
    };
    return opened;
  }

  function take(from: OpenFile, text: string, bytes: number): void {
    const begin = from.offset;
    from.offset += bytes;
    const line = parseSyslogLine(text, clock.now());
    if (line === undefined) return;
    const { at, monotonicUs } = line;
    if (at < bootedAt - BOOT_SLACK) return;
    position = {
      bootId,
      ...(monotonicUs === undefined ? {} : { monotonicUs }),
      file: { path: from.path, inode: from.inode, offset: from.offset },
    };
    if (monotonicUs !== undefined && monotonicUs <= toldUntilUs) return;
    if (worthTelling !== undefined && !worthTelling(line.text)) return;
    tell({
      kind: "kernel-record",
      source: "kernel-log",
      at,
      exactTime: true,
      bootId,
      ...(monotonicUs === undefined ? {} : { monotonicUs }),
      identity: `${bootId}:${from.path}:${from.inode}:${begin}`,
      resume: resumePoint(position),
      sequence: -1,
      level: LEVEL_INFO,
      text: line.text,
    });
  }

  /** Reads what the open file has, to its end. */
  function readOn(from: OpenFile): void {
    for (;;) {
      const count = readSync(from.descriptor, buffer, 0, buffer.length, from.end);
      if (count === 0 || stopped) return;
      from.end += count;
      from.splitter.push(buffer.subarray(0, count));
    }
  }

  /** Opens `path` where it was left, or at its beginning; reads the rest of a file that was rotated meanwhile. */
  function begin(path: string): OpenFile {
    const left = stored?.file?.path === path ? stored.file : undefined;
    const now = statSync(paths.at(path));
    if (left !== undefined && left.inode === now.ino && left.offset <= now.size)
      return open(path, left.offset);
    if (left !== undefined) readRotated(`${path}.1`, left.inode, left.offset);
    if (now.size <= BACKLOG_LIMIT) return open(path, 0);
    const offset = now.size - BACKLOG_LIMIT;
    tell({
      kind: "gap",
      source: "kernel-log",
      at: clock.now(),
      exactTime: false,
      bootId,
      identity: `${bootId}:gap:${path}:${now.ino}:${offset}`,
      lost: undefined,
      detail: `kernel log: the first ${offset} bytes of ${path} were not read`,
    });
    return open(path, offset);
  }

  function readRotated(path: string, inode: number, offset: number): void {
    try {
      if (statSync(paths.at(path)).ino !== inode) return;
      const rotated = open(path, offset);
      readOn(rotated);
      closeSync(rotated.descriptor);
    } catch {
      // Compressed or removed: what it held is gone.
    }
  }

  function close(): void {
    if (file !== undefined) closeSync(file.descriptor);
    file = undefined;
  }

  /** A start is told of within moments of its last word, and the kernel's must have been read by then. */
  function wakeAtOnce(path: string): void {
    watcher?.close();
    watcher = undefined;
    try {
      watcher = watch(paths.at(path), { persistent: false }, () => {
        takeBackPoll();
        takeBackPoll = clock.after(WAKE, () => poll(path));
      });
      watcher.on("error", () => {});
    } catch {
      // No inotify, or none left: the file is looked at now and then all the same.
    }
  }

  function poll(path: string): void {
    try {
      if (file !== undefined) readOn(file);
      const now = statSync(paths.at(path), { throwIfNoEntry: false });
      const replaced = now !== undefined && (now.ino !== file?.inode || now.size < file.end);
      if (replaced) {
        close();
        file = open(path, 0);
        readOn(file);
        wakeAtOnce(path);
      }
    } catch (error) {
      broken(`${path} cannot be read (${codeOf(error)})`);
      return;
    }
    takeBackPoll = clock.after(POLL, () => poll(path));
  }

  return {
    async start(): Promise<WayStart> {
      const failures: string[] = [];
      for (const path of FILES) {
        try {
          file = begin(path);
          readOn(file);
        } catch (error) {
          failures.push(`${path}: ${codeOf(error)}`);
          close();
          continue;
        }
        live(`following ${path}, where other programs can write kernel lines too`);
        takeBackPoll = clock.after(POLL, () => poll(path));
        wakeAtOnce(path);
        return { works: true };
      }
      return {
        works: false,
        why: `no log file of a syslog daemon can be read (${failures.join(", ")})`,
        remedy: "let a syslog daemon write /var/log/syslog",
      };
    },
    async stop() {
      stopped = true;
      watcher?.close();
      takeBackPoll();
      close();
    },
    position: () => position,
  };
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}
