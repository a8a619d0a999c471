import type { Clock } from "../clock.ts";
import type { BootId } from "../model/identifiers.ts";
import type { KernelRecord } from "../model/observation.ts";
import { journalBootId } from "../sources/journal-fields.ts";
import { startChild } from "../sources/kernel-log/child.ts";
import { JOURNAL_FIELDS, parseJournalEntry } from "../sources/kernel-log/journal-entry.ts";
import { createLineSplitter } from "../sources/kernel-log/line-splitter.ts";
import { pciDevice } from "../sources/kernel-log/record-parser.ts";
import { readJournalEntry } from "../sources/libvirtd-log-journal.ts";
import { hostInKernelLines, pastHost, TELLING_LINE } from "./known-host.ts";
import type { KnownText, PastBoot, PastObservation } from "./past-boot.ts";

/** A boot that the journal knows. */
export interface JournalBoot {
  readonly id: BootId;
  /** Of its first and last entry, UTC epoch milliseconds; undefined where journalctl is too old to say. */
  readonly firstAt: number | undefined;
  readonly lastAt: number | undefined;
}

/** How the journal is asked. */
export interface JournalAccess {
  /** The program, with parameters before all others. */
  readonly journalctl: readonly [string, ...string[]];
  readonly clock: Clock;
  /** A question that takes longer is given up, ms. */
  readonly patienceMs: number;
}

export const JOURNAL_PATIENCE_MS = 120_000;
const LINE_LIMIT = 256 * 1024;
/** Of one boot no more than this is read. */
const BYTES_OF_A_BOOT = 512 * 1024 ** 2;
const BOOTS_LIMIT = 5_000;
const KEPT_IN_A_BOOT = 20_000;
const TELLING_KEPT = 400;
const LIBVIRT_FIELDS = [
  "CODE_FUNC",
  "LIBVIRT_SOURCE",
  "_COMM",
  "_SYSTEMD_UNIT",
  "_SOURCE_REALTIME_TIMESTAMP",
];

/** The boots that the journal holds, the oldest first; a string says why it cannot be asked. */
export async function listJournalBoots(access: JournalAccess): Promise<readonly JournalBoot[] | string> {
  const lines: string[] = [];
  const failed = await ask(access, ["--list-boots", "--output=json", "--no-pager", "--quiet"], (line) => {
    if (lines.length < BOOTS_LIMIT) lines.push(line);
  });
  const boots = bootsInJson(lines.join("\n")) ?? bootsInTable(lines);
  if (failed !== undefined && boots.length === 0) return failed;
  return boots;
}

/** The answer of systemd 252 and later. */
function bootsInJson(text: string): readonly JournalBoot[] | undefined {
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!Array.isArray(list)) return undefined;
  return list.flatMap((entry: unknown): JournalBoot[] => {
    if (typeof entry !== "object" || entry === null) return [];
    const { boot_id: id, first_entry: first, last_entry: last } = entry as Record<string, unknown>;
    const known = journalBootId(id);
    return known === undefined
      ? []
      : [{ id: known, firstAt: milliseconds(first), lastAt: milliseconds(last) }];
  });
}

/** Older ones print a table whatever is asked for. */
function bootsInTable(lines: readonly string[]): readonly JournalBoot[] {
  return lines.flatMap((line): JournalBoot[] => {
    const id = journalBootId(/^\s*-?\d{1,6}\s+([0-9a-f]{32})\s/.exec(line)?.[1] ?? "");
    return id === undefined ? [] : [{ id, firstAt: undefined, lastAt: undefined }];
  });
}

