import { dirname, posix } from "node:path";
import type { HostPaths } from "../host-paths.ts";
import { absent, mapReading, type Reading, valueOr } from "../model/reading.ts";
import type { BootConfiguration, BootEntry } from "./boot-loader-entry.ts";
import {
  type BootLoaderFile,
  besideMenu,
  findBootLoaderFiles,
  GRUB_DEFAULTS_DIRECTORY,
} from "./boot-loader-files.ts";
import { parseGrub, parseGrubDefaults, savedGrubEntry } from "./boot-loader-grub.ts";
import { parseLimine } from "./boot-loader-limine.ts";
import { findRunningLoader, type RunningLoader, readLoaderVariable } from "./boot-loader-running.ts";
import { parseSyslinux } from "./boot-loader-syslinux.ts";
import { parseSystemdBoot } from "./boot-loader-systemd.ts";
import {
  compareParameters,
  type KernelParameter,
  type ParameterDifference,
  parseKernelParameters,
} from "./kernel-parameters.ts";
import { readNames, readText } from "./read-file.ts";

const FILE_LIMIT = 1024 * 1024;
const ENTRY_FILES_LIMIT = 200;

/** One configuration file of a boot loader: what it would give the kernel, held against what runs (law 6). */
export interface BootLoaderClaim extends BootLoaderFile {
  /** Why nothing more is known; undefined when the file was read. */
  readonly unreadable: string | undefined;
  readonly entries: readonly BootEntry[];
  /** The entry that boots unattended; undefined where the file leaves it open. */
  readonly defaultEntry: BootEntry | undefined;
  /** The entry whose parameters are the ones that run: the default one where several are. */
  readonly fittingEntry: BootEntry | undefined;
  /** How the default entry differs from what runs; undefined without one or without /proc/cmdline. */
  readonly difference: ParameterDifference | undefined;
  /**
   * `in-effect`: this file's parameters run. `other-loader`: another loader started the kernel, so that editing
   * this file does nothing. `differs`: edited since, or another entry or file was used. `unknown`: cannot be told.
   */
  readonly verdict: "in-effect" | "other-loader" | "differs" | "unknown";
}

/** All claims about the kernel's parameters, and what is known of the loader that ran. */
export interface BootLoaderFindings {
  readonly running: RunningLoader;
  readonly claims: readonly BootLoaderClaim[];
  /** Directories that could not be looked into, with the reason; there may be more files in them. */
  readonly unreadable: readonly string[];
}

/** Reads every boot loader configuration of the host and holds it against `commandLine`, which is the truth. */
export function readBootLoaders(
  paths: HostPaths,
  commandLine: Reading<readonly KernelParameter[]>,
): BootLoaderFindings {
  const truth = commandLine.state === "read" ? commandLine.value : undefined;
  const running = findRunningLoader(paths, truth);
  const { files, unreadable } = findBootLoaderFiles(paths);
  const claims = files.map((file) => {
    const configuration = readConfiguration(paths, file);
    if (configuration.state !== "read") {
      return unreadClaim(file, configuration.state === "absent" ? "it went away" : configuration.why);
    }
    return judge(file, configuration.value, truth, running);
  });
  return {
    running,
    claims: claims.filter((claim) => claim.entries.length > 0 || claim.unreadable !== undefined),
    unreadable,
  };
}

function readConfiguration(paths: HostPaths, file: BootLoaderFile): Reading<BootConfiguration> {
  const path = paths.at(file.path);
  switch (file.kind) {
    case "grub-defaults":
      return mapReading(readText(path, FILE_LIMIT), (text) =>
        single("GRUB_CMDLINE_LINUX", parseGrubDefaults([text, ...grubDefaultsBeside(paths)].join("\n"))),
      );
    case "kernel-install":
      return mapReading(readText(path, FILE_LIMIT), (text) => single("kernel-install", text.trim()));
    case "menu":
      break;
  }
  switch (file.loader) {
    case "syslinux":
      return mapReading(readText(path, FILE_LIMIT), (text) =>
        parseSyslinux(text, includeBeside(paths, file.path)),
      );
    case "grub": {
      const environment = readBeside(paths, file, 8192);
      const saved = environment.state === "read" ? savedGrubEntry(environment.value) : undefined;
      return mapReading(readText(path, FILE_LIMIT), (text) => parseGrub(text, saved));
    }
    case "limine":
      return mapReading(readText(path, FILE_LIMIT), parseLimine);
    case "systemd-boot":
      return readLoaderEntries(paths, file);
  }
}

