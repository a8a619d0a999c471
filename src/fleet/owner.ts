import { createHash, createHmac, pbkdf2Sync, randomBytes } from "node:crypto";
import { oneLine } from "../hostile-text.ts";
import { type FleetConnection, FleetRefusal } from "./connect.ts";
import { FLEET_MIGRATIONS, FLEET_SCHEMA, FLEET_VERSION } from "./schema.ts";
import type { FleetGroups } from "./schema-access.ts";

/** Two owners that prepare one database take turns. */
const LOCK = 0x5646494f;
const LONGEST_LABEL = 100;

/** Makes the tables, or brings them up to this version; returns the versions before and after. */
export async function prepareFleet(
  fleet: FleetConnection,
): Promise<{ readonly from: number; readonly to: number }> {
  return fleet.transaction(async () => {
    await fleet.rows("SELECT pg_advisory_xact_lock($1)", [LOCK]);
    await fleet.run(
      `CREATE SCHEMA IF NOT EXISTS ${FLEET_SCHEMA}; REVOKE ALL ON SCHEMA ${FLEET_SCHEMA} FROM PUBLIC;
       SET LOCAL search_path = ${FLEET_SCHEMA}, pg_temp;
       CREATE TABLE IF NOT EXISTS version (version integer NOT NULL, hosts name NOT NULL, readers name NOT NULL)`,
    );
    const groups = await makeGroups(fleet);
    const from = await versionOf(fleet);
    if (from > FLEET_VERSION)
      throw new FleetRefusal(
        `the database is of version ${from} and this program knows ${FLEET_VERSION}: use a newer vfio-watch`,
      );
    for (const { version, sql } of FLEET_MIGRATIONS) {
      if (version <= from) continue;
      await fleet.run(sql(groups));
      await fleet.rows("UPDATE version SET version = $1", [version]);
    }
    return { from, to: FLEET_VERSION };
  });
}

/**
 * The roles that give a fleet's hosts and readers their rights. Roles are the whole server's, so that each fleet has its
 * own: else those of one could ask the other. A database that was restored elsewhere gets them again.
 */
async function makeGroups(fleet: FleetConnection): Promise<FleetGroups> {
  const [kept] = await fleet.rows<FleetGroups>("SELECT hosts, readers FROM version");
  const name = randomBytes(6).toString("hex");
  const groups = kept ?? { hosts: `vfio_watch_hosts_${name}`, readers: `vfio_watch_readers_${name}` };
  for (const role of [groups.hosts, groups.readers]) {
    const [known] = await fleet.rows("SELECT 1 FROM pg_roles WHERE rolname = $1", [role]);
    if (known === undefined) await fleet.run(`CREATE ROLE ${role} NOLOGIN`);
  }
  if (kept === undefined)
    await fleet.rows("INSERT INTO version VALUES (0, $1, $2)", [groups.hosts, groups.readers]);
  return groups;
}

async function versionOf(fleet: FleetConnection): Promise<number> {
  const [row] = await fleet.rows<{ version: number }>(`SELECT version FROM ${FLEET_SCHEMA}.version`);
  return row?.version ?? 0;
}

/** Refuses a database of an older version; one that is further on still takes and tells the same. */
export async function expectVersion(fleet: FleetConnection): Promise<void> {
  const version = await versionOf(fleet);
  if (version < FLEET_VERSION)
    throw new FleetRefusal(
      `the database is of version ${version}, this program needs ${FLEET_VERSION}: run 'vfio-watch fleet init URL' as its owner`,
    );
}

/** A user of the database, with the password that is shown once. */
export interface NewRole {
  readonly role: string;
  readonly password: string;
}

