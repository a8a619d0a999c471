import { statSync } from "node:fs";
import { createDraft, type Draft } from "./config/draft.ts";
import { type Config, type KeyName, SECRET_FILES } from "./config/keys.ts";
import type { ConfigOrigin, ConfigPaths, ConfigProblem, LoadedConfig } from "./config/loaded.ts";
import type { HostPaths } from "./host-paths.ts";
import { LONGEST_FILE, parseFlatFile } from "./settings/flat-file.ts";
import { readSmallFile } from "./settings/read-small-file.ts";

export type { Config, ConfigOrigin, ConfigPaths, ConfigProblem, KeyName, LoadedConfig };

const PREFIX = "VFIO_WATCH_";
/** Variables of that prefix which name no setting: where to find the settings, the host's root, run-time files. */
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
  const draft = createDraft();
  if (paths.shippedFile !== undefined) takeFile(draft, "shipped", paths.shippedFile);
  takeFile(draft, "override", paths.overrideFile);
  for (const [variable, text] of Object.entries(environment)) {
    if (text === undefined || !variable.startsWith(PREFIX) || OTHER_VARIABLES.has(variable)) continue;
    draft.take(variable.slice(PREFIX.length), text, { from: "environment", variable });
  }
  for (const { key, file } of SECRET_FILES) draft.takeSecretFile(key, file);
  return draft.finish(paths);
}

/**
 * Reads settings that are not in force yet, as the owner's file would be read; `where` names them in problems.
 * Files that hold secrets are looked at.
 */
export function loadConfigText(
  text: string,
  options: { readonly where: string; readonly unraid: boolean },
): LoadedConfig {
  const { where, unraid } = options;
  const draft = createDraft();
  takeText(draft, "override", where, text);
  for (const { key, file } of SECRET_FILES) draft.takeSecretFile(key, file);
  return draft.finish({ shippedFile: undefined, overrideFile: where, unraid });
}

function takeFile(draft: Draft, from: "shipped" | "override", file: string): void {
  draft.looksAt(file);
  const content = readSmallFile(file, LONGEST_FILE);
  if ("problem" in content) {
    if (content.absent && from === "override") return;
    const instead = from === "override" ? "it is ignored" : "the built-in defaults are used";
    draft.report({ where: file, message: `The file ${content.problem}; ${instead}.` });
    return;
  }
  takeText(draft, from, file, content.value);
}

function takeText(draft: Draft, from: "shipped" | "override", file: string, text: string): void {
  const { assignments, problems } = parseFlatFile(text);
  for (const { line, key, message, ignored } of problems) {
    const sentence = `${message[0]?.toUpperCase()}${message.slice(1)}`;
    draft.report({
      where: file,
      line,
      key,
      message: ignored ? `${sentence}; the line is ignored.` : `${sentence}.`,
    });
  }
  for (const { key, value, line } of assignments) draft.take(key, value, { from, file, line });
}

/** One line for a log: `/boot/…/vfio-watch.cfg:12: LOG_LEVEL: …`. */
export function describeProblem(problem: ConfigProblem): string {
  const place = problem.line === undefined ? problem.where : `${problem.where}:${problem.line}`;
  return problem.key === undefined
    ? `${place}: ${problem.message}`
    : `${place}: ${problem.key}: ${problem.message}`;
}

function exists(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false }) !== undefined;
}
