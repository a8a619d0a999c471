import type { HostPaths } from "../host-paths.ts";
import type { Fact } from "../model/fact.ts";
import { mapReading, type Reading } from "../model/reading.ts";
import {
  type KernelParameter,
  parseKernelParameters,
  publicParameter,
  withoutLoaderWords,
} from "./kernel-parameters.ts";
import { factOfReading, keyPart, unknownFact, valueFact } from "./make-fact.ts";
import { readText, readValue } from "./read-file.ts";

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

/** Release, build, parameters, taint and lockdown of the running kernel. */
export function kernelFacts(paths: HostPaths, commandLine = readCommandLine(paths)): readonly Fact[] {
  return [
    factOfReading("kernel", "kernel.release", readKernelRelease(paths)),
    factOfReading("kernel", "kernel.build", readBuild(paths)),
    ...parameterFacts(commandLine),
    factOfReading(
      "kernel",
      "kernel.taint",
      mapReading(readValue(paths.at("/proc/sys/kernel/tainted")), taint),
    ),
    factOfReading("kernel", "kernel.lockdown", mapReading(readLockdown(paths), chosen)),
  ];
}

function readBuild(paths: HostPaths): Reading<string> {
  const build = readValue(paths.at("/proc/sys/kernel/version"));
  if (build.state !== "absent") return build;
  return mapReading(readValue(paths.at("/proc/version")), (text) => /#\d+ .*$/.exec(text)?.[0] ?? "");
}

function readLockdown(paths: HostPaths): Reading<string> {
  return readValue(paths.at("/sys/kernel/security/lockdown"));
}

/** `none [integrity] confidentiality` shows its choice in brackets. */
function chosen(text: string): string {
  return /\[([^\]]*)\]/.exec(text)?.[1] ?? text;
}

function taint(text: string): string {
  const bits = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(bits)) return text;
  if (bits === 0) return "none";
  const letters = [...TAINT_LETTERS].filter((_letter, bit) => Math.floor(bits / 2 ** bit) % 2 === 1);
  return letters.length > 0 ? letters.join("") : String(bits);
}

/** One fact for each parameter; what loaders add and what is private is left out. */
export function parameterFacts(parameters: Reading<readonly KernelParameter[]>): readonly Fact[] {
  if (parameters.state !== "read") {
    const why = parameters.state === "absent" ? "/proc/cmdline does not exist" : parameters.why;
    return [unknownFact("kernel", "kernel.parameter", why)];
  }
  const byName = new Map<string, string[]>();
  for (const parameter of withoutLoaderWords(parameters.value)) {
    byName.set(parameter.name, [...(byName.get(parameter.name) ?? []), shownValue(parameter)]);
  }
  return [
    valueFact("kernel", "kernel.parameter", "listed"),
    ...[...byName].map(([name, values]) =>
      valueFact("kernel", `kernel.parameter.${keyPart(name)}`, values.join(" and ")),
    ),
  ];
}

function shownValue(parameter: KernelParameter): string {
  const { value } = publicParameter(parameter);
  return value === undefined ? "set" : value === "" ? "(empty)" : value;
}
