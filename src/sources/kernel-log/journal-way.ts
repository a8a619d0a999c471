import type { KernelRecord } from "../../model/observation.ts";
import { type Child, startChild } from "./child.ts";
import { JOURNAL_FIELDS, parseJournalEntry } from "./journal-entry.ts";
import { createLineSplitter } from "./line-splitter.ts";
import { type KernelLogPosition, resumePoint } from "./position.ts";
import { pciDevice } from "./record-parser.ts";
import type { KernelLogWay, WayOptions, WayStart } from "./way.ts";

/** A kernel record of 8 KB takes up to five times that as an array of bytes. */
const LINE_LIMIT = 256 * 1024;

/**
 * Reads the kernel log out of systemd's journal: first what it holds of this boot, up to the end, then what
 * comes. journald keeps no sequence numbers, so what it missed cannot be counted, and `sequence` is -1.
 */
export function createJournalWay(
  options: WayOptions & {
    /** The program, with parameters before all others. */
    readonly journalctl: readonly [string, ...string[]];
  },
): KernelLogWay {
  const { clock, bootId, tell, skipped, live, broken, worthTelling } = options;
  const stored = options.position?.bootId === bootId ? options.position : undefined;
  // Read some other way before: what was told then is known by its time stamp.
  const toldUntilUs = stored !== undefined && stored.cursor === undefined ? (stored.monotonicUs ?? -1) : -1;
  let position: KernelLogPosition | undefined = stored;
  let child: Child | undefined;
  let stopped = false;
  let endWaiting = () => {};

  function take(line: string): void {
    const entry = parseJournalEntry(line);
    if (entry === undefined) {
      skipped(1);
      return;
    }
    if (entry.bootId !== bootId) return;
    const { cursor, monotonicUs, text, level, at } = entry;
    position = { bootId, monotonicUs: Math.max(monotonicUs, position?.monotonicUs ?? 0), cursor };
    if (entry.facility !== 0 || monotonicUs <= toldUntilUs) return;
    if (worthTelling !== undefined && !worthTelling(text)) return;
    const device = pciDevice(entry.device);
    const record: KernelRecord = {
      kind: "kernel-record",
      source: "kernel-log",
      at,
      exactTime: true,
      bootId,
      monotonicUs,
      identity: `${bootId}:journal:${cursor}`,
      resume: resumePoint(position),
      sequence: -1,
      level,
      text,
      ...(device === undefined ? {} : { device }),
    };
    tell(record);
  }

  /** Runs journalctl from the position on; resolves when it has ended by itself. */
  function run(extra: readonly string[], ended: (code: number | undefined, why: string) => void): Child {
    const splitter = createLineSplitter({ limit: LINE_LIMIT, line: take, overlong: () => skipped(1) });
    const cursor = position?.cursor;
    return startChild({
      command: [
        ...options.journalctl,
        "--dmesg",
        "--output=json",
        `--output-fields=${JOURNAL_FIELDS.join(",")}`,
        "--all",
        "--quiet",
        "--no-pager",
        ...(cursor === undefined ? [] : [`--after-cursor=${cursor}`]),
        ...extra,
      ],
      clock,
      bytes: (bytes) => splitter.push(bytes),
      ended,
    });
  }

  return {
    async start(): Promise<WayStart> {
      const backlog = await new Promise<{ code: number | undefined; why: string }>((resolve) => {
        child = run([], (code, why) => resolve({ code, why }));
        // `stop` during the backlog: the child ends without saying so.
        endWaiting = () => resolve({ code: 0, why: "stopped" });
      });
      if (backlog.code !== 0) {
        return { works: false, why: backlog.why, remedy: "start systemd-journald" };
      }
      if (stopped) return { works: true };
      if (position?.cursor === undefined) {
        // A boot's journal begins with the kernel's own lines: none of them means none that may be read.
        return {
          works: false,
          why: "the journal shows no kernel records",
          remedy: "run as root or in the group systemd-journal",
        };
      }
      child = run(["--follow", "--no-tail"], (_code, why) => {
        child = undefined;
        if (!stopped) broken(why);
      });
      live("following the journal of the kernel");
      return { works: true };
    },
    async stop() {
      stopped = true;
      const ending = child?.stop();
      endWaiting();
      await ending;
    },
    position: () => position,
  };
}
