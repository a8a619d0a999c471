import { closeSync, type Stats } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import { absent, type Reading, read } from "../model/reading.ts";
import {
  bytesAt,
  endOf,
  type FilePosition,
  failure,
  holds,
  holdsOpen,
  lookAt,
  openFile,
  positionAt,
  REMEMBERED_BYTES,
  rotatedFiles,
} from "./file-position.ts";

export interface FollowedLine {
  /** Without its line end; cut at the follower's bound. */
  readonly text: string;
  /** Where the line begins in its file, in bytes. */
  readonly offset: number;
  /** The line was longer than the bound. */
  readonly cut: boolean;
  /** The positions before and after this line. Only to be called while the line is being handed over. */
  positionBefore(): FilePosition;
  position(): FilePosition;
}

export interface FollowerHandlers {
  line(line: FollowedLine): void;
  /** Too much was waiting: `bytes` were passed over. */
  skipped(gap: { readonly bytes: number; readonly position: FilePosition }): void;
  /**
   * The file holds something else than before and its former content is nowhere to be found. `unread` says
   * whether something written to it may never have been read.
   */
  replaced(event: { readonly unread: boolean; readonly offset: number }): void;
  /** What follows begins at the start of another file. */
  nextFile?(): void;
}

export interface FileFollower {
  /**
   * Reads what was written since the last call, oldest first, through rotation and truncation, and closes the
   * file again. Gives the number of bytes read. One call at a time.
   */
  drain(handlers: FollowerHandlers): Promise<Reading<number>>;
  /** Where the next `drain` goes on; undefined before the first. */
  position(): FilePosition | undefined;
  /** Makes a `drain` under way end soon. */
  stop(): void;
}

export interface FileFollowerOptions {
  readonly path: string;
  readonly position?: FilePosition | undefined;
  /** Without a position: files last written before this time (UTC epoch milliseconds) are not read. */
  readonly since?: number | undefined;
  /** More than this waiting in one file is passed over, but for its end. */
  readonly maxBacklogBytes?: number;
  readonly maxLineBytes?: number;
}

const CHUNK_BYTES = 64 * 1024;
/** Lines are handed over for so long at a time; then what else waits has its turn (ms). */
const TURN_MS = 20;

