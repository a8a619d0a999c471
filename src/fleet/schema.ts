import { accessOf, type FleetGroups } from "./schema-access.ts";
import { TABLES } from "./schema-tables.ts";

/** One step of the server's schema. Never edited once released: a later change is a new entry. */
export interface FleetMigration {
  readonly version: number;
  readonly sql: (groups: FleetGroups) => string;
}

/** Everything lies in a schema of its own, so that a database may hold other things too. */
export const FLEET_SCHEMA = "vfio_watch";

/** Every step from an empty schema to today, in order. */
export const FLEET_MIGRATIONS: readonly FleetMigration[] = [
  { version: 1, sql: (groups) => `${TABLES}${accessOf(groups)}` },
];

/** The version that this program reads and writes; a server that is further on still takes what it sends. */
export const FLEET_VERSION = FLEET_MIGRATIONS.length;
