import { readFileSync, statSync } from "node:fs";
import { LONGEST_FILE, parseFlatFile } from "./config/flat-file.ts";
import { type Config, KEY_NAMES, KEYS, type KeyName, SECRET_FILES } from "./config/keys.ts";
import type { Parsed } from "./config/value-kinds.ts";
import type { HostPaths } from "./host-paths.ts";

export type { Config, KeyName };

/** Where settings are looked for. */
export interface ConfigPaths {
  /** The shipped defaults; undefined where there are none beside the program. */
  readonly shippedFile: string | undefined;
  /** The owner's file over them; need not exist. */
  readonly overrideFile: string;
  /** Empty paths have other defaults on Unraid. */
  readonly unraid: boolean;
}

/** Something in the settings that a person should know; the service runs all the same. */
export interface ConfigProblem {
  /** The file, or `environment`. */
  readonly where: string;
  /** Line in the file, from 1. */
  readonly line: number | undefined;
  readonly key: string | undefined;
  /** A whole sentence with what is used instead; never holds a secret. */
  readonly message: string;
}

/** Where an effective value comes from. */
export type ConfigOrigin =
  | { readonly from: "default" }
  | { readonly from: "shipped" | "override"; readonly file: string; readonly line: number }
  | { readonly from: "environment"; readonly variable: string };

export interface LoadedConfig {
  readonly config: Config;
  readonly problems: readonly ConfigProblem[];
  readonly origins: Readonly<Record<KeyName, ConfigOrigin>>;
  /** The files that were looked at, including those that do not exist; worth watching for changes. */
  readonly files: readonly string[];
}

/** More than this many problems of one file are only counted. */
const PROBLEMS_SHOWN = 50;
const LONGEST_SECRET = 4_096;
const PREFIX = "VFIO_WATCH_";
/** Variables of that prefix which name no setting: the settings file itself, and the host's root for recorded trees. */
const OTHER_VARIABLES: ReadonlySet<string> = new Set([
  "VFIO_WATCH_CONFIG",
  "VFIO_WATCH_ROOT",
  "VFIO_WATCH_RUNTIME_DIRECTORY",
]);

/** The places for this host: Unraid's flash stick, or `/etc/vfio-watch`; `VFIO_WATCH_CONFIG` names another file. */
export function configPaths(
  host: HostPaths,
  shippedFile: string | undefined,
  environment: Readonly<Record<string, string | undefined>> = {},
): ConfigPaths {
  const unraid = exists(host.at("/etc/unraid-version"));
  const usual = unraid ? "/boot/config/plugins/vfio-watch/vfio-watch.cfg" : "/etc/vfio-watch/vfio-watch.cfg";
  return { shippedFile, overrideFile: environment.VFIO_WATCH_CONFIG ?? host.at(usual), unraid };
}

/**
 * Reads the settings: shipped file, over it the owner's file, over it variables `VFIO_WATCH_<KEY>`. It never throws;
 * what is wrong is reported by name and line together with the value that is used instead.
 */
export function loadConfig(options: {
  readonly paths: ConfigPaths;
  readonly environment?: Readonly<Record<string, string | undefined>>;
}): LoadedConfig {
  const { paths, environment = {} } = options;
  const problems: ConfigProblem[] = [];
  const files = new Set<string>();
  const values = new Map<KeyName, unknown>();
  const texts = new Map<KeyName, string>();
  const origins = new Map<KeyName, ConfigOrigin>();
  for (const name of KEY_NAMES) {
    const parsed = parse(name, KEYS[name].fallback);
    if ("problem" in parsed) throw new Error(`the default of ${name} ${parsed.problem}`);
    values.set(name, parsed.value);
    origins.set(name, { from: "default" });
  }

  const take = (key: string, text: string, origin: Exclude<ConfigOrigin, { from: "default" }>) => {
    const at =
      origin.from === "environment"
        ? { where: origin.from, line: undefined }
        : { where: origin.file, line: origin.line };
    if (!isKeyName(key)) {
      const meant = closest(key);
      const hint = meant === undefined ? "" : ` Is ${meant} meant?`;
      problems.push({ ...at, key, message: `There is no setting of this name; it is ignored.${hint}` });
      return;
    }
    if (text.trim() === "") {
      values.set(key, valueOfDefault(key));
      texts.delete(key);
      origins.set(key, { from: "default" });
      return;
    }
    const parsed = parse(key, text.trim());
    if ("problem" in parsed) {
      const shown = KEYS[key].secret === undefined ? `"${shorten(text)}" ` : "The value ";
      problems.push({
        ...at,
        key,
        message: `${shown}${parsed.problem}; ${used(key, origins.get(key), texts.get(key))}`,
      });
      return;
    }
    values.set(key, parsed.value);
    texts.set(key, text.trim());
    origins.set(key, origin);
  };

  for (const [from, file] of [
    ["shipped", paths.shippedFile],
    ["override", paths.overrideFile],
  ] as const) {
    if (file === undefined) continue;
    files.add(file);
    const content = readSmallFile(file, LONGEST_FILE);
    if ("problem" in content) {
      if (!(content.absent && from === "override")) {
        const message = `The file ${content.problem}; ${from === "override" ? "it is ignored" : "the built-in defaults are used"}.`;
        problems.push({ where: file, line: undefined, key: undefined, message });
      }
      continue;
    }
    const { assignments, problems: lines } = parseFlatFile(content.value);
    for (const { line, key, message, ignored } of lines.slice(0, PROBLEMS_SHOWN)) {
      const sentence = `${message[0]?.toUpperCase()}${message.slice(1)}`;
      problems.push({
        where: file,
        line,
        key,
        message: ignored ? `${sentence}; the line is ignored.` : `${sentence}.`,
      });
    }
    if (lines.length > PROBLEMS_SHOWN) {
      const message = `${lines.length - PROBLEMS_SHOWN} more lines are not as they should be. Is this the right file?`;
      problems.push({ where: file, line: undefined, key: undefined, message });
    }
    for (const { key, value, line } of assignments) take(key, value, { from, file, line });
  }

  for (const [variable, text] of Object.entries(environment)) {
    if (text === undefined || !variable.startsWith(PREFIX) || OTHER_VARIABLES.has(variable)) continue;
    take(variable.slice(PREFIX.length), text, { from: "environment", variable });
  }

  for (const { key, file } of SECRET_FILES) {
    const name = values.get(file);
    if (typeof name !== "string" || name === "") continue;
    files.add(name);
    const origin = origins.get(file) ?? { from: "default" };
    const content = readSmallFile(name, LONGEST_SECRET);
    const parsed: Parsed<unknown> = "problem" in content ? content : parse(key, content.value.trim());
    if ("problem" in parsed) {
      const where =
        "file" in origin ? { where: origin.file, line: origin.line } : { where: name, line: undefined };
      const rest = `so ${key} ${values.get(key) === undefined ? "is not set" : "is used as it stands"}`;
      problems.push({
        ...where,
        key: file,
        message: `The file ${shorten(name)} ${parsed.problem}, ${rest}.`,
      });
      continue;
    }
    values.set(key, parsed.value);
    origins.set(key, origin);
  }

  if (values.get("DATABASE") === "") {
    const unraid = "/boot/config/plugins/vfio-watch/history.db";
    values.set("DATABASE", paths.unraid ? unraid : "/var/lib/vfio-watch/history.db");
  }
  problems.push(...incomplete(values, paths.overrideFile));
  return {
    // Every name was given its default above, and each value came out of its own key's parse.
    config: Object.fromEntries(values) as unknown as Config,
    problems,
    origins: Object.fromEntries(origins) as Record<KeyName, ConfigOrigin>,
    files: [...files],
  };
}