/** Follows one text file. Nothing stays open between two calls. */
export function createFileFollower(options: FileFollowerOptions): FileFollower {
  const { path, since, maxBacklogBytes = 8 * 1024 * 1024 } = options;
  const maxLineBytes = Math.min(options.maxLineBytes ?? 32 * 1024, CHUNK_BYTES / 2);
  let position = options.position;
  let drainedTo: { readonly inode: number; readonly size: number; readonly mtimeMs: number } | undefined;
  let stopped = false;

  function plan(current: Stats | undefined, handlers: FollowerHandlers): string[] {
    const here = current === undefined ? [] : [path];
    if (position === undefined) {
      if (current === undefined) return [];
      if (since !== undefined && current.mtimeMs < since) {
        position = endOf(path);
        return here;
      }
      const older = rotatedFiles(path).filter((file) => since === undefined || file.mtimeMs >= since);
      return [...older.map((file) => file.path).reverse(), path];
    }
    if (current !== undefined && holds(path, position)) return here;
    const rotated = rotatedFiles(path);
    const index = rotated.findIndex((file) => position !== undefined && holds(file.path, position));
    if (index >= 0) {
      const unread = rotated.slice(0, index + 1).map((file) => file.path);
      return [...unread.reverse(), ...here];
    }
    if (current !== undefined) {
      const complete = drainedTo !== undefined && drainedTo.size === position.offset;
      handlers.replaced({ unread: !complete, offset: position.offset });
      handlers.nextFile?.();
      position = undefined;
    }
    return here;
  }

  async function readFile(file: string, last: boolean, handlers: FollowerHandlers): Promise<Reading<number>> {
    const opened = openFile(file);
    if (opened.state !== "read") return opened;
    const { descriptor, stats } = opened.value;
    try {
      // Put aside between the look at its name and the opening: its own event brings us back.
      if (position !== undefined && !holdsOpen(descriptor, stats, position)) return read(0);
      const size = stats.size;
      const head = bytesAt(descriptor, 0, Math.min(REMEMBERED_BYTES, size));
      let offset = position?.offset ?? 0;
      let skipping = position?.skipping ?? false;
      let bytesRead = 0;
      let turnEnds = performance.now() + TURN_MS;
      if (size - offset > maxBacklogBytes) {
        const bytes = size - maxBacklogBytes - offset;
        offset += bytes;
        skipping = true;
        const before = bytesAt(descriptor, offset - REMEMBERED_BYTES, REMEMBERED_BYTES);
        handlers.skipped({ bytes, position: positionAt(stats, offset, { head, before }, true) });
      }
      while (!stopped) {
        const context = Math.min(REMEMBERED_BYTES, offset);
        const chunk = bytesAt(descriptor, offset - context, context + Math.min(CHUNK_BYTES, size - offset));
        bytesRead += Math.max(0, chunk.length - context);
        const base = offset - context;
        const atEnd = base + chunk.length >= size;
        const positionIn = (index: number, inLine: boolean) => {
          const before = chunk.subarray(Math.max(0, index - REMEMBERED_BYTES), index);
          return positionAt(stats, base + index, { head, before }, inLine);
        };
        const emit = (from: number, to: number, next: number, inLine: boolean) => {
          const cut = to - from > maxLineBytes || inLine;
          const text = lineText(chunk, from, Math.min(to, from + maxLineBytes));
          handlers.line({
            text,
            offset: base + from,
            cut,
            positionBefore: () => positionIn(from, false),
            position: () => positionIn(next, inLine),
          });
        };
        let index = context;
        for (let end = chunk.indexOf(10, index); end >= 0 && !stopped; end = chunk.indexOf(10, index)) {
          if (!skipping) emit(index, end, end + 1, false);
          skipping = false;
          index = end + 1;
          if (performance.now() < turnEnds) continue;
          await nextTurn();
          turnEnds = performance.now() + TURN_MS;
        }
        if (stopped) return read(bytesRead);
        const rest = chunk.length - index;
        if (rest > maxLineBytes && !skipping) {
          emit(index, chunk.length, chunk.length, true);
          skipping = true;
        } else if (rest > 0 && atEnd && !last && !skipping) {
          // Nobody will finish this line any more: its file has been put aside.
          emit(index, chunk.length, chunk.length, false);
          index = chunk.length;
        }
        if (skipping) index = chunk.length;
        offset = base + index;
        position = positionIn(index, skipping);
        if (atEnd || chunk.length <= context) break;
        await nextTurn();
        turnEnds = performance.now() + TURN_MS;
      }
      if (last) drainedTo = { inode: stats.ino, size, mtimeMs: stats.mtimeMs };
      return read(bytesRead);
    } catch (error) {
      return failure(error);
    } finally {
      closeSync(descriptor);
    }
  }

  return {
    async drain(handlers) {
      const current = lookAt(path);
      if (current.state === "unreadable") return current;
      const stats = current.state === "read" ? current.value : undefined;
      if (
        stats !== undefined &&
        stats.ino === drainedTo?.inode &&
        stats.size === drainedTo.size &&
        stats.mtimeMs === drainedTo.mtimeMs
      ) {
        return read(0);
      }
      const files = plan(stats, handlers);
      if (files.length === 0) return absent;
      let total = 0;
      for (const [index, file] of files.entries()) {
        if (index > 0) {
          position = undefined;
          handlers.nextFile?.();
        }
        const result = await readFile(file, file === path, handlers);
        if (result.state === "unreadable") return result;
        if (result.state === "read") total += result.value;
        if (stopped) break;
      }
      return read(total);
    },
    position: () => position,
    stop() {
      stopped = true;
    },
  };
}

function lineText(chunk: Buffer, from: number, to: number): string {
  return chunk.toString("utf8", from, to > from && chunk[to - 1] === 13 ? to - 1 : to);
}
