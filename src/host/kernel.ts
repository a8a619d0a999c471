import type { HostPaths } from "../host-paths.ts";
import { mapReading, type Reading } from "../model/reading.ts";
import type { HostMemory } from "./host-memory.ts";
import { type KernelParameter, parseKernelParameters } from "./kernel-parameters.ts";
import { readBeginning, readText, readValue } from "./read-file.ts";

/** Letters of a tainted kernel by bit, as Documentation/admin-guide/tainted-kernels.rst lists them. */
const TAINT_LETTERS = "PFSRMBUDAWCIOELKXTNJ";

/** The running kernel's release, e.g. `6.12.54-Unraid`. */
export function readKernelRelease(paths: HostPaths): Reading<string> {
  const release = readValue(paths.at("/proc/sys/kernel/osrelease"));
  if (release.state !== "absent") return release;
  // Recorded trees often carry only /proc/version: `Linux version 6.12.54-Unraid (builder) …`.
  return mapReading(readValue(paths.at("/proc/version")), (text) => text.split(" ")[2] ?? "");
}

/** The running kernel's command line (law 6: this one is the truth). */
export function readCommandLine(paths: HostPaths): Reading<readonly KernelParameter[]> {
  return mapReading(readText(paths.at("/proc/cmdline"), 64 * 1024), parseKernelParameters);
}

/** How and when it was built. */
export function readKernelBuild(paths: HostPaths): Reading<string> {
  const build = readValue(paths.at("/proc/sys/kernel/version"));
  if (build.state !== "absent") return build;
  return mapReading(readValue(paths.at("/proc/version")), (text) => /#\d+ .*$/.exec(text)?.[0] ?? "");
}

/** Of the first processor: the others have the same, and a server's file is megabytes long. */
export function readCpuFlags(paths: HostPaths, memory: HostMemory): Reading<ReadonlySet<string>> {
  return memory.onceABoot("CPU flags", () =>
    mapReading(readBeginning(paths.at("/proc/cpuinfo"), 16 * 1024), (text) => {
      const flags = /^flags\s*: (.*)$/m.exec(text)?.[1] ?? "";
      return new Set(flags.split(" "));
    }),
  );
}

/** What the kernel keeps root from; `none [integrity] confidentiality` shows its choice in brackets. */
export function readLockdown(paths: HostPaths): Reading<string> {
  const text = readValue(paths.at("/sys/kernel/security/lockdown"));
  return mapReading(text, (choices) => /\[([^\]]*)\]/.exec(choices)?.[1] ?? choices);
}

/** The letters of a tainted kernel, or `none`. */
export function readTaint(paths: HostPaths): Reading<string> {
  return mapReading(readValue(paths.at("/proc/sys/kernel/tainted")), taint);
}

function taint(text: string): string {
  const bits = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(bits)) return text;
  if (bits === 0) return "none";
  const letters = [...TAINT_LETTERS].filter((_letter, bit) => Math.floor(bits / 2 ** bit) % 2 === 1);
  return letters.length > 0 ? letters.join("") : String(bits);
}
