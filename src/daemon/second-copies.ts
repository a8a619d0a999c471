import { spawn } from "node:child_process";
import { accessSync, constants, existsSync, statfsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Clock } from "../clock.ts";
import type { Config } from "../config.ts";
import type { HostPaths } from "../host-paths.ts";
import { secondCopies } from "../store/second-copy.ts";
import type { ServiceLog } from "./log.ts";

/** The first copy is made this long after the start, the next ones a day apart (ms). */
const FIRST = 600_000;
const DAY = 86_400_000;
/** File systems that are gone at a reboot: tmpfs, ramfs. */
const MEMORY: ReadonlySet<number> = new Set([0x01021994, 0x858458f6]);

/**
 * Where second copies go: the directory that is set, else one on another device than the history, else beside it;
 * undefined where they are switched off.
 */
export function secondCopyDirectory(
  { SECOND_COPY: wanted }: Pick<Config, "SECOND_COPY">,
  database: string,
  paths: HostPaths,
  env: NodeJS.ProcessEnv,
): string | undefined {
  if (wanted === "off") return undefined;
  if (wanted !== "auto") return wanted;
  const home = dirname(database);
  const others = [
    // Unraid: the flash stick, and a share that is on the array or a pool.
    paths.at("/boot/config/plugins/vfio-watch"),
    ...(existsSync(paths.at("/mnt/user/appdata")) ? [paths.at("/mnt/user/appdata/vfio-watch")] : []),
    // What systemd lets the service write besides its state.
    ...[env.LOGS_DIRECTORY, env.CACHE_DIRECTORY].flatMap((list) => list?.split(":")[0] ?? []),
    paths.at("/var/backups/vfio-watch"),
  ];
  return others.find((place) => isElsewhere(place, home)) ?? home;
}

function isElsewhere(place: string, home: string): boolean {
  const parent = existsSync(place) ? place : dirname(place);
  try {
    accessSync(parent, constants.W_OK);
    return statSync(parent).dev !== statSync(home).dev && !MEMORY.has(statfsSync(parent).type);
  } catch {
    return false;
  }
}

/** All second copies of a history that are there, the newest of each place first. */
export function existingCopies(
  config: Pick<Config, "SECOND_COPY">,
  database: string,
  paths: HostPaths,
  env: NodeJS.ProcessEnv,
): readonly string[] {
  const directory = secondCopyDirectory(config, database, paths, env);
  const places = new Set([directory ?? dirname(database), dirname(database)]);
  return [...places].flatMap((place) => secondCopies(database, place)).filter(existsSync);
}

/**
 * Makes second copies now and then, each in a child of its own: packing ten years takes a second and some memory. Ends
 * with the clock.
 */
export function createSecondCopies(options: {
  readonly config: () => Config;
  readonly database: string;
  readonly paths: HostPaths;
  readonly environment: NodeJS.ProcessEnv;
  readonly clock: Clock;
  readonly log: ServiceLog;
}): void {
  const { clock, log, database, paths, environment } = options;
  const make = () => {
    clock.after(DAY, make);
    const [, script] = process.argv;
    const directory = secondCopyDirectory(options.config(), database, paths, environment);
    if (directory === undefined || script === undefined || paths.root !== "/") return;
    const words = [script, "second-copy-child", database, join(directory)];
    const child = spawn(process.execPath, words, { stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    child.stderr.on("data", (bytes: Buffer) => {
      said = `${said}${bytes.toString()}`.slice(0, 1000);
    });
    child.on("error", (error) => log.warn(`no second copy of the history: ${error.message}`));
    child.on("close", (code) => {
      if (code !== 0) log.warn(`no second copy of the history: ${said.trim()}`);
    });
    child.unref();
  };
  clock.after(FIRST, make);
}
