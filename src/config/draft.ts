import { CHANNELS } from "../alerts/channels/all.ts";
import { oneLine } from "../hostile-text.ts";
import type { Parsed } from "../settings/parsed.ts";
import { readSmallFile } from "../settings/read-small-file.ts";
import { type Config, KEY_NAMES, KEYS, type KeyName } from "./keys.ts";
import type { ConfigOrigin, ConfigPaths, ConfigProblem, LoadedConfig } from "./loaded.ts";

/** Settings as they come together, one source over the other. */
export interface Draft {
  /** A file that is worth watching, whether it exists or not. */
  looksAt(file: string): void;
  report(problem: {
    readonly where: string;
    readonly line?: number;
    readonly key?: string | undefined;
    readonly message: string;
  }): void;
  /** Takes one assignment, or reports why not. */
  take(key: string, text: string, origin: GivenOrigin): void;
  /** Takes the value of `key` from the file that the setting `file` names, if it names one. */
  takeSecretFile(key: KeyName, file: KeyName): void;
  finish(paths: ConfigPaths): LoadedConfig;
}

type GivenOrigin = Exclude<ConfigOrigin, { readonly from: "default" }>;

/** More than this many problems are only counted. */
const PROBLEMS_SHOWN = 50;
const LONGEST_SECRET = 4_096;

/** Begins with the defaults. */
export function createDraft(): Draft {
  const problems: ConfigProblem[] = [];
  const files = new Set<string>();
  const values = new Map<KeyName, unknown>(KEY_NAMES.map((name) => [name, defaultOf(name)]));
  const texts = new Map<KeyName, string>();
  const origins = new Map<KeyName, ConfigOrigin>(KEY_NAMES.map((name) => [name, { from: "default" }]));
  let unshown = 0;

  const report: Draft["report"] = ({ where, line, key, message }) => {
    if (problems.length < PROBLEMS_SHOWN) problems.push({ where, line, key, message });
    else unshown++;
  };

  const take: Draft["take"] = (key, text, origin) => {
    const at =
      origin.from === "environment" ? { where: origin.from } : { where: origin.file, line: origin.line };
    if (!isKeyName(key)) {
      const meant = closest(key);
      const hint = meant === undefined ? "" : ` Is ${meant} meant?`;
      report({ ...at, key, message: `There is no setting of this name; it is ignored.${hint}` });
      return;
    }
    if (text.trim() === "") {
      values.set(key, defaultOf(key));
      texts.delete(key);
      origins.set(key, { from: "default" });
      return;
    }
    const parsed = parse(key, text.trim());
    if ("problem" in parsed) {
      const shown = KEYS[key].secret === undefined ? `"${shorten(text)}"` : "The value";
      const instead = used(key, origins.get(key), texts.get(key));
      report({ ...at, key, message: `${shown} ${parsed.problem}; ${instead}` });
      return;
    }
    values.set(key, parsed.value);
    texts.set(key, text.trim());
    origins.set(key, origin);
  };

  const takeSecretFile: Draft["takeSecretFile"] = (key, file) => {
    const name = values.get(file);
    if (typeof name !== "string" || name === "") return;
    files.add(name);
    const origin = origins.get(file) ?? { from: "default" };
    const content = readSmallFile(name, LONGEST_SECRET);
    const parsed: Parsed<unknown> = "problem" in content ? content : parse(key, content.value.trim());
    if ("problem" in parsed) {
      const at = "file" in origin ? { where: origin.file, line: origin.line } : { where: name };
      const rest = `so ${key} ${values.get(key) === undefined ? "is not set" : "is used as it stands"}`;
      report({ ...at, key: file, message: `The file ${shorten(name)} ${parsed.problem}, ${rest}.` });
      return;
    }
    values.set(key, parsed.value);
    origins.set(key, origin);
  };

  return {
    looksAt: (file) => files.add(file),
    report,
    take,
    takeSecretFile,
    finish(paths) {
      if (values.get("DATABASE") === "") {
        const onFlash = "/boot/config/plugins/vfio-watch/history.db";
        values.set("DATABASE", paths.unraid ? onFlash : "/var/lib/vfio-watch/history.db");
      }
      reportIncomplete(values, paths.overrideFile, report);
      if (unshown > 0) {
        const message = `${unshown} more problems are not shown. Is this the right file?`;
        problems.push({ where: paths.overrideFile, line: undefined, key: undefined, message });
      }
      return {
        // Every name was given its default above, and each value came out of its own key's parse.
        config: Object.fromEntries(values) as unknown as Config,
        problems,
        origins: Object.fromEntries(origins) as Record<KeyName, ConfigOrigin>,
        files: [...files],
      };
    },
  };
}

function parse(name: KeyName, text: string): Parsed<unknown> {
  return KEYS[name].parse(text);
}

function defaultOf(name: KeyName): unknown {
  const parsed = parse(name, KEYS[name].fallback);
  if ("problem" in parsed) throw new Error(`the default of ${name} ${parsed.problem}`);
  return parsed.value;
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

/** Reports what is switched on but cannot work. */
function reportIncomplete(
  values: ReadonlyMap<KeyName, unknown>,
  where: string,
  report: Draft["report"],
): void {
  const config = Object.fromEntries(values) as Config;
  for (const kind of CHANNELS) {
    const enable = `NOTIFY_${kind.name.toUpperCase()}`;
    if (!isKeyName(enable) || (values.get(enable) !== true && values.get(enable) !== "yes")) continue;
    if (kind.isOn(config, { unraid: false, proxmox: false })) continue;
    report({
      where,
      key: enable,
      message: `It is yes, but ${kind.needs} is not set; nothing is sent that way.`,
    });
  }
}

/** The name of a setting that differs in few letters, for people who misspell one. */
function closest(key: string): KeyName | undefined {
  const upper = key.toUpperCase();
  const letters = upper.replaceAll("_", "");
  return KEY_NAMES.find((name) => name === upper || name.replaceAll("_", "") === letters);
}

function shorten(text: string): string {
  // Values are shown in logs and terminals, and may be anything.
  return oneLine(text, 60);
}
