import { lstatSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { readNames, readText } from "../host/read-file.ts";
import { bounded } from "../sources/kernel-log/escaping.ts";
import { createContentIdentities } from "./content-identity.ts";
import type { PastObservation } from "./past-boot.ts";
import { deviceInFront } from "./syslog-boots.ts";

/** What a kernel wrote to the firmware's memory before it died. */
export interface LastWords {
  /** UTC epoch milliseconds, as the file system of pstore has it. */
  readonly at: number;
  /** The kernel's word for it, e.g. `Panic`, `Oops`. */
  readonly reason: string;
  /** In order. */
  readonly lines: readonly LastLine[];
}

export interface LastLine {
  readonly level: number;
  readonly monotonicUs: number;
  readonly text: string;
}

const FILES_LIMIT = 512;
const FILE_LIMIT = 1024 * 1024;
const HEADER = /^([A-Z][A-Za-z]{1,20})#(\d{1,9}) Part(\d{1,4})\s*$/;
const LINE = /^(?:<(\d{1,3})>)?\[ {0,8}(\d{1,9})\.(\d{6})\](?:\[ *[TC]\d{1,9}\])? ?(.*)$/s;
const LEVEL_INFO = 6;
const DUMP = /^dmesg(?:-|\.txt$)/;

/**
 * Reads the dumps in `directory`: `/sys/fs/pstore`, or a place to which systemd-pstore moved them (whole files, or one
 * directory for each crash). The kernel writes a dump in parts, the newest first. Compressed parts are passed over.
 */
export function readLastWords(directory: string): readonly LastWords[] {
  const files = dumpFiles(directory, 2);
  const dumps = new Map<
    string,
    { at: number; reason: string; parts: { number: number; lines: LastLine[] }[] }
  >();
  for (const path of files.slice(0, FILES_LIMIT)) {
    const text = readText(path, FILE_LIMIT);
    if (text.state !== "read") continue;
    const [first = "", ...rest] = text.value.split("\n");
    const header = HEADER.exec(first);
    const lines = (header === null ? [first, ...rest] : rest).flatMap(parseLastLine);
    if (lines.length === 0) continue;
    const at = Math.round(lstatSync(path).mtimeMs);
    const [, reason = "Dump", count = basename(path), part = "1"] = header ?? [];
    const key = `${dirname(path)}\n${reason}\n${count}\n${Math.round(at / 60_000)}`;
    const dump = dumps.get(key) ?? { at, reason, parts: [] };
    dump.at = Math.max(dump.at, at);
    dump.parts.push({ number: Number(part), lines });
    dumps.set(key, dump);
  }
  return [...dumps.values()]
    .map(({ at, reason, parts }) => ({
      at,
      reason,
      lines: parts.toSorted((a, b) => b.number - a.number).flatMap((part) => part.lines),
    }))
    .sort((a, b) => a.at - b.at);
}

function dumpFiles(directory: string, depth: number): readonly string[] {
  const names = readNames(directory);
  if (names.state !== "read") return [];
  return names.value.toSorted().flatMap((name) => {
    const path = join(directory, name);
    const kind = lstatSync(path, { throwIfNoEntry: false });
    if (kind?.isDirectory() === true) return depth > 1 ? dumpFiles(path, depth - 1) : [];
    return kind?.isFile() === true && DUMP.test(name) && !name.endsWith(".enc.z") ? [path] : [];
  });
}

/** One line as `kmsg_dump` writes it: `<4>[  123.456789] text`. */
export function parseLastLine(line: string): readonly LastLine[] {
  const parts = LINE.exec(line.replace(/\r$/, ""));
  if (parts === null) return [];
  // The part above the level is the facility: what programs wrote is no evidence (law 8).
  const priority = parts[1] === undefined ? LEVEL_INFO : Number(parts[1]);
  if (priority > 7) return [];
  return [
    {
      level: priority,
      monotonicUs: Number(parts[2]) * 1_000_000 + Number(parts[3]),
      text: bounded(parts[4] ?? ""),
    },
  ];
}

/** The words as observations; the dump was written at the moment of its last line. */
export function observationsOf({ at, lines }: LastWords): readonly PastObservation[] {
  const last = lines.at(-1)?.monotonicUs ?? 0;
  const identify = createContentIdentities();
  return lines.map(({ level, monotonicUs, text }) => {
    const device = deviceInFront(text);
    return {
      count: 1,
      observation: identify({
        kind: "kernel-record",
        source: "kernel-log",
        at: Math.round(at - (last - monotonicUs) / 1000),
        exactTime: false,
        monotonicUs,
        identity: "",
        sequence: -1,
        level,
        text,
        ...(device === undefined ? {} : { device }),
      }),
    };
  });
}

/** When the kernel that died had started (UTC epoch milliseconds). */
export function startBefore({ at, lines }: LastWords): number {
  return Math.round(at - (lines.at(-1)?.monotonicUs ?? 0) / 1000);
}
