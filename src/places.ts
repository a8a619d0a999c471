import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Config, LoadedConfig } from "./config.ts";
import type { HostPaths } from "./host-paths.ts";

const ON_FLASH = "/boot/config/plugins/vfio-watch/history.db";
const IN_STATE = "/var/lib/vfio-watch/history.db";

/**
 * The history's file: the setting, else systemd's state directory, else the flash stick on Unraid (whose root file
 * system is RAM, law 9), else `/var/lib`, or a place of the user's own when not root.
 */
export function databaseFile(
  { config, origins }: Pick<LoadedConfig, "config" | "origins">,
  paths: HostPaths,
  unraid: boolean,
  env: NodeJS.ProcessEnv,
): string {
  // The settings name the usual place where the owner named none; that one may lie elsewhere, as told above.
  const usual = unraid ? ON_FLASH : IN_STATE;
  const isNamed = config.DATABASE !== usual || origins.DATABASE.from === "environment";
  if (config.DATABASE !== "" && isNamed) return config.DATABASE;
  if (env.STATE_DIRECTORY) return join(env.STATE_DIRECTORY.split(":")[0] ?? "", "history.db");
  if (unraid) return paths.at(ON_FLASH);
  if (process.getuid?.() === 0) return paths.at(IN_STATE);
  return ofUser(env);
}

function ofUser(env: NodeJS.ProcessEnv): string {
  const state = env.XDG_STATE_HOME || join(env.HOME || "/tmp", ".local", "state");
  return join(state, "vfio-watch", "history.db");
}

/**
 * The history that a command asks: where this user has none of their own and root's service keeps one, that one, so that
 * they hear that it needs root and not that there is none.
 */
export function askedDatabase(
  loaded: Pick<LoadedConfig, "config" | "origins">,
  paths: HostPaths,
  unraid: boolean,
  env: NodeJS.ProcessEnv,
): string {
  const own = databaseFile(loaded, paths, unraid, env);
  const roots = paths.at(IN_STATE);
  return own === ofUser(env) && !existsSync(own) && existsSync(dirname(roots)) ? roots : own;
}

/** The shipped `config` directory: beside the sources in a checkout, beside the bundle in a release. */
export function shippedConfigDirectory(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  const places = [join(here, "..", "config"), join(here, "config"), join(here, "..", "share", "config")];
  return places.find((place) => existsSync(join(place, "signatures"))) ?? join(here, "..", "config");
}

/** Where records of the world's firmware lie: the shipped ones, and the owner's beside the settings where there are any. */
export function knownFirmwareDirectories(settingsFile: string): {
  readonly shipped: string;
  readonly own?: string;
} {
  const own = join(dirname(settingsFile), "known-firmware");
  return { shipped: join(shippedConfigDirectory(), "known-firmware"), ...(existsSync(own) && { own }) };
}

/** Where the owner's own signatures lie: the setting, else `signatures` beside the settings file where it exists. */
export function userSignatures(config: Config, settingsFile: string): string | undefined {
  if (config.SIGNATURES_DIRECTORY !== "") return config.SIGNATURES_DIRECTORY;
  const beside = join(dirname(settingsFile), "signatures");
  return existsSync(beside) ? beside : undefined;
}
