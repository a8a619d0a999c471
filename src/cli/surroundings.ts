import { join } from "node:path";
import { configPaths, type LoadedConfig, loadConfig } from "../config.ts";
import { type Catalogue, loadCatalogue } from "../diagnosis/catalogue.ts";
import { createHostPaths, type HostPaths } from "../host-paths.ts";
import type { Signature } from "../model/catalogue.ts";
import type { SignatureId } from "../model/identifiers.ts";
import { askedDatabase, shippedConfigDirectory, userSignatures } from "../places.ts";
import { openStore } from "../store/open.ts";
import type { Store } from "../store/store.ts";
import { type CommandIo, EXIT, Refusal } from "./command.ts";

/** What every command finds out first: the host's root, the settings, where things lie. */
export interface Surroundings {
  readonly paths: HostPaths;
  readonly unraid: boolean;
  readonly settingsFile: string;
  readonly loaded: LoadedConfig;
  readonly database: string;
  /** The history was asked for by an option or the environment, and not found in its usual place. */
  readonly isNamed: boolean;
}

/** Reads the surroundings. `VFIO_WATCH_ROOT` names a recorded tree, `VFIO_WATCH_CONFIG` another settings file. */
export function findSurroundings(env: NodeJS.ProcessEnv, databaseOption?: string): Surroundings {
  const paths = createHostPaths(env.VFIO_WATCH_ROOT || "/");
  const places = configPaths(paths, join(shippedConfigDirectory(), "vfio-watch.cfg"), env);
  const loaded = loadConfig({ paths: places, environment: env });
  return {
    paths,
    unraid: places.unraid,
    settingsFile: places.overrideFile,
    loaded,
    database: databaseOption ?? askedDatabase(loaded, paths, places.unraid, env),
    isNamed: databaseOption !== undefined || loaded.origins.DATABASE.from === "environment",
  };
}

/** The catalogue with the owner's own signatures; its problems go to standard error. */
export function findCatalogue(surroundings: Surroundings, io: Pick<CommandIo, "err">): Catalogue {
  const user = userSignatures(surroundings.loaded.config, surroundings.settingsFile);
  const { catalogue, problems } = loadCatalogue({
    shippedDirectory: join(shippedConfigDirectory(), "signatures"),
    ...(user !== undefined && { userDirectory: user }),
  });
  for (const { file, line, reason } of problems) {
    io.err(`vfio-watch: ${file}${line === undefined ? "" : `:${line}`}: ${reason}\n`);
  }
  return catalogue;
}

/** Finds a signature by its id, for evidence that comes out of the store. */
export function signatureLookup(catalogue: Catalogue): (id: SignatureId) => Signature | undefined {
  const byId = new Map(catalogue.signatures.map((signature) => [signature.id, signature]));
  return (id) => byId.get(id);
}

/** Opens the history to read, runs `use` and closes it; says what to do where there is none. */
export async function withHistory(
  database: string,
  io: CommandIo,
  use: (store: Store) => number | Promise<number>,
): Promise<number> {
  const opened = openStore({ path: database, readOnly: true, clock: { now: Date.now } });
  if (opened.state === "refused") {
    io.err(`vfio-watch: ${opened.why} ${opened.remedy}\n`);
    return EXIT.failure;
  }
  try {
    return await use(opened.store);
  } finally {
    opened.store.close();
  }
}

/**
 * The history for a command that has something to say without one, too; `why` is then why it is not there. Throws
 * `Refusal` where somebody has named it.
 */
export function openIfThere(
  { database }: Surroundings,
  named: string | undefined,
): { readonly store: Store | undefined; readonly why: string | undefined } {
  const opened = openStore({ path: database, readOnly: true, clock: { now: Date.now } });
  if (opened.state === "open") return { store: opened.store, why: undefined };
  const why = `${opened.why} ${opened.remedy}`;
  if (named !== undefined) throw new Refusal(why);
  return { store: undefined, why: opened.reason === "missing" ? undefined : why };
}

/** Options of every command that reads the history. */
export const HISTORY_OPTIONS = {
  database: { type: "string" },
  json: { type: "boolean" },
  utc: { type: "boolean" },
} as const;

export const HISTORY_OPTIONS_HELP = `  --database FILE    another history than the service's
  --json             one JSON document instead of text
  --utc              times in UTC, not in this machine's time zone`;
