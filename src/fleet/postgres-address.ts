import type { Parsed } from "../settings/parsed.ts";
import { type AddressKind, address, type Key, parseAddress } from "../settings/value-kinds.ts";

const POSTGRES: AddressKind = {
  expects: "a PostgreSQL address (postgresql://user@server:5432/database)",
  protocols: ["postgresql:", "postgres:"],
  problems: { none: "is no address", protocol: "does not begin with postgresql://" },
  check(url) {
    if (url.username === "") return "names no user (postgresql://user@server/database)";
    if (url.pathname.length < 2) return "names no database (postgresql://user@server/database)";
    return undefined;
  },
};

/** A PostgreSQL connection string; undefined while it is empty. All but the server is shown to nobody. */
export function postgresAddress(meaning: string): Key<URL | undefined> {
  return address(POSTGRES, meaning);
}

/** Reads a connection string; the problem never repeats the text, for it may hold a password. */
export function parsePostgresAddress(value: string): Parsed<URL | undefined> {
  return parseAddress(POSTGRES, value);
}