/** One boot out of the journal: what the kernel and libvirt's daemons said in it. A string says why it cannot be read. */
export async function readJournalBoot(
  boot: JournalBoot,
  access: JournalAccess,
  isKnown: KnownText,
): Promise<{ readonly boot: PastBoot; readonly notes: readonly string[] } | string> {
  const observations: PastObservation[] = [];
  const telling: string[] = [];
  const notes: string[] = [];
  let firstAt = Number.POSITIVE_INFINITY;
  let lastAt = Number.NEGATIVE_INFINITY;
  let bootedAt: number | undefined;
  let unreadable = 0;
  let isRebooting = false;

  function take(line: string): void {
    const kernel = parseJournalEntry(line);
    const libvirt = kernel === undefined ? readJournalEntry(line) : undefined;
    if (kernel !== undefined) {
      const { text, device: named, monotonicUs, at, facility, cursor, level } = kernel;
      note(at);
      bootedAt ??= at - monotonicUs / 1000;
      if (facility !== 0 || kernel.bootId !== boot.id) return;
      if (/^reboot: (?:Restarting system|Power down|System halted)/.test(text)) isRebooting = true;
      if (telling.length < TELLING_KEPT && TELLING_LINE.test(text)) telling.push(text);
      if (!isKnown("kernel", text)) return;
      const device = pciDevice(named);
      const record: KernelRecord = {
        kind: "kernel-record",
        source: "kernel-log",
        at,
        exactTime: true,
        bootId: boot.id,
        monotonicUs,
        // As the service itself names what it reads out of the journal, so that nothing is stored twice.
        identity: `${boot.id}:journal:${cursor}`,
        sequence: -1,
        level,
        text,
        ...(device === undefined ? {} : { device }),
      };
      keep({ observation: record, count: 1 });
    } else if (libvirt === undefined) unreadable += 1;
    else if (libvirt !== "not libvirt's") {
      note(libvirt.record.at);
      keep({ observation: libvirt.record, count: 1 });
    }
  }
  function note(at: number): void {
    firstAt = Math.min(firstAt, at);
    lastAt = Math.max(lastAt, at);
  }
  function keep(observation: PastObservation): void {
    if (observations.length < KEPT_IN_A_BOOT) observations.push(observation);
  }

  const fields = [...new Set([...JOURNAL_FIELDS, ...LIBVIRT_FIELDS])].join(",");
  const failed = await ask(
    access,
    [
      `--boot=${boot.id.replaceAll("-", "")}`,
      "--output=json",
      `--output-fields=${fields}`,
      // Without it a field beyond 4096 bytes comes as null.
      "--all",
      "--quiet",
      "--no-pager",
      "_TRANSPORT=kernel",
      "+",
      "_SYSTEMD_UNIT=libvirtd.service",
      "+",
      "_SYSTEMD_UNIT=virtqemud.service",
    ],
    take,
  );
  if (!Number.isFinite(firstAt)) return failed ?? "the journal shows nothing of the kernel in this boot";
  if (failed !== undefined) notes.push(`${boot.id}: ${failed}; what came before was read.`);
  if (unreadable > 0) notes.push(`${boot.id}: ${unreadable} entries could not be understood.`);
  return {
    notes,
    boot: {
      id: boot.id,
      startedAt: Math.round(bootedAt ?? boot.firstAt ?? firstAt),
      precision: "journal",
      firstSeenAt: firstAt,
      lastSeenAt: Math.max(lastAt, boot.lastAt ?? lastAt),
      end: isRebooting ? "clean" : "unknown",
      ...pastHost(hostInKernelLines(telling)),
      observations,
    },
  };
}

/** Runs journalctl once; undefined when it went well, else what went wrong. */
async function ask(
  { journalctl, clock, patienceMs }: JournalAccess,
  parameters: readonly string[],
  line: (text: string) => void,
): Promise<string | undefined> {
  return await new Promise((resolve) => {
    let bytes = 0;
    const splitter = createLineSplitter({ limit: LINE_LIMIT, line, overlong: () => {} });
    const giveUp = (why: string) => {
      takeBack();
      void child.stop().then(() => resolve(why));
    };
    const takeBack = clock.after(patienceMs, () => giveUp("journalctl took too long"));
    const child = startChild({
      command: [...journalctl, ...parameters],
      clock,
      bytes(part) {
        bytes += part.length;
        if (bytes > BYTES_OF_A_BOOT) giveUp("the journal of this boot is too large to be read whole");
        else splitter.push(part);
      },
      ended(code, why) {
        takeBack();
        if (splitter.pending() > 0) splitter.push(Buffer.from("\n"));
        resolve(code === 0 ? undefined : why);
      },
    });
  });
}

function milliseconds(value: unknown): number | undefined {
  const number =
    typeof value === "number"
      ? value
      : typeof value === "string" && /^\d{1,16}$/.test(value)
        ? Number(value)
        : Number.NaN;
  return Number.isFinite(number) ? Math.round(number / 1000) : undefined;
}
