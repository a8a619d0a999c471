import type { BootId } from "../model/identifiers.ts";
import { idOfLoggedBoot, idOfPartialBoot, isIdOfLoggedBoot } from "./content-identity.ts";
import type { PastBoot } from "./past-boot.ts";

/** A boot that is known already: stored, or found in this import before. */
export interface KnownBoot {
  readonly id: BootId;
  readonly startedAt: number;
  readonly lastSeenAt: number;
  readonly bios: string | undefined;
  readonly kernelRelease: string | undefined;
}

/** Copies of a log show the same stamp, but for what rounding does (ms). */
const SAME_STAMP = 2_000;
/** A log daemon's first stamp is later than the kernel's start by how long it took to come up (ms). */
const LOG_DAEMON_LATE = 180_000;
/** The clock may be set a little on the way (ms). */
const SLACK = 60_000;

/**
 * Says which known boot a past one is; undefined where it is none of them. Boots with another BIOS or kernel are
 * others; else the start decides where both are known, and where it is not, whether both were seen at one time. Where
 * two fit equally, neither is taken.
 */
export function findSameBoot(past: PastBoot, known: readonly KnownBoot[]): KnownBoot | undefined {
  const wanted = past.id ?? derivedId(past);
  const exact = known.find((boot) => boot.id === wanted);
  if (exact !== undefined) return exact;
  const possible = known.filter((boot) => !contradicts(past, boot));
  const { startedAt } = past;
  if (startedAt === undefined) {
    const together = possible.filter(
      (boot) => past.firstSeenAt <= boot.lastSeenAt && past.lastSeenAt >= boot.startedAt,
    );
    // Nearly together counts only at the beginning: what ended just before a boot was of another.
    const nearly = possible.filter(
      (boot) => past.firstSeenAt >= boot.startedAt - SLACK && past.firstSeenAt <= boot.lastSeenAt + SLACK,
    );
    const [only, ...others] = together.length > 0 ? together : nearly;
    return others.length === 0 ? only : undefined;
  }
  const near = possible
    .map((boot) => ({ boot, distance: Math.abs(boot.startedAt - startedAt) }))
    .filter(({ boot, distance }) => distance <= toleranceOf(past, boot))
    .sort((a, b) => a.distance - b.distance);
  const [first, second] = near;
  return first !== undefined && first.distance === second?.distance ? undefined : first?.boot;
}

/** The id of a boot that nobody knows yet: the kernel's own, else one made of what the material shows. */
export function idOf(past: PastBoot): BootId {
  return past.id ?? derivedId(past);
}

function derivedId(past: PastBoot): BootId {
  return past.precision === "log" && past.startedAt !== undefined
    ? idOfLoggedBoot(past.startedAt, past.kernelRelease)
    : idOfPartialBoot(past.startedAt ?? past.firstSeenAt, past.bios);
}

function contradicts(past: PastBoot, boot: KnownBoot): boolean {
  if (past.id !== undefined && isKernelId(boot.id)) return true;
  return differs(past.bios, boot.bios) || differs(past.kernelRelease, boot.kernelRelease);
}

function differs(a: string | undefined, b: string | undefined): boolean {
  return a !== undefined && b !== undefined && a !== b;
}

function isKernelId(id: BootId): boolean {
  return /^[0-9a-f]{8}-/.test(id);
}

function toleranceOf(past: PastBoot, boot: KnownBoot): number {
  return past.precision === "log" && isIdOfLoggedBoot(boot.id) ? SAME_STAMP : LOG_DAEMON_LATE;
}
