import type { Child } from "./child.ts";
import type { KmsgDevice, KmsgHandle } from "./kmsg-device.ts";
import { createKmsgParser } from "./record-parser.ts";
import { createRecordTeller } from "./record-teller.ts";
import { createRecordClock } from "./record-time.ts";
import type { KernelLogWay, WayOptions, WayStart } from "./way.ts";

const BUFFER_SIZE = 128 * 1024;
/** A drain hands over to the follower after this many bytes, however fast the kernel writes. */
const DRAIN_LIMIT = 256 * 1024 * 1024;
/** A ring of millions of records is read for so long at a time; then what it told is stored (ms). */
const TURN_MS = 20;
const FIRST_DELAY = 100;
const LONGEST_DELAY = 5000;
/** A child that lived this long, in milliseconds, did its work: the next one may start at once. */
const LONG_LIFE = 30_000;

/**
 * Reads `/dev/kmsg`: drains what is there with reads that never wait, then follows a child process that waits in
 * our place. The child begins at the oldest record as well; what is known is passed over by its sequence, so
 * nothing is lost between the two. When the child ends, drains again and starts another, later each time.
 *
 * `broken` is called when the device can no longer be read at all.
 */
export function createKmsgWay(options: WayOptions & { readonly device: KmsgDevice }): KernelLogWay {
  const { device, clock, bootId, live, broken } = options;
  const time = createRecordClock(options);
  const teller = createRecordTeller({
    bootId,
    position: options.position,
    timeOf: time.timeOf,
    tell: options.tell,
    worthTelling: options.worthTelling,
    isOrdinary: options.isOrdinary,
    seen: options.seen,
  });
  let stopped = false;
  let child: Child | undefined;
  let takeBackRespawn = () => {};
  let endStart = () => {};
  let delay = FIRST_DELAY;

  const newParser = () =>
    createKmsgParser({ told: teller.take, leaving: teller.leave, unreadable: () => options.skipped(1) });

  /**
   * Reads to the newest record, a turn at a time, and calls `done`, with what the device threw if it did; at once where
   * one turn is enough. Nothing is called once it has been stopped.
   */
  function drain(done: (error?: unknown) => void): void {
    let handle: KmsgHandle;
    try {
      handle = device.open();
    } catch (error) {
      done(error);
      return;
    }
    const buffer = Buffer.allocUnsafeSlow(BUFFER_SIZE);
    const parser = newParser();
    let total = 0;
    const turn = () => {
      const since = performance.now();
      let isEnd = false;
      try {
        while (!isEnd && !stopped && performance.now() - since < TURN_MS) {
          const length = handle.read(buffer);
          total += length;
          isEnd = length === 0 || total > DRAIN_LIMIT;
          if (length === 0) break;
          time.arrived(false);
          parser.push(buffer.subarray(0, length), true);
        }
      } catch (error) {
        handle.close();
        done(error);
        return;
      }
      if (!isEnd && !stopped) {
        setImmediate(turn);
        return;
      }
      handle.close();
      if (!stopped) done();
    };
    turn();
  }

  function follow(): void {
    const parser = newParser();
    const began = clock.now();
    child = device.follow({
      bytes(bytes, complete) {
        if (stopped) return;
        time.arrived(true);
        parser.push(bytes, complete);
      },
      ended(why) {
        child = undefined;
        if (!stopped) followAgain(why, clock.now() - began);
      },
    });
    live("following /dev/kmsg");
  }

  function followAgain(why: string, lived: number): void {
    drain((error) => {
      if (error !== undefined) {
        broken(openFailure(error).why);
        return;
      }
      delay = lived >= LONG_LIFE ? FIRST_DELAY : Math.min(delay * 2, LONGEST_DELAY);
      live(`reading /dev/kmsg now and then: ${why}; trying again in ${delay / 1000} s`);
      takeBackRespawn = clock.after(delay, () => {
        // A child that cannot even start ends at once and comes back here, so each round drains.
        if (!stopped) follow();
      });
    });
  }

  return {
    start: () =>
      new Promise<WayStart>((resolve) => {
        endStart = () => resolve({ works: true });
        drain((error) => {
          if (error === undefined) follow();
          resolve(error === undefined ? { works: true } : { works: false, ...openFailure(error) });
        });
      }),
    async stop() {
      stopped = true;
      endStart();
      takeBackRespawn();
      await child?.stop();
    },
    position: teller.position,
  };
}

/** Says why `/dev/kmsg` cannot be read and what to do about it. */
function openFailure(error: unknown): { readonly why: string; readonly remedy: string } {
  const code = (error as NodeJS.ErrnoException).code ?? String(error);
  if (code === "ENOENT" || code === "ENXIO" || code === "ENODEV") {
    return { why: "there is no /dev/kmsg", remedy: "run on the host itself, not in a container" };
  }
  if (code === "EACCES" || code === "EPERM") {
    return {
      why: `/dev/kmsg may not be read (${code})`,
      remedy: "run as root or with CAP_SYSLOG, and without printk.devkmsg=off on the kernel command line",
    };
  }
  return { why: `/dev/kmsg cannot be read (${code})`, remedy: "see dmesg and the permissions of /dev/kmsg" };
}
