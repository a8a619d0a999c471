import type { LibvirtdRecord } from "../model/observation.ts";
import {
  createDomainLogParser,
  type DomainLogObservation,
  vmOfLogFile,
} from "../sources/domain-logs-parser.ts";
import { createLibvirtdLogParser } from "../sources/libvirtd-log-parser.ts";
import { readLibvirtTime, readQemuTime } from "../sources/log-time.ts";
import { createContentIdentities } from "./content-identity.ts";
import { COST_OF_A_RECORD, counted, type ImportLimits, type Notes } from "./limits.ts";
import type { LogFile, LogReader } from "./log-text.ts";
import { createNewest } from "./newest.ts";
import type { KnownText, PastObservation } from "./past-boot.ts";
import { createRunCutter, type VmRun } from "./vm-runs.ts";

/** How the logs of one source are read. */
export interface LogReading {
  readonly reader: LogReader;
  readonly limits: ImportLimits;
  readonly notes: Notes;
  /** The time of what stands before any time stamp, UTC epoch milliseconds. */
  readonly withoutTime: number;
  readonly isKnown: KnownText;
}

/** Lines before the first time stamp of a log that wait for it. */
const WAITING_LINES = 500;
/** Of the room for libvirt's messages, for those that name no VM and that nobody knows. */
const SHARE_OF_OTHERS = 0.25;

/**
 * Reads VMs' logs with their rotations (`X.log`, `X.log.0`, …, in diagnostics `X.txt`, `X.log.0.txt` and the end of a
 * long one in `X.last200.txt`). virtlogd cuts anywhere, so the pieces of one VM are read as one, the oldest first. Of
 * more starts than anybody has the newest are kept, whichever VM's they are.
 */
export async function readDomainLogs(
  files: readonly LogFile[],
  reading: LogReading,
): Promise<readonly PastObservation[]> {
  const { limits, notes } = reading;
  const newest = createNewest<VmRun & { readonly group: string }>({
    most: limits.starts,
    room: limits.keptText,
  });
  let passedOver = 0;
  const byVm = Map.groupBy(files, ({ name }) => String(vmOfFile(name)));
  for (const [vm, pieces] of byVm) {
    for (const [index, group] of withoutHoles(pieces).entries()) {
      const runs = await readGroup(vm, group, {
        ...reading,
        afterHole: index > 0,
        beforeHole: index < withoutHoles(pieces).length - 1,
      });
      for (const run of runs) {
        passedOver += run.passedOver;
        newest.add({ ...run, group: `${index}` });
      }
    }
  }
  const { kept, leftOut } = newest.finish();
  if (leftOut > 0)
    notes.add(
      `${counted(leftOut + kept.length, "run")} of VMs stand in ${files.length === 1 ? "the VM's log" : `${files.length} VMs' logs`}; the oldest ${counted(leftOut, "run")} left out: at most ${counted(limits.starts, "start")} and ${counted(limits.keptText, "character")} are taken in at once.`,
    );
  if (passedOver > 0)
    notes.add(
      `${counted(passedOver, "line")} from the middle of VMs' runs left out: of one run the first and the last are kept.`,
    );
  return [...Map.groupBy(kept, ({ vm }) => vm).values()].flatMap(identified);
}

/** Gives identities, and each thing once where the tail of a log overlaps what was read before. */
function identified(runs: readonly (VmRun & { readonly group: string })[]): readonly PastObservation[] {
  const identify = createContentIdentities();
  const seen = new Set<string>();
  return runs.flatMap(({ group, observations }) =>
    observations
      .map((observation) => ({ observation: identify(observation), count: 1 }))
      .filter(({ observation }) => {
        const key = observation.identity.replace(/:\d+$/, "");
        if (group !== "0" && seen.has(key)) return false;
        seen.add(key);
        return true;
      }),
  );
}

/** The pieces of one log, the oldest first, in groups between which something is missing. */
function withoutHoles(pieces: readonly LogFile[]): readonly (readonly LogFile[])[] {
  const groups: LogFile[][] = [];
  for (const piece of pieces.toSorted((a, b) => ageOf(b.name) - ageOf(a.name))) {
    const group = groups.at(-1);
    if (group === undefined || isTail(piece.name)) groups.push([piece]);
    else group.push(piece);
  }
  return groups;
}

