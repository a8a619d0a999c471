import type { BootRecord } from "../model/history.ts";
import type { VmName } from "../model/identifiers.ts";
import type { AttemptFilter, AttemptRow, SignatureLookup, StoredAttempt } from "../store/attempt-store.ts";
import { formatMinute } from "../time-words.ts";

/** What finding a moment needs of the stored history; the store has these. */
export interface ReferenceReader {
  readonly attempts: {
    full(number: number, signatures: SignatureLookup): StoredAttempt | undefined;
    list(filter?: AttemptFilter): readonly AttemptRow[];
  };
  readonly boots: { list(): readonly BootRecord[] };
}

/** A moment that a person named. */
export type Moment =
  | { readonly kind: "now"; readonly label: string }
  | {
      readonly kind: "stored";
      readonly snapshotId: string;
      /** e.g. `boot b12 (2026-01-21 11:02 UTC)`, `start #15 of 'Windows 11'`. */
      readonly label: string;
    }
  | { readonly kind: "problem"; readonly why: string };

const NEWEST = 100;
/** Fewer digits of a boot id than this name too many boots. */
const SHORTEST_ID = 4;

/**
 * Finds what `now`, `good`, `b12`, the beginning of a boot id, or `12` / `#12` mean. `vm` is whose good start is meant;
 * without it that of the VM with the newest failed start.
 */
export function findMoment(reader: ReferenceReader, text: string, vm?: VmName): Moment {
  const wanted = text.trim();
  if (wanted === "now") return { kind: "now", label: "now" };
  if (wanted === "good") return lastGoodMoment(reader, vm);
  if (/^#\d{1,9}$/.test(wanted)) return attemptMoment(reader, wanted.slice(1));
  if (/^[1-9]\d{0,8}$/.test(wanted)) {
    // The beginning of a boot id may be all digits; a start of that number is meant first.
    const start = attemptMoment(reader, wanted);
    if (start.kind !== "problem" || wanted.length < SHORTEST_ID || !isBoot(reader, wanted)) return start;
  }
  const ordinal = /^b(\d{1,9})$/.exec(wanted)?.[1];
  const boots = reader.boots.list();
  const found =
    ordinal === undefined
      ? /^[0-9a-f-]{4,36}$/i.test(wanted)
        ? boots.filter(({ id }) => id.startsWith(wanted.toLowerCase()))
        : boots.filter(({ id }) => id === wanted)
      : boots.filter((boot) => boot.ordinal === Number(ordinal));
  const [boot, ...others] = found;
  if (boot === undefined) {
    return {
      kind: "problem",
      why: `'${wanted}' names no boot and no start; use b12, the beginning of a boot id, #12 for a start, good, or now ('vfio-watch boots' and 'starts' list them)`,
    };
  }
  if (others.length > 0) {
    const names = found.slice(0, 4).map(({ ordinal: number }) => `b${number}`);
    return { kind: "problem", why: `'${wanted}' may be ${names.join(" or ")}; write more of the id` };
  }
  if (boot.snapshotId === undefined)
    return { kind: "problem", why: `nothing is stored of what the host was in boot b${boot.ordinal}` };
  return {
    kind: "stored",
    snapshotId: boot.snapshotId,
    label: `boot b${boot.ordinal} (${formatMinute(boot.startedAt)})`,
  };
}

function isBoot(reader: ReferenceReader, text: string): boolean {
  return reader.boots.list().some(({ id }) => id.startsWith(text));
}

function attemptMoment(reader: ReferenceReader, number: string): Moment {
  const row = reader.attempts.full(Number(number), () => undefined);
  if (row !== undefined) return momentOf(row, "start");
  return { kind: "problem", why: `there is no start #${number}; 'vfio-watch starts' lists them` };
}

function momentOf(row: Pick<AttemptRow, "number" | "vm" | "openedAt" | "snapshotId">, what: string): Moment {
  const label = `${what} #${row.number} of '${row.vm}' (${formatMinute(row.openedAt)})`;
  return row.snapshotId === undefined
    ? { kind: "problem", why: `nothing is stored of what the host was at the ${label}` }
    : { kind: "stored", snapshotId: row.snapshotId, label };
}

function lastGoodMoment(reader: ReferenceReader, vm: VmName | undefined): Moment {
  const [newestFailed] = vm === undefined ? reader.attempts.list({ failedOnly: true, limit: 1 }) : [];
  const whose = vm ?? newestFailed?.vm;
  const filter = { startedOnly: true, ...(whose !== undefined && { vm: whose }) };
  const isGood = ({ snapshotId }: AttemptRow) => snapshotId !== undefined;
  // Nearly always one of the newest; all of ten years take a while.
  const good =
    reader.attempts.list({ ...filter, limit: NEWEST }).find(isGood) ??
    reader.attempts.list(filter).find(isGood);
  if (good !== undefined) return momentOf(good, "last good start");
  return {
    kind: "problem",
    why: `no good start${whose === undefined ? "" : ` of '${whose}'`} is on record; name a boot or a start to compare with`,
  };
}
