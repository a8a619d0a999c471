import { vmOfLogFile } from "../sources/domain-logs-parser.ts";
import { readRecordedDomainLog } from "../sources/domain-logs-recorded.ts";
import { readRecordedLibvirtdLog } from "../sources/libvirtd-log-parser.ts";
import { createContentIdentities } from "./content-identity.ts";
import type { PastObservation } from "./past-boot.ts";

/** A log file by its name, read whole. */
export interface NamedBytes {
  readonly name: string;
  readonly bytes: Buffer;
}

/** Of one VM's logs no more than this is read, the newest. */
const BYTES_OF_A_VM = 32 * 1024 ** 2;

/**
 * Reads VMs' logs with their rotations (`X.log`, `X.log.0`, …, in diagnostics `X.txt`, `X.log.0.txt` and the end of a
 * long one in `X.last200.txt`). virtlogd cuts anywhere, so the pieces of one VM are read as one, the oldest first.
 */
export function readDomainLogs(
  files: readonly NamedBytes[],
  withoutTime: number,
): readonly PastObservation[] {
  const byVm = new Map<string, NamedBytes[]>();
  for (const file of files) {
    const vm = vmOfFile(file.name);
    byVm.set(vm, [...(byVm.get(vm) ?? []), file]);
  }
  return [...byVm].flatMap(([vm, pieces]) => readPieces(vm, pieces, withoutTime));
}

function readPieces(
  vm: string,
  pieces: readonly NamedBytes[],
  withoutTime: number,
): readonly PastObservation[] {
  const ordered = pieces.toSorted((a, b) => ageOf(b.name) - ageOf(a.name));
  /** Pieces without a hole between them. */
  const runs: NamedBytes[][] = [];
  for (const piece of ordered) {
    const run = runs.at(-1);
    if (run === undefined || isTail(piece.name)) runs.push([piece]);
    else run.push(piece);
  }
  const identify = createContentIdentities();
  const seen = new Set<string>();
  return runs.flatMap((run, index) => {
    const bytes = Buffer.concat(run.map((piece) => piece.bytes));
    const newest = bytes.subarray(Math.max(0, bytes.length - BYTES_OF_A_VM));
    const said = readRecordedDomainLog(newest, { fileName: `${vm}.log`, withoutTime });
    // A start before a hole and an end after it are not of one run.
    const begin = index === 0 ? 0 : said.findIndex(({ kind }) => kind === "domain-log-start");
    const end =
      index === runs.length - 1
        ? said.length
        : said.findLastIndex(({ kind }) => kind === "domain-log-end") + 1;
    const observations = begin < 0 ? [] : said.slice(begin, end);
    return observations
      .map((observation) => ({ observation: identify(observation), count: 1 }))
      .filter(({ observation }) => {
        // Where the tail overlaps what was read before, the same lines come again.
        const key = observation.identity.replace(/:\d+$/, "");
        if (index > 0 && seen.has(key)) return false;
        seen.add(key);
        return true;
      });
  });
}

/** Reads libvirtd's or virtqemud's own log, the pieces in the order given. */
export function readLibvirtdLogs(
  files: readonly NamedBytes[],
  withoutTime: number,
): readonly PastObservation[] {
  const identify = createContentIdentities();
  return files.flatMap(({ name, bytes }) =>
    readRecordedLibvirtdLog(bytes.toString("utf8"), { fileName: name, withoutTime })
      .filter(({ level }) => level === "error" || level === "warning")
      .map((record) => ({ observation: identify(record), count: 1 })),
  );
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
