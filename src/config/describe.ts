import { quoteValue } from "../settings/flat-file.ts";
import type { Key } from "../settings/value-kinds.ts";
import { type Config, KEY_NAMES, KEYS, type KeyName } from "./keys.ts";
import type { ConfigOrigin, LoadedConfig } from "./loaded.ts";

/** One line of `vfio-watch config`. */
export interface EffectiveSetting {
  readonly key: KeyName;
  /** As it would stand in the file; secrets masked. */
  readonly value: string;
  readonly origin: ConfigOrigin;
  /** The origin for a person: `default`, `/etc/vfio-watch/vfio-watch.cfg:12`, `$VFIO_WATCH_LOG_LEVEL`. */
  readonly from: string;
}

/** The effective settings in the order of the shipped file, with where each comes from. */
export function effectiveSettings(loaded: LoadedConfig): readonly EffectiveSetting[] {
  return KEY_NAMES.map((key) => {
    const origin = loaded.origins[key];
    return { key, value: shownValue(key, loaded.config[key]), origin, from: describeOrigin(origin) };
  });
}

function describeOrigin(origin: ConfigOrigin): string {
  if (origin.from === "default") return "default";
  return origin.from === "environment" ? `$${origin.variable}` : `${origin.file}:${origin.line}`;
}

/** A value as it would stand in the file; of a secret only that it is set, of a secret address only the server. */
export function shownValue(key: KeyName, value: Config[KeyName]): string {
  const definition: Key<unknown> = KEYS[key];
  if (value === undefined) return definition.expects.includes("never") ? "never" : "";
  if (definition.secret === "whole") return value === "" ? "" : "(set)";
  if (value instanceof URL) return maskedAddress(value);
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "string" || typeof value === "number") return String(value);
  if ("from" in value) return `${timeOfDay(value.from)}-${timeOfDay(value.to)}`;
  if (definition.secret === "arguments") return maskedCommand(value);
  return value.length === 0 ? "none" : value.join(",");
}

/** A command without its arguments: `/usr/local/bin/tell (2 arguments)`. */
function maskedCommand([program = "", ...rest]: readonly string[]): string {
  if (rest.length === 0) return program;
  return `${program} (${rest.length} argument${rest.length === 1 ? "" : "s"})`;
}

/** An address without user, password, path and query, any of which may be a secret: `https://discord.com/…`. */
function maskedAddress(url: URL): string {
  const bare = url.pathname === "/" && url.search === "" && url.username === "" && url.password === "";
  // Of protocols that are not the web's an address has no origin.
  const server = `${url.protocol}//${url.host}`;
  return bare ? server : `${server}/…`;
}

function timeOfDay(minutes: number): string {
  const two = (number: number) => String(number).padStart(2, "0");
  return `${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}

/** The shipped `config/vfio-watch.cfg`: every key with its meaning and its default. */
export function shippedFile(): string {
  const blocks = KEY_NAMES.map((name) => {
    const { meaning, expects, fallback } = KEYS[name];
    const comments = [...meaning.split("\n"), `Expects ${expects}.`].map((line) => `# ${line}`);
    return [...comments, `${name}=${quoteValue(fallback) ?? '""'}`].join("\n");
  });
  return `${HEAD}\n${blocks.join("\n\n")}\n`;
}

// Unraid's settings page reads this file with tags and entities removed, so no angle brackets and no ampersands here.
const HEAD = `# The defaults of vfio-watch. Do not change this file, an update replaces it. Put the lines that you want to
# change into /etc/vfio-watch/vfio-watch.cfg, on Unraid /boot/config/plugins/vfio-watch/vfio-watch.cfg (its settings
# page does that). Changes there are taken up at once. vfio-watch config shows what is in force.
#
# One KEY="value" a line; comments on lines of their own; single quotes where the value holds $ or a backslash.
# An empty value means the default. VFIO_WATCH_KEY in the environment of the service beats both files.
`;
