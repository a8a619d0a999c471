import type { Client as PgClient } from "pg";
import { type FleetServer, rootCertificates, serverName } from "./server.ts";

/** A connection, as far as the fleet uses it. */
export interface FleetConnection {
  /** Rows of one statement with its values. */
  rows<Row>(sql: string, values?: readonly unknown[]): Promise<readonly Row[]>;
  /** How many rows a statement changed. */
  affected(sql: string, values: readonly unknown[]): Promise<number>;
  /** Several statements without values. */
  run(sql: string): Promise<void>;
  /** All or nothing. */
  transaction<T>(work: () => Promise<T>): Promise<T>;
}

export type Connected<T> =
  | { readonly state: "done"; readonly value: T }
  /** `needsPerson`: trying again changes nothing. */
  | { readonly state: "failed"; readonly error: string; readonly needsPerson: boolean };

/** A statement that the server refuses for a reason that a person has to know. */
export class FleetRefusal extends Error {}

const CONNECT_MS = 10_000;

/**
 * Connects, does `work` and leaves. What the server or the way to it refuses is a value, in a sentence without a secret.
 * Loads `pg`, so only children and the command `fleet` call it.
 */
export async function withFleet<T>(
  server: FleetServer,
  work: (connection: FleetConnection) => Promise<T>,
  limits: { readonly connectMs?: number; readonly statementMs?: number } = {},
): Promise<Connected<T>> {
  let client: PgClient | undefined;
  try {
    const { default: pg } = await import("pg");
    const ca = rootCertificates(server);
    client = new pg.Client({
      host: server.host,
      port: server.port,
      database: server.database,
      user: server.user,
      // A function would be asked later; without one pg looks into ~/.pgpass and PGPASSWORD.
      ...(server.password !== undefined && { password: server.password }),
      ssl: server.tls.kind === "none" ? false : { rejectUnauthorized: true, ...(ca !== undefined && { ca }) },
      application_name: "vfio-watch",
      connectionTimeoutMillis: limits.connectMs ?? CONNECT_MS,
      ...(limits.statementMs !== undefined && {
        statement_timeout: limits.statementMs,
        query_timeout: limits.statementMs,
      }),
    });
    // A server that ends the connection says so by an event, which without a listener would end the process.
    client.on("error", () => {});
    await client.connect();
    return { state: "done", value: await work(asConnection(client)) };
  } catch (error) {
    return { state: "failed", ...explain(error, server) };
  } finally {
    await client?.end().catch(() => {});
  }
}

function asConnection(client: PgClient): FleetConnection {
  return {
    async rows<Row>(sql: string, values: readonly unknown[] = []) {
      return (await client.query(sql, [...values])).rows as Row[];
    },
    async affected(sql, values) {
      return (await client.query(sql, [...values])).rowCount ?? 0;
    },
    async run(sql) {
      await client.query(sql);
    },
    async transaction(work) {
      await client.query("BEGIN");
      try {
        const value = await work();
        await client.query("COMMIT");
        return value;
      } catch (error) {
        await client.query("ROLLBACK").catch(() => {});
        throw error;
      }
    },
  };
}

/** SQLSTATE by class: what a person has to mend. */
const FOR_PEOPLE: readonly (readonly [code: RegExp, what: string])[] = [
  [/^28/, "the server refuses the user or the password; make a new address with 'vfio-watch fleet add'"],
  [/^3D000/, "there is no such database"],
  [
    /^(?:42P01|3F000|42883|42703)/,
    "the database is not prepared for this version: run 'vfio-watch fleet init URL' as its owner",
  ],
  [/^42501/, "this user has no right to do that"],
  [/^55P03/, "a host's session holds the tables for more than a minute; try again"],
];

function explain(
  error: unknown,
  server: FleetServer,
): { readonly error: string; readonly needsPerson: boolean } {
  const { code = "", message = String(error) } = (error ?? {}) as { code?: string; message?: string };
  const place = serverName(server);
  if (error instanceof FleetRefusal) return { error: `${place}: ${message}`, needsPerson: true };
  const known = FOR_PEOPLE.find(([pattern]) => pattern.test(code));
  if (known !== undefined) return { error: `${place}: ${known[1]} (${oneLine(message)})`, needsPerson: true };
  const isTls = /certificate|self.signed|does not support SSL|altnames/i.test(`${code} ${message}`);
  return { error: `${place}: ${oneLine(message === "" ? code : message)}`, needsPerson: isTls };
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, " ").slice(0, 300);
}
