import { wallTime } from "../../host/boot-identity.ts";
import type { BootId } from "../../model/identifiers.ts";
import type { Gap, KernelRecord } from "../../model/observation.ts";
import { createKmsgParser } from "./record-parser.ts";
import { createRecordTeller, type OrdinaryFilter, type TextFilter } from "./record-teller.ts";

const STEP = 64 * 1024;

/** What a recording held, told or not. */
export interface RecordedKernelLogSummary {
  /** Records of every facility. */
  readonly records: number;
  /** Lines that are no records. */
  readonly skipped: number;
}

/**
 * Gives the observations of a recorded kernel log (the bytes of `cat /dev/kmsg`), the very same that the live
 * source would have made.
 *
 * - `bootId`: the boot that was recorded.
 * - `bootWallMs`: the UTC epoch milliseconds that the kernel's time stamp 0 stands for.
 * - `worthTelling`, `isOrdinary`: see `TextFilter` and `OrdinaryFilter`.
 */
export function* readRecordedKernelLog(
  bytes: Uint8Array,
  options: {
    readonly bootId: BootId;
    readonly bootWallMs: number;
    readonly worthTelling?: TextFilter;
    readonly isOrdinary?: OrdinaryFilter;
  },
): Generator<KernelRecord | Gap, RecordedKernelLogSummary> {
  const { bootId, bootWallMs, worthTelling, isOrdinary } = options;
  let told: (KernelRecord | Gap)[] = [];
  let skipped = 0;
  const teller = createRecordTeller({
    bootId,
    timeOf: (monotonicUs) => ({ at: wallTime(monotonicUs, bootWallMs), exactTime: true }),
    tell: (observation) => told.push(observation),
    worthTelling,
    isOrdinary,
  });
  const parser = createKmsgParser({
    told: teller.take,
    leaving: teller.leave,
    unreadable: () => {
      skipped += 1;
    },
  });
  for (let at = 0; at < bytes.length; at += STEP) {
    const length = Math.min(STEP, bytes.length - at);
    parser.push(Buffer.from(bytes.buffer, bytes.byteOffset + at, length));
    const ready = told;
    told = [];
    yield* ready;
  }
  parser.flush();
  yield* told;
  return { records: teller.taken(), skipped };
}