async function readGroup(
  vm: string,
  pieces: readonly LogFile[],
  reading: LogReading & { readonly afterHole: boolean; readonly beforeHole: boolean },
): Promise<readonly VmRun[]> {
  const { reader, limits } = reading;
  const parser = createDomainLogParser({ vm: vmOfLogFile(`${vm}.log`) });
  const runs = createNewest<VmRun>({ most: limits.starts, room: limits.keptText });
  const cutter = createRunCutter({ vm, afterHole: reading.afterHole, run: runs.add });
  /** Lines before any time stamp, which take the time of the first. */
  let waiting: string[] | undefined = [];
  let offset = 0;
  const take = (observations: readonly DomainLogObservation[]) => observations.forEach(cutter.take);
  const parse = (text: string, at: number) => {
    take(parser.line(text, offset, at));
    // For identities only, which are made anew of the content.
    offset += text.length + 1;
  };
  const begin = (at: number) => {
    const lines = waiting ?? [];
    waiting = undefined;
    for (const text of lines) parse(text, at);
  };
  const line = (text: string) => {
    if (waiting === undefined) return parse(text, reading.withoutTime);
    waiting.push(text);
    const at = (readLibvirtTime(text) ?? readQemuTime(text))?.at;
    if (at !== undefined) begin(at);
    else if (waiting.length >= WAITING_LINES) begin(reading.withoutTime);
  };
  for (const [index, piece] of pieces.entries())
    await reader.read(piece, line, { goesOn: index < pieces.length - 1 });
  begin(reading.withoutTime);
  take(parser.end());
  cutter.end(reading.beforeHole);
  const { kept, leftOut } = runs.finish();
  if (leftOut > 0)
    reading.notes.add(
      `${vm}: the oldest ${counted(leftOut, "run")} of this VM left out: at most ${counted(limits.starts, "start")} and ${counted(limits.keptText, "character")} are taken in at once.`,
    );
  return kept;
}

interface KeptRecord {
  readonly at: number;
  readonly size: number;
  readonly place: number;
  readonly record: LibvirtdRecord;
}

/**
 * Reads libvirtd's or virtqemud's own log, the pieces in the order given. Of too many records the newest are kept, and
 * those that name a VM or that the catalogue knows before the others: a daemon without clients' manners logs hundreds
 * of thousands of lost connections.
 */
export async function readLibvirtdLogs(
  files: readonly LogFile[],
  { reader, limits, notes, withoutTime, isKnown }: LogReading,
): Promise<readonly PastObservation[]> {
  const most = Number.POSITIVE_INFINITY;
  const telling = createNewest<KeptRecord>({ most, room: limits.keptText * (1 - SHARE_OF_OTHERS) });
  const others = createNewest<KeptRecord>({ most, room: limits.keptText * SHARE_OF_OTHERS });
  let place = 0;
  for (const file of files) {
    const parser = createLibvirtdLogParser({ fileName: file.name });
    let offset = 0;
    const keep = (record: LibvirtdRecord | undefined) => {
      if (record === undefined || (record.level !== "error" && record.level !== "warning")) return;
      const size = record.text.length + COST_OF_A_RECORD;
      const isTelling = record.vm !== undefined || isKnown("libvirt", record.text);
      (isTelling ? telling : others).add({ at: record.at, size, place, record });
      place += 1;
    };
    await reader.read(file, (text) => {
      keep(parser.line(text, offset, withoutTime));
      offset += text.length + 1;
    });
    keep(parser.flush());
  }
  const kept = [telling.finish(), others.finish()];
  const leftOut = kept.reduce((sum, part) => sum + part.leftOut, 0);
  if (leftOut > 0)
    notes.add(
      `${counted(leftOut, "message")} of ${counted(place, "error")} and warnings of libvirt's left out, the oldest: at most ${counted(limits.keptText, "character")} are kept at once.`,
    );
  const identify = createContentIdentities();
  return kept
    .flatMap((part) => part.kept)
    .sort((a, b) => a.place - b.place)
    .map(({ record }) => ({ observation: identify(record), count: 1 }));
}

/** Whether a file of this name is a VM's log (or a piece of one). */
export function isDomainLogName(name: string): boolean {
  return /\.log(?:\.\d{1,3})?$/.test(name) && !/^(?:libvirtd|virt\w+d|.*-swtpm)\.log/.test(name);
}

function vmOfFile(name: string): string {
  return vmOfLogFile(name.replace(/\.last200\.txt$/, ".txt"));
}

function isTail(name: string): boolean {
  return name.endsWith(".last200.txt");
}

/** Larger is older; the tail of a log comes behind its beginning. */
function ageOf(name: string): number {
  const rotation = /\.log\.(\d{1,3})(?:\.last200)?(?:\.txt)?$/.exec(name)?.[1];
  return (rotation === undefined ? 0 : Number(rotation) + 1) - (isTail(name) ? 0.5 : 0);
}
