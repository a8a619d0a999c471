import type { BootId } from "../../model/identifiers.ts";
import type { Gap, KernelRecord } from "../../model/observation.ts";
import { bounded } from "./escaping.ts";
import { KERNEL_LOG_KEY, type KernelLogPosition } from "./position.ts";
import { deviceOf, type KmsgRecord, pciDevice, textOf } from "./record-parser.ts";

/** Judges a text before an observation is made of it: false for what no one will ever ask about. */
export type TextFilter = (text: string) => boolean;

/**
 * Judges an ASCII text that still stands in `bytes`, from `from` up to `to`: true where it is certain that the text
 * filter would say no. Ordinary lines, nearly all there are, then need no string.
 */
export type OrdinaryFilter = (bytes: Uint8Array, from: number, to: number) => boolean;

/** Turns the records of one boot into observations: each once, and every one that is missing counted. */
export interface RecordTeller {
  /** Takes a record as the parser gives it. Records that were told before are passed over by their sequence. */
  take(record: KmsgRecord): void;
  /** The bytes of the records taken so far go; to be called by the parser. */
  leave(): void;
  /** How far it has come; undefined before the first record where nothing was stored for this boot. */
  position(): KernelLogPosition | undefined;
  /** Records taken so far, of every facility. */
  taken(): number;
}

const NO_BYTES = Buffer.alloc(0);
const GAP_DETAIL = "overwritten in the kernel's buffer before they could be read";
const FIRST_GAP_DETAIL = "overwritten in the kernel's buffer before this boot's log was first read";

/**
 * Makes a teller for the boot `bootId`.
 *
 * - `position`: where it was left in this boot; records up to there are passed over.
 * - `timeOf`: gives the time of a record from its time stamp.
 * - `worthTelling`: see `TextFilter`; without it every record of the kernel becomes an observation.
 * - `isOrdinary`: see `OrdinaryFilter`; must agree with `worthTelling`.
 * - `seen`: is called for each record of any facility, before anything is judged.
 */
export function createRecordTeller(options: {
  readonly bootId: BootId;
  readonly position?: KernelLogPosition | undefined;
  readonly timeOf: (monotonicUs: number) => { readonly at: number; readonly exactTime: boolean };
  readonly tell: (observation: KernelRecord | Gap) => void;
  readonly worthTelling?: TextFilter | undefined;
  readonly isOrdinary?: OrdinaryFilter | undefined;
  readonly seen?: ((record: KmsgRecord) => void) | undefined;
}): RecordTeller {
  const { bootId, timeOf, tell, worthTelling, isOrdinary, seen } = options;
  const stored = options.position?.bootId === bootId ? options.position : undefined;
  // A position from the journal or a file has no sequence: what was told there is known by its time stamp.
  const toldUntilUs = stored !== undefined && stored.sequence === undefined ? (stored.monotonicUs ?? -1) : -1;
  const hasStoredSequence = stored?.sequence !== undefined;
  let sequence = stored?.sequence ?? -1;
  let monotonicUs = stored?.monotonicUs ?? 0;
  let taken = 0;
  /** The newest line of the kernel, for what may continue it; undefined while it stands in the bytes of `last`. */
  let lastText: string | undefined = "";
  let lastCaller = "";
  const last: Pick<KmsgRecord, "bytes" | "textAt" | "textEnd" | "isPlain"> = {
    bytes: NO_BYTES,
    textAt: 0,
    textEnd: 0,
    isPlain: true,
  };

  const resumeAt = (at: number, us: number) => ({
    key: KERNEL_LOG_KEY,
    // By hand, because this is done for each record of a flood; the same as `resumePoint` makes.
    value: `{"bootId":"${bootId}","sequence":${at},"monotonicUs":${us}}`,
  });

  function tellGap(record: KmsgRecord): void {
    const first = sequence + 1;
    const lost = record.sequence - first;
    const fromStart = sequence < 0 && !hasStoredSequence;
    tell({
      kind: "gap",
      source: "kernel-log",
      ...timeOf(record.monotonicUs),
      exactTime: false,
      bootId,
      monotonicUs: record.monotonicUs,
      identity: `${bootId}:gap:${first}`,
      resume: resumeAt(record.sequence - 1, monotonicUs),
      lost,
      detail: `kernel log: ${lost} ${lost === 1 ? "record" : "records"} ${fromStart ? FIRST_GAP_DETAIL : GAP_DETAIL}`,
    });
  }

  return {
    take(record) {
      if (record.sequence <= sequence) return;
      taken += 1;
      // What lies before a position without a sequence was read some other way: it is not missing.
      const missing = record.sequence > sequence + 1 && !(sequence < 0 && toldUntilUs >= 0);
      if (missing) tellGap(record);
      sequence = record.sequence;
      // Processors stamp before they queue, so a later record may bear an earlier time.
      monotonicUs = Math.max(monotonicUs, record.monotonicUs);
      seen?.(record);
      // Facility 0 is the kernel; everything above was written by a program and is never evidence.
      if (record.priority > 7) return;
      const continues = record.fragment && record.caller === lastCaller && !missing;
      lastCaller = record.caller;
      // What is only a part of a line cannot be judged alone.
      if (isOrdinary !== undefined && record.isPlain && !continues) {
        if (isOrdinary(record.bytes, record.textAt, record.textEnd)) {
          lastText = undefined;
          last.bytes = record.bytes;
          last.textAt = record.textAt;
          last.textEnd = record.textEnd;
          return;
        }
      }
      const text = continues ? joined(lastText ?? textOf(last), textOf(record)) : textOf(record);
      lastText = text;
      if (toldUntilUs >= 0 && record.monotonicUs <= toldUntilUs) return;
      if (worthTelling !== undefined && !worthTelling(text)) return;
      const device = pciDevice(deviceOf(record));
      const { at, exactTime } = timeOf(record.monotonicUs);
      tell({
        kind: "kernel-record",
        source: "kernel-log",
        at,
        exactTime,
        bootId,
        monotonicUs: record.monotonicUs,
        identity: `${bootId}:${record.sequence}`,
        resume: resumeAt(record.sequence, monotonicUs),
        sequence: record.sequence,
        level: record.priority,
        text,
        ...(device === undefined ? {} : { device }),
      });
    },
    leave() {
      lastText ??= textOf(last);
      last.bytes = NO_BYTES;
    },
    position: () => (sequence < 0 ? stored : { bootId, sequence, monotonicUs }),
    taken: () => taken,
  };
}

/** A fragment is worth little alone, so it is told together with the line that it continues. */
function joined(begin: string, fragment: string): string {
  return begin.endsWith("…") ? begin : bounded(begin + fragment);
}
