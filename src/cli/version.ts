import { readFileSync } from "node:fs";

/** Replaced by the bundler; in a checkout the version comes from package.json. */
declare const BUNDLED_VERSION: string | undefined;

/** The program's version. */
export function programVersion(): string {
  if (typeof BUNDLED_VERSION === "string") return BUNDLED_VERSION;
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

/** What `--version` prints: program, Node and SQLite, for a bug report. */
export async function versionText(): Promise<string> {
  return `vfio-watch ${programVersion()} (Node ${process.versions.node}, SQLite ${await sqliteVersion()})`;
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