function single(title: string, commandLine: string): BootConfiguration {
  return { entries: [{ title, commandLine }], defaultIndex: 0 };
}

/** INCLUDE names a file from the root of its partition or beside the including one; it never leaves /boot. */
function includeBeside(paths: HostPaths, file: string): (name: string) => string | undefined {
  return (name) => {
    const inside = posix.normalize(`/${name.split(/\s/)[0] ?? ""}`);
    for (const base of ["/boot", dirname(file)]) {
      const text = readText(paths.at(`${base}${inside}`), FILE_LIMIT);
      if (text.state === "read") return text.value;
    }
    return undefined;
  };
}

/** Debian's grub-mkconfig reads these after the file itself, in this order. */
function grubDefaultsBeside(paths: HostPaths): readonly string[] {
  return valueOr(readNames(paths.at(GRUB_DEFAULTS_DIRECTORY)), [])
    .filter((name) => name.endsWith(".cfg"))
    .toSorted()
    .slice(0, ENTRY_FILES_LIMIT)
    .map((name) => valueOr(readText(paths.at(`${GRUB_DEFAULTS_DIRECTORY}/${name}`), FILE_LIMIT), ""));
}

function readBeside(paths: HostPaths, { loader, path }: BootLoaderFile, limit: number): Reading<string> {
  const beside = besideMenu(loader, path);
  return beside === undefined ? absent : readText(paths.at(beside), limit);
}

function readLoaderEntries(paths: HostPaths, entriesIn: BootLoaderFile): Reading<BootConfiguration> {
  const { path: directory } = entriesIn;
  return mapReading(readNames(paths.at(directory)), (names) => {
    const entries = names
      .filter((name) => name.endsWith(".conf"))
      .toSorted()
      .slice(0, ENTRY_FILES_LIMIT)
      .flatMap((file) => {
        const text = readText(paths.at(`${directory}/${file}`), 64 * 1024);
        return text.state === "read" ? [{ file, text: text.value }] : [];
      });
    const loader = readBeside(paths, entriesIn, 64 * 1024);
    return parseSystemdBoot(valueOr(loader, ""), entries, readLoaderVariable(paths, "LoaderEntrySelected"));
  });
}

function unreadClaim(file: BootLoaderFile, why: string): BootLoaderClaim {
  return {
    ...file,
    unreadable: why,
    entries: [],
    defaultEntry: undefined,
    fittingEntry: undefined,
    difference: undefined,
    verdict: "unknown",
  };
}

function judge(
  file: BootLoaderFile,
  { entries, defaultIndex }: BootConfiguration,
  truth: readonly KernelParameter[] | undefined,
  running: RunningLoader,
): BootLoaderClaim {
  const defaultEntry = defaultIndex === undefined ? undefined : entries[defaultIndex];
  const fits = (entry: BootEntry) => {
    const difference = truth === undefined ? undefined : differenceOf(entry, truth);
    if (difference === undefined || difference.missing.length > 0) return false;
    // The tools that write menus add root= and the like of their own: only what is asked for must be there.
    return file.kind === "grub-defaults" || difference.extra.length === 0;
  };
  const ordered = defaultEntry === undefined ? entries : [defaultEntry, ...entries];
  const fittingEntry = ordered.find(fits);
  const judgeable = truth !== undefined && entries.some(({ commandLine }) => commandLine !== undefined);
  return {
    ...file,
    unreadable: undefined,
    entries,
    defaultEntry,
    fittingEntry,
    difference:
      truth === undefined || defaultEntry === undefined ? undefined : differenceOf(defaultEntry, truth),
    verdict: !judgeable
      ? "unknown"
      : !running.possible.has(file.loader)
        ? "other-loader"
        : fittingEntry === undefined
          ? "differs"
          : "in-effect",
  };
}

function differenceOf(entry: BootEntry, truth: readonly KernelParameter[]): ParameterDifference | undefined {
  if (entry.commandLine === undefined) return undefined;
  return compareParameters(parseKernelParameters(entry.commandLine), truth);
}
