import { closeSync, constants, openSync, readSync } from "node:fs";
import type { Clock } from "../../clock.ts";
import type { HostPaths } from "../../host-paths.ts";
import { type Child, startChild } from "./child.ts";

/** The device as the follower needs it; tests bring their own. */
export interface KmsgDevice {
  /** Opens it at its oldest record. Throws what `open` throws. */
  open(): KmsgHandle;
  /** Starts to deliver everything from the oldest record on, and what follows, until stopped. */
  follow(events: FollowEvents): Child;
}

export interface KmsgHandle {
  /**
   * Reads the next records into `buffer`, whole ones only; returns the number of bytes, 0 when there is nothing
   * more now. What was overwritten meanwhile is passed over (the sequence numbers show it). Throws what `read`
   * throws otherwise.
   */
  read(buffer: Buffer): number;
  close(): void;
}

export interface FollowEvents {
  /** `complete`: the bytes end with a whole record and its dictionary. */
  readonly bytes: (bytes: Buffer, complete: boolean) => void;
  /** It came to an end by itself; `why` in words. */
  readonly ended: (why: string) => void;
}

/** One read gives one record; into a smaller buffer it fails with the record already consumed. */
const RECORD_LIMIT = 8192;
/** Node reads a pipe in pieces of this size. */
const PIPE_READ = 65_536;

/** The kernel's own `/dev/kmsg` below `paths`. */
export function createKmsgDevice(options: { readonly paths: HostPaths; readonly clock: Clock }): KmsgDevice {
  const path = options.paths.at("/dev/kmsg");
  return {
    open: () => openDevice(path),
    follow(events) {
      let chunks = 0;
      return startChild({
        // Node can neither poll this device nor take back a pending read. dd writes each record as it reads it
        // and, unlike cat, goes on after an overrun.
        command: ["dd", `if=${path}`, `bs=${RECORD_LIMIT}`, "conv=noerror"],
        clock: options.clock,
        bytes(chunk) {
          const mine = ++chunks;
          // dd writes a record in one piece, so only a full read can have cut one.
          const complete = chunk.length < PIPE_READ;
          events.bytes(chunk, complete);
          if (complete) return;
          setImmediate(() => {
            if (mine === chunks) events.bytes(Buffer.alloc(0), true);
          });
        },
        ended: (_code, why) => events.ended(why),
      });
    },
  };
}

function openDevice(path: string): KmsgHandle {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  return {
    read(buffer) {
      let length = 0;
      while (buffer.length - length >= RECORD_LIMIT) {
        try {
          const count = readSync(descriptor, buffer, length, RECORD_LIMIT, null);
          if (count === 0) break;
          length += count;
        } catch (error) {
          const code = (error as NodeJS.ErrnoException).code;
          if (code === "EAGAIN") break;
          // EPIPE: overwritten, and moved to the oldest that is left. EINVAL: a record too big for any buffer,
          // consumed all the same. Both leave a hole in the sequence, which is where they are counted.
          if (code !== "EPIPE" && code !== "EINVAL" && code !== "EINTR") throw error;
        }
      }
      return length;
    },
    close: () => closeSync(descriptor),
  };
}
