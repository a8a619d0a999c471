import { type BootId, bootId } from "../../model/identifiers.ts";
import { bounded } from "./escaping.ts";

/** A kernel record as the journal keeps it. */
export interface JournalEntry {
  readonly cursor: string;
  readonly bootId: BootId;
  /** 0 is the kernel. */
  readonly facility: number;
  readonly level: number;
  readonly text: string;
  /** The value of the record's `DEVICE=`, else empty. */
  readonly device: string;
  /** The kernel's own time stamp. */
  readonly monotonicUs: number;
  /** UTC epoch milliseconds at which the kernel wrote the record. */
  readonly at: number;
}

/** The fields to ask journalctl for; the cursor, the times and the boot id come anyway. */
export const JOURNAL_FIELDS = [
  "MESSAGE",
  "PRIORITY",
  "SYSLOG_FACILITY",
  "_TRANSPORT",
  "_SOURCE_MONOTONIC_TIMESTAMP",
  "_KERNEL_DEVICE",
];

/** Reads one line of `journalctl -o json`; undefined where it is no record of the kernel log. */
export function parseJournalEntry(line: string): JournalEntry | undefined {
  let fields: unknown;
  try {
    fields = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof fields !== "object" || fields === null) return undefined;
  const entry = fields as Record<string, unknown>;
  const cursor = entry.__CURSOR;
  const boot = typeof entry._BOOT_ID === "string" ? dashed(entry._BOOT_ID) : undefined;
  const text = messageText(entry.MESSAGE);
  const facility = count(entry.SYSLOG_FACILITY);
  const level = count(entry.PRIORITY);
  const monotonicUs = count(entry._SOURCE_MONOTONIC_TIMESTAMP);
  const realtimeUs = count(entry.__REALTIME_TIMESTAMP);
  const receivedUs = count(entry.__MONOTONIC_TIMESTAMP);
  if (
    entry._TRANSPORT !== "kernel" ||
    typeof cursor !== "string" ||
    boot === undefined ||
    text === undefined ||
    facility === undefined ||
    level === undefined ||
    monotonicUs === undefined ||
    realtimeUs === undefined
  ) {
    return undefined;
  }
  // journald dates a record when it takes it in, at boot seconds late; both its clocks show by how much.
  const lateUs = receivedUs === undefined ? 0 : Math.max(0, receivedUs - monotonicUs);
  return {
    cursor,
    bootId: boot,
    facility,
    level: Math.min(level, 7),
    text,
    device: typeof entry._KERNEL_DEVICE === "string" ? entry._KERNEL_DEVICE : "",
    monotonicUs,
    at: Math.round((realtimeUs - lateUs) / 1000),
  };
}

/** A message is a string, or its bytes where it is not printable UTF-8, or several where a field came twice. */
function messageText(message: unknown): string | undefined {
  if (typeof message === "string") return bounded(message);
  if (!Array.isArray(message) || message.length === 0) return undefined;
  if (message.every((byte) => Number.isInteger(byte) && byte >= 0 && byte <= 255)) {
    return bounded(Buffer.from(message).toString("utf8"));
  }
  return messageText(message[0]);
}

function count(value: unknown): number | undefined {
  return typeof value === "string" && /^\d{1,16}$/.test(value) ? Number(value) : undefined;
}

/** journald writes boot ids without dashes, the kernel with. */
function dashed(id: string): BootId | undefined {
  const parts = /^([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})$/.exec(id);
  return parts === null ? undefined : bootId(parts.slice(1).join("-"));
}
