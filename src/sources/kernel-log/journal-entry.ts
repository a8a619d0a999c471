import type { BootId } from "../../model/identifiers.ts";
import { journalBootId, journalFields, journalNumber, journalText } from "../journal-fields.ts";
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
  const entry = journalFields(line);
  if (entry === undefined) return undefined;
  const cursor = entry.__CURSOR;
  const boot = journalBootId(entry._BOOT_ID);
  const text = journalText(entry.MESSAGE);
  const facility = journalNumber(entry.SYSLOG_FACILITY);
  const level = journalNumber(entry.PRIORITY);
  const monotonicUs = journalNumber(entry._SOURCE_MONOTONIC_TIMESTAMP);
  const realtimeUs = journalNumber(entry.__REALTIME_TIMESTAMP);
  const receivedUs = journalNumber(entry.__MONOTONIC_TIMESTAMP);
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
    text: bounded(text),
    device: typeof entry._KERNEL_DEVICE === "string" ? entry._KERNEL_DEVICE : "",
    monotonicUs,
    at: Math.round((realtimeUs - lateUs) / 1000),
  };
}
