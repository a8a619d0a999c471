import type { HostPaths } from "../host-paths.ts";
import { type Reading, unreadable } from "../model/reading.ts";
import type { HostMemory } from "./host-memory.ts";
import type { PciBar } from "./pci-resources.ts";
import { readText } from "./read-file.ts";

/** A range of physical addresses and who has asked for it; the end is inclusive. */
export interface IoRange {
  readonly start: number;
  readonly end: number;
  readonly name: string;
}

/** A server with terabytes in many pieces prints some hundred KB. */
const LARGEST = 8 * 1024 * 1024;
const RANGE = /^ *([0-9a-f]{1,16})-([0-9a-f]{1,16}) : (.+)$/;

/** The ranges of `/proc/iomem`, in its order: each before those inside it. Unreadable without root. */
export function readIoMemory(paths: HostPaths, memory: HostMemory): Reading<readonly IoRange[]> {
  const ranges = memory.parsed("iomem", readText(paths.at("/proc/iomem"), LARGEST), parseIoMemory);
  // Others than root are shown noughts (resource.c, r_show).
  if (ranges.state === "read" && ranges.value.length > 0 && ranges.value.every(({ end }) => end === 0))
    return unreadable("needs root");
  return ranges;
}

/** Lines of another shape are left out. */
export function parseIoMemory(text: string): readonly IoRange[] {
  return text.split("\n").flatMap((line) => {
    const [, start, end, name] = RANGE.exec(line) ?? [];
    if (start === undefined || end === undefined || name === undefined) return [];
    return [{ start: Number.parseInt(start, 16), end: Number.parseInt(end, 16), name: name.trim() }];
  });
}

/** Names of what lies inside one of the BARs, without the PCI functions and buses themselves; each once. */
export function ownersOfBars(bars: readonly PciBar[], ranges: readonly IoRange[]): readonly string[] {
  const windows = bars.filter(({ kind }) => kind === "memory");
  const isInside = ({ start, end }: IoRange) =>
    windows.some((bar) => start >= bar.start && end < bar.start + bar.size);
  const names = ranges.filter(
    (range) => isInside(range) && !/^(?:PCI Bus |[0-9a-f]{4}:[0-9a-f]{2}:)/.test(range.name),
  );
  return [...new Set(names.map(({ name }) => name))];
}
