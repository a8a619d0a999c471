import { readFileSync } from "node:fs";
import type { Clock } from "../clock.ts";
import type { HostPaths } from "../host-paths.ts";
import { type BootId, bootId } from "../model/identifiers.ts";
import { absent, mapReading, type Reading, read, unreadable } from "../model/reading.ts";

/** Which boot this is, and how its clock relates to the world's. */
export interface BootIdentity {
  readonly bootId: Reading<BootId>;
  /** When the machine booted: UTC epoch milliseconds, good to about 10 ms (the resolution of `/proc/uptime`). */
  readonly bootedAt: Reading<number>;
  /**
   * The UTC epoch milliseconds that the kernel's time stamp 0 stands for in records written now. Later than
   * `bootedAt` by the time that the machine was suspended, because the kernel log's clock stands still then.
   */
  readonly monotonicZero: Reading<number>;
}

const BOOT_ID_FORM = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * Reads the identity of the running boot.
 *
 * `monotonicNow` gives CLOCK_MONOTONIC in milliseconds; it is compared with `/proc/uptime` (CLOCK_BOOTTIME) to
 * find the time spent suspended. By default that is this machine's clock where `paths` is this machine, and
 * none for a recorded tree.
 */
export function readBootIdentity(options: {
  readonly paths: HostPaths;
  readonly clock: Clock;
  readonly monotonicNow?: () => number;
}): BootIdentity {
  const { paths, clock } = options;
  const monotonicNow =
    options.monotonicNow ?? (paths.root === "/" ? () => Number(process.hrtime.bigint()) / 1e6 : undefined);
  const uptime = readUptime(paths);
  const now = clock.now();
  const monotonic = monotonicNow?.();
  return {
    bootId: readBootId(paths),
    bootedAt: mapReading(uptime, (up) => now - up),
    monotonicZero: mapReading(uptime, (up) => {
      // A time name space may shift the two clocks apart; only "uptime is ahead" can mean suspension.
      const elapsed = monotonic === undefined ? up : Math.min(up, monotonic);
      return up - elapsed < 1000 ? now - up : now - elapsed;
    }),
  };
}

/** The kernel's boot id from `/proc/sys/kernel/random/boot_id`. */
export function readBootId(paths: HostPaths): Reading<BootId> {
  const path = "/proc/sys/kernel/random/boot_id";
  const text = readProc(paths, path);
  if (text.state !== "read") return text;
  const id = text.value.trim().toLowerCase();
  return BOOT_ID_FORM.test(id) ? read(bootId(id)) : unreadable(`${path} does not hold a boot id`);
}

/** Turns the kernel's time stamp (microseconds) into UTC epoch milliseconds, given what its zero stands for. */
export function wallTime(monotonicUs: number, monotonicZero: number): number {
  return Math.round(monotonicZero + monotonicUs / 1000);
}

/** Milliseconds since boot, suspension included. */
function readUptime(paths: HostPaths): Reading<number> {
  const text = readProc(paths, "/proc/uptime");
  if (text.state !== "read") return text;
  const seconds = /^(\d+(?:\.\d+)?)\s/.exec(text.value)?.[1];
  return seconds === undefined
    ? unreadable("/proc/uptime does not begin with a number of seconds")
    : read(Number(seconds) * 1000);
}

function readProc(paths: HostPaths, path: string): Reading<string> {
  try {
    return read(readFileSync(paths.at(path), "latin1"));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    return code === "ENOENT" ? absent : unreadable(`${path} cannot be read (${code ?? String(error)})`);
  }
}
