import { existsSync } from "node:fs";
import type { Clock } from "../clock.ts";
import type { HostPaths } from "../host-paths.ts";
import type { LibvirtdRecord } from "../model/observation.ts";
import { journalBootId, journalFields, journalNumber, journalText } from "./journal-fields.ts";
import { type Child, startChild } from "./kernel-log/child.ts";
import { createLineSplitter } from "./kernel-log/line-splitter.ts";
import { vmNamedIn } from "./libvirtd-log-parser.ts";

/** libvirt's records out of systemd's journal. */
export interface JournalReader {
  /** Reads what the journal holds, then follows it; resolves once the former is done. Never rejects. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Undefined while following; else why not. */
  problem(): string | undefined;
}

export interface JournalReaderOptions {
  readonly clock: Clock;
  /** The program, with parameters before all others. */
  readonly journalctl: readonly [string, ...string[]];
  /** Goes on after this entry; without it, at the beginning of this boot. */
  readonly cursor?: string | undefined;
  readonly tell: (record: LibvirtdRecord, cursor: string) => void;
  readonly skipped: (count: number) => void;
  /** The stored cursor is gone from the journal: what lies between is unknown. */
  readonly lost: (detail: string) => void;
  /** The state may have changed. */
  readonly changed: () => void;
}

const LINE_LIMIT = 256 * 1024;
const MAX_TEXT = 16 * 1024;
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 60_000;
const FIELDS = "MESSAGE,PRIORITY,CODE_FUNC,LIBVIRT_SOURCE,_COMM,_SYSTEMD_UNIT,_SOURCE_REALTIME_TIMESTAMP";
/** By unit, because libvirt's own entries carry no SYSLOG_IDENTIFIER that `-t` could match. */
const UNITS = ["_SYSTEMD_UNIT=libvirtd.service", "+", "_SYSTEMD_UNIT=virtqemud.service"];
const DAEMONS = new Set(["libvirtd", "virtqemud"]);

/** Is a systemd journal running on this host? */
export function journalIsThere(paths: HostPaths): boolean {
  return existsSync(paths.at("/run/systemd/journal"));
}

/** Makes a reader that starts journalctl again, with growing pauses, whenever it ends. */
export function createJournalReader(options: JournalReaderOptions): JournalReader {
  const { clock, tell, skipped, changed } = options;
  let cursor = options.cursor;
  let child: Child | undefined;
  let stopped = false;
  let problem: string | undefined = "the journal has not been read yet";
  let retry = FIRST_RETRY_MS;
  let takeBackRetry = () => {};
  let endBacklog = () => {};

  function take(line: string): void {
    const entry = readJournalEntry(line);
    if (entry === "not libvirt's") return;
    if (entry === undefined) {
      skipped(1);
      return;
    }
    retry = FIRST_RETRY_MS;
    cursor = entry.cursor;
    if (!stopped) tell(entry.record, entry.cursor);
  }

  function run(extra: readonly string[], ended: (code: number | undefined, why: string) => void): Child {
    const splitter = createLineSplitter({ limit: LINE_LIMIT, line: take, overlong: () => skipped(1) });
    return startChild({
      command: [
        ...options.journalctl,
        "--output=json",
        `--output-fields=${FIELDS}`,
        // Without it a field beyond 4096 bytes comes as null.
        "--all",
        "--quiet",
        "--no-pager",
        cursor === undefined ? "--boot" : `--after-cursor=${cursor}`,
        ...extra,
        ...UNITS,
      ],
      clock,
      bytes: (bytes) => splitter.push(bytes),
      ended,
    });
  }

  async function readBacklog(): Promise<{ readonly code: number | undefined; readonly why: string }> {
    return await new Promise((resolve) => {
      child = run([], (code, why) => resolve({ code, why }));
      endBacklog = () => resolve({ code: 0, why: "stopped" });
    });
  }

  async function start(): Promise<void> {
    let backlog = await readBacklog();
    if (backlog.code !== 0 && cursor !== undefined && !stopped) {
      cursor = undefined;
      backlog = await readBacklog();
      if (backlog.code === 0) options.lost("the journal no longer holds where reading stopped");
    }
    child = undefined;
    if (stopped) return;
    if (backlog.code === 0) {
      problem = undefined;
      child = run(["--follow", "--no-tail"], (_code, why) => again(why));
    } else again(backlog.why);
    changed();
  }

  function again(why: string): void {
    child = undefined;
    if (stopped) return;
    problem = why;
    changed();
    takeBackRetry = clock.after(retry, () => void start());
    retry = Math.min(LAST_RETRY_MS, retry * 2);
  }

  return {
    start,
    async stop() {
      stopped = true;
      takeBackRetry();
      const ending = child?.stop();
      endBacklog();
      await ending;
    },
    problem: () => problem,
  };
}

/**
 * Reads one line of `journalctl -o json`. LIBVIRT_DOMAIN, which entries carry too, is the number of libvirt's
 * error domain and no VM. What dnsmasq and other children of the unit say is not libvirt's.
 */
export function readJournalEntry(
  line: string,
): { readonly record: LibvirtdRecord; readonly cursor: string } | "not libvirt's" | undefined {
  const entry = journalFields(line);
  if (entry === undefined) return undefined;
  const unit = String(entry._SYSTEMD_UNIT);
  const own = typeof entry.LIBVIRT_SOURCE === "string" || DAEMONS.has(String(entry._COMM));
  if (!own || !DAEMONS.has(unit.replace(/\.service$/, ""))) return "not libvirt's";
  const at = journalNumber(entry._SOURCE_REALTIME_TIMESTAMP) ?? journalNumber(entry.__REALTIME_TIMESTAMP);
  const text = journalText(entry.MESSAGE)?.slice(0, MAX_TEXT).toWellFormed().trimEnd();
  if (typeof entry.__CURSOR !== "string" || at === undefined || text === undefined) return undefined;
  const vm = vmNamedIn(text);
  const boot = journalBootId(entry._BOOT_ID);
  return {
    cursor: entry.__CURSOR,
    record: {
      kind: "libvirtd-record",
      source: "libvirtd-log",
      at: Math.trunc(at / 1000),
      exactTime: true,
      ...(boot === undefined ? {} : { bootId: boot }),
      identity: `journal:${entry.__CURSOR}`,
      level: levelOf(entry.PRIORITY),
      ...(typeof entry.CODE_FUNC === "string" ? { origin: entry.CODE_FUNC.slice(0, 128) } : {}),
      text,
      ...(vm === undefined ? {} : { vm }),
    },
  };
}

function levelOf(priority: unknown): LibvirtdRecord["level"] {
  const number = Number(priority ?? 6);
  if (number <= 3) return "error";
  if (number === 4) return "warning";
  return number >= 7 ? "debug" : "info";
}