/** Makes the role of a host, or one that asks questions. Its name says nothing: every role can list all names. */
export async function addRole(
  fleet: FleetConnection,
  label: string,
  kind: "host" | "reader",
): Promise<NewRole> {
  if (label.trim() === "" || label.length > LONGEST_LABEL || oneLine(label) !== label)
    throw new FleetRefusal(`a label has 1 to ${LONGEST_LABEL} characters that can be typed`);
  const role = `vfio_watch_${kind[0]}_${randomBytes(6).toString("hex")}`;
  const password = randomBytes(24).toString("base64url");
  return fleet.transaction(async () => {
    await expectVersion(fleet);
    const [groups] = await fleet.rows<FleetGroups>(`SELECT hosts, readers FROM ${FLEET_SCHEMA}.version`);
    const group = kind === "host" ? groups?.hosts : groups?.readers;
    if (kind === "host") {
      const [taken] = await fleet.rows(`SELECT 1 FROM ${FLEET_SCHEMA}.host WHERE added_as = $1`, [label]);
      if (taken !== undefined) throw new FleetRefusal(`there is a host '${label}' already; forget it first`);
      await fleet.rows(`INSERT INTO ${FLEET_SCHEMA}.host (role, added_as) VALUES ($1, $2)`, [role, label]);
    }
    // Not the password itself: statements stand in the server's log.
    await fleet.run(`CREATE ROLE ${role} LOGIN PASSWORD '${scramVerifier(password)}' IN ROLE ${group}`);
    return { role, password };
  });
}

/** What PostgreSQL stores of a password (RFC 5803). */
function scramVerifier(password: string): string {
  const salt = randomBytes(16);
  const rounds = 4096;
  const salted = pbkdf2Sync(password, salt, rounds, 32, "sha256");
  const sign = (text: string) => createHmac("sha256", salted).update(text).digest();
  const stored = createHash("sha256").update(sign("Client Key")).digest("base64");
  return `SCRAM-SHA-256$${rounds}:${salt.toString("base64")}$${stored}:${sign("Server Key").toString("base64")}`;
}

/** What of a host is gone. */
export interface Forgotten {
  readonly label: string;
  readonly starts: number;
  /** `locked`: it owns something in another database of the server, so that it can no longer log in but is still there. */
  readonly role: "removed" | "locked";
}

/** Removes a host with all its rows and its role; `name` is its label or the beginning of its key. */
export async function forgetHost(fleet: FleetConnection, name: string): Promise<Forgotten> {
  return fleet.transaction(async () => {
    const hosts = await fleet.rows<{ id: number; role: string; label: string }>(
      `SELECT id, role, coalesce(label, added_as) AS label FROM ${FLEET_SCHEMA}.host
       WHERE label = $1 OR added_as = $1 OR (length($1) >= 8 AND starts_with(key::text, $1))`,
      [name],
    );
    const [host, other] = hosts;
    if (host === undefined) throw new FleetRefusal(`there is no host '${name}' ('fleet hosts' lists them)`);
    if (other !== undefined)
      throw new FleetRefusal(`'${name}' are ${hosts.length} hosts: give the key that 'fleet hosts' shows`);
    const role = await becomeMember(fleet, host.role);
    // One of its own may hold what is removed.
    await fleet.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1", [
      host.role,
    ]);
    await holdExports(fleet);
    const [counted] = await fleet.rows<{ starts: number }>(
      `SELECT count(*)::integer AS starts FROM ${FLEET_SCHEMA}.start WHERE history IN
         (SELECT id FROM ${FLEET_SCHEMA}.history WHERE host = $1)`,
      [host.id],
    );
    await fleet.rows(`DELETE FROM ${FLEET_SCHEMA}.host WHERE id = $1`, [host.id]);
    await dropUnused(fleet);
    return { label: host.label, starts: counted?.starts ?? 0, role: await dropRole(fleet, role) };
  });
}

/** What a role's sessions and things are, only its members may end and drop. Undefined where there is no such role. */
async function becomeMember(fleet: FleetConnection, name: string): Promise<string | undefined> {
  const [known] = await fleet.rows("SELECT 1 FROM pg_roles WHERE rolname = $1", [name]);
  if (known === undefined) return undefined;
  const role = `"${name.replaceAll('"', '""')}"`;
  await fleet.run(`GRANT ${role} TO CURRENT_USER`);
  return role;
}

