import type { Parsed } from "../settings/parsed.ts";
import type { Key } from "../settings/value-kinds.ts";

/** A PostgreSQL connection string; undefined while it is empty. All but the server is shown to nobody. */
export function postgresAddress(meaning: string): Key<URL | undefined> {
  return {
    expects: "a PostgreSQL address (postgresql://user@server:5432/database)",
    fallback: "",
    meaning,
    secret: "after-host",
    field: { kind: "address" },
    parse: parsePostgresAddress,
  };
}

/** Reads a connection string; the problem never repeats the text, for it may hold a password. */
export function parsePostgresAddress(value: string): Parsed<URL | undefined> {
  if (value === "") return { value: undefined };
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (url === undefined) return { problem: "is no address" };
  if (url.protocol !== "postgresql:" && url.protocol !== "postgres:")
    return { problem: "does not begin with postgresql://" };
  if (url.username === "") return { problem: "names no user (postgresql://user@server/database)" };
  if (url.pathname.length < 2) return { problem: "names no database (postgresql://user@server/database)" };
  return { value: url };
}