/** One line for a log: `/boot/…/vfio-watch.cfg:12: LOG_LEVEL: …`. */
export function describeProblem(problem: ConfigProblem): string {
  const place = problem.line === undefined ? problem.where : `${problem.where}:${problem.line}`;
  return problem.key === undefined
    ? `${place}: ${problem.message}`
    : `${place}: ${problem.key}: ${problem.message}`;
}

function parse(name: KeyName, text: string): Parsed<unknown> {
  return KEYS[name].parse(text);
}

function valueOfDefault(name: KeyName): unknown {
  const parsed = parse(name, KEYS[name].fallback);
  return "value" in parsed ? parsed.value : undefined;
}

function isKeyName(key: string): key is KeyName {
  return Object.hasOwn(KEYS, key);
}

function used(name: KeyName, origin: ConfigOrigin | undefined, text: string | undefined): string {
  const inForce = text ?? KEYS[name].fallback;
  if (inForce === "") return "it stays unset.";
  const word =
    origin === undefined || origin.from === "default" || origin.from === "shipped" ? "default" : "earlier";
  const shown = KEYS[name].secret === undefined ? ` "${shorten(inForce)}"` : "";
  return `the ${word} value${shown} is used.`;
}

/** What is switched on but cannot work. */
function incomplete(values: ReadonlyMap<KeyName, unknown>, where: string): readonly ConfigProblem[] {
  const needs = [
    ["NOTIFY_NTFY", "NTFY_URL"],
    ["NOTIFY_WEBHOOK", "WEBHOOK_URL"],
    ["NOTIFY_COMMAND", "COMMAND"],
  ] as const;
  return needs
    .filter(([enable, need]) => values.get(enable) === true && values.get(need) === undefined)
    .map(([enable, need]) => ({
      where,
      line: undefined,
      key: enable,
      message: `It is yes, but ${need} is not set; nothing is sent that way.`,
    }));
}

/** The name of a setting that differs in few letters, for people who misspell one. */
function closest(key: string): KeyName | undefined {
  const upper = key.toUpperCase();
  const letters = upper.replaceAll("_", "");
  return KEY_NAMES.find((name) => name === upper || name.replaceAll("_", "") === letters);
}

function readSmallFile(
  file: string,
  longest: number,
): { readonly value: string } | { readonly problem: string; readonly absent: boolean } {
  try {
    const status = statSync(file);
    // A pipe or a device in its place would hold the service up for ever.
    if (!status.isFile()) return { problem: "is not a plain file", absent: false };
    if (status.size > longest) return { problem: `is larger than ${longest} bytes`, absent: false };
    return { value: readFileSync(file, "utf8") };
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "unknown error";
    const absent = code === "ENOENT";
    return { problem: absent ? "does not exist" : `cannot be read (${code})`, absent };
  }
}

function exists(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false }) !== undefined;
}

function shorten(text: string): string {
  // Values are shown in logs and terminals, and may be anything.
  const plain = text.replace(/[\u0000-\u001f\u007f-\u009f]/g, "?");
  return plain.length > 60 ? `${plain.slice(0, 59)}…` : plain;
}
