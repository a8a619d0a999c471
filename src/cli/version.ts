import { readFileSync } from "node:fs";
import type { CommandIo } from "./command.ts";

/** Replaced by the bundler; in a checkout the version comes from package.json. */
declare const BUNDLED_VERSION: string | undefined;

/** The program's version. */
export function programVersion(): string {
  if (typeof BUNDLED_VERSION === "string") return BUNDLED_VERSION;
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

/** What `--version` prints, for a bug report: program, Node, SQLite, and which messages are known. */
export async function versionText(io: CommandIo): Promise<string> {
  const runtime = `Node ${process.versions.node}, SQLite ${await sqliteVersion()}`;
  return `vfio-watch ${programVersion()} (${runtime}, ${await catalogueVersion(io)})`;
}

/** Signatures have no version of their own: their number, and a hash that changes with any of them. */
async function catalogueVersion(io: CommandIo): Promise<string> {
  const { createHash } = await import("node:crypto");
  const { findCatalogue, findSurroundings } = await import("./surroundings.ts");
  const { signatures } = findCatalogue(findSurroundings(io.env), io);
  const hash = createHash("sha256").update(JSON.stringify(signatures)).digest("hex").slice(0, 8);
  return `catalogue ${hash} with ${signatures.length} signatures`;
}

async function sqliteVersion(): Promise<string> {
  try {
    const { default: Database } = await import("better-sqlite3");
    const database = new Database(":memory:");
    const version = database.prepare("select sqlite_version()").pluck().get();
    database.close();
    return String(version);
  } catch (error) {
    return `not usable: ${error instanceof Error ? error.message : String(error)}`;
  }
}
