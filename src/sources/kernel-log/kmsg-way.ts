import type { Child } from "./child.ts";
import type { KmsgDevice } from "./kmsg-device.ts";
import { createKmsgParser } from "./record-parser.ts";
import { createRecordTeller } from "./record-teller.ts";
import { createRecordClock } from "./record-time.ts";
import type { KernelLogWay, WayOptions, WayStart } from "./way.ts";

const BUFFER_SIZE = 128 * 1024;
/** A drain hands over to the follower after this many bytes, however fast the kernel writes. */
const DRAIN_LIMIT = 256 * 1024 * 1024;
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
  let delay = FIRST_DELAY;

  const newParser = () =>
    createKmsgParser({ told: teller.take, leaving: teller.leave, unreadable: () => options.skipped(1) });

  /** Reads to the newest record. Throws what the device throws. */
  function drain(): void {
    const handle = device.open();
    try {
      const buffer = Buffer.allocUnsafeSlow(BUFFER_SIZE);
      const parser = newParser();
      let total = 0;
      for (;;) {
        const length = handle.read(buffer);
        if (length === 0) return;
        time.arrived(false);
        parser.push(buffer.subarray(0, length), true);
        total += length;
        if (total > DRAIN_LIMIT) return;
      }
    } finally {
      handle.close();
    }
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
    try {
      drain();
    } catch (error) {
      broken(openFailure(error).why);
      return;
    }
    delay = lived >= LONG_LIFE ? FIRST_DELAY : Math.min(delay * 2, LONGEST_DELAY);
    live(`reading /dev/kmsg now and then: ${why}; trying again in ${delay / 1000} s`);
    takeBackRespawn = clock.after(delay, () => {
      // A child that cannot even start ends at once and comes back here, so each round drains.
      if (!stopped) follow();
    });
  }

  return {
    async start(): Promise<WayStart> {
      try {
        drain();
      } catch (error) {
        return { works: false, ...openFailure(error) };
      }
      follow();
      return { works: true };
    },
    async stop() {
      stopped = true;
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