/** A role may have made things outside of the fleet's schema; what lies in other databases keeps it from being dropped. */
async function dropRole(fleet: FleetConnection, role: string | undefined): Promise<Forgotten["role"]> {
  if (role === undefined) return "removed";
  await fleet.run("SAVEPOINT dropping");
  try {
    await fleet.run(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    return "removed";
  } catch (error) {
    if ((error as { code?: string }).code !== OBJECTS_LEFT) throw error;
    await fleet.run(`ROLLBACK TO dropping; ALTER ROLE ${role} NOLOGIN PASSWORD NULL`);
    return "locked";
  }
}

/** SQLSTATE of `dependent_objects_still_exist`. */
const OBJECTS_LEFT = "2BP01";

/** Removes what happened before `before` (UTC epoch milliseconds); returns how many starts. Cursors stay. */
export async function pruneFleet(fleet: FleetConnection, before: number): Promise<number> {
  const limit = new Date(before).toISOString();
  return fleet.transaction(async () => {
    await holdExports(fleet);
    await fleet.run(`SET LOCAL search_path = ${FLEET_SCHEMA}, pg_temp`);
    const [dropped] = await fleet.rows<{ starts: number }>(
      `WITH gone AS (DELETE FROM start WHERE at < $1 RETURNING 1) SELECT count(*)::integer AS starts FROM gone`,
      [limit],
    );
    await fleet.rows(
      `DELETE FROM evidence WHERE NOT EXISTS
        (SELECT 1 FROM start WHERE start.history = evidence.history AND start.number = evidence.number)`,
    );
    await fleet.rows("DELETE FROM boot WHERE started_at < $1", [limit]);
    await fleet.rows("DELETE FROM tally WHERE last_at < $1", [limit]);
    await fleet.rows(
      `UPDATE tally SET starts = rest.starts, first_at = rest.first_at FROM (
         SELECT environment, host, device, class, outcome, count(*)::integer AS starts, min(at) AS first_at
         FROM start WHERE (environment, host, device, class, outcome) IN
           (SELECT environment, host, device, class, outcome FROM tally WHERE first_at < $1)
         GROUP BY environment, host, device, class, outcome) AS rest
       WHERE tally.first_at < $1 AND (tally.environment, tally.host, tally.device, tally.class, tally.outcome)
         = (rest.environment, rest.host, rest.device, rest.class, rest.outcome)`,
      [limit],
    );
    await dropUnused(fleet);
    return dropped?.starts ?? 0;
  });
}

/**
 * Every export begins by locking its cursor: none is under way from here to the end of the transaction. It is not waited
 * for without end, for all other hosts then wait behind.
 */
async function holdExports(fleet: FleetConnection): Promise<void> {
  await fleet.run("SET LOCAL lock_timeout = '60s'");
  await fleet.run(`LOCK TABLE ${FLEET_SCHEMA}.history IN EXCLUSIVE MODE`);
}

/** What nothing speaks of any more would still tell what a forgotten host was. */
async function dropUnused(fleet: FleetConnection): Promise<void> {
  await fleet.rows(
    `DELETE FROM ${FLEET_SCHEMA}.environment AS own WHERE id <> 0
       AND NOT EXISTS (SELECT 1 FROM ${FLEET_SCHEMA}.tally WHERE environment = own.id)
       AND NOT EXISTS (SELECT 1 FROM ${FLEET_SCHEMA}.boot WHERE environment = own.id)`,
  );
  await fleet.rows(
    `DELETE FROM ${FLEET_SCHEMA}.device WHERE id <> 0 AND id NOT IN (SELECT device FROM ${FLEET_SCHEMA}.tally)`,
  );
  await fleet.rows(
    `DELETE FROM ${FLEET_SCHEMA}.word WHERE id <> 0 AND id NOT IN
       (SELECT class FROM ${FLEET_SCHEMA}.tally UNION SELECT signature FROM ${FLEET_SCHEMA}.start)`,
  );
}
