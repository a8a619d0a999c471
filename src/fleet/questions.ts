import type { Outcome } from "../model/attempt.ts";
import type { FleetConnection } from "./connect.ts";
import type { Environment } from "./environment.ts";
import { expectVersion } from "./owner.ts";
import { NO_FAULT } from "./schema-access.ts";

// What the server is asked. Times are UTC epoch milliseconds.

const AT = (column: string) => `(extract(epoch FROM ${column}) * 1000)::float8`;
const NAME = "coalesce(host.label, host.added_as)";

/** Prepares a connection for questions. */
export async function beginQuestions(fleet: FleetConnection): Promise<void> {
  await fleet.run("SET search_path = vfio_watch, pg_temp");
  await expectVersion(fleet);
}

export interface FleetStatus {
  readonly hosts: number;
  /** Hosts that have sent something within a day. */
  readonly lately: number;
  readonly starts: number;
  readonly failed: number;
  readonly boards: number;
  readonly environments: number;
  readonly newestAt: number | null;
  /** Of the database's schema. */
  readonly bytes: number;
}

export async function readStatus(fleet: FleetConnection): Promise<FleetStatus> {
  const [row] = await fleet.rows<FleetStatus>(
    `SELECT (SELECT count(*)::integer FROM host WHERE first_export IS NOT NULL) AS hosts,
       (SELECT count(*)::integer FROM host WHERE last_export > now() - interval '1 day') AS lately,
       coalesce(sum(starts), 0)::float8 AS starts,
       coalesce(sum(starts) FILTER (WHERE outcome IN ('failed', 'crashed-early')), 0)::float8 AS failed,
       (SELECT count(DISTINCT board_key)::integer FROM environment) AS boards,
       (SELECT count(*)::integer - 1 FROM environment) AS environments, ${AT("max(last_at)")} AS "newestAt",
       (SELECT sum(pg_total_relation_size(oid))::float8 FROM pg_class
        WHERE relnamespace = 'vfio_watch'::regnamespace AND relkind = 'r') AS bytes
     FROM tally`,
  );
  if (row === undefined) throw new Error("no status");
  return row;
}

export interface FleetHost {
  readonly label: string;
  readonly key: string | null;
  readonly cluster: string | null;
  readonly version: string | null;
  readonly lastExport: number | null;
  readonly board: string | null;
  readonly bios: string | null;
  readonly kernel: string | null;
  readonly starts: number;
  readonly failed: number;
  /** Of its newest start; undefined where it has none. */
  readonly lastOutcome: Outcome | null;
}

/** Every host with what it was in its newest boot. */
export function readHosts(fleet: FleetConnection): Promise<readonly FleetHost[]> {
  return fleet.rows<FleetHost>(
    `SELECT ${NAME} AS label, host.key, host.cluster, host.version, ${AT("host.last_export")} AS "lastExport",
       newest.board, newest.bios, newest.kernel, coalesce(counted.starts, 0) AS starts,
       coalesce(counted.failed, 0) AS failed, counted.outcome AS "lastOutcome"
     FROM host
     LEFT JOIN LATERAL (SELECT board, bios, facts ->> 'kernel.release' AS kernel FROM boot
       JOIN environment ON environment.id = boot.environment
       WHERE boot.host = host.id ORDER BY started_at DESC LIMIT 1) AS newest ON true
     LEFT JOIN LATERAL (SELECT sum(starts)::float8 AS starts,
         (sum(starts) FILTER (WHERE outcome IN ('failed', 'crashed-early')))::float8 AS failed,
         (array_agg(outcome ORDER BY last_at DESC))[1] AS outcome
       FROM tally WHERE tally.host = host.id AND device <> 0) AS counted ON true
     ORDER BY label`,
  );
}

export interface FleetBoard {
  readonly vendor: string | null;
  readonly board: string;
  readonly boardKey: string;
  readonly bios: string;
  readonly agesa: string | null;
  readonly hosts: number;
  readonly failing: number;
  readonly class: string | null;
  readonly lastAt: number;
}

/** How many hosts there are on each BIOS of each board, and on how many starts fail. */
export function readBoards(fleet: FleetConnection): Promise<readonly FleetBoard[]> {
  return fleet.rows<FleetBoard>(
    `SELECT board_vendor AS vendor, board, board_key AS "boardKey", bios, agesa, hosts, failing, class,
       ${AT("last_at")} AS "lastAt" FROM result ORDER BY board_key, bios`,
  );
}

/** The boards that there are, each as it was named first. */
export function readBoardNames(
  fleet: FleetConnection,
): Promise<readonly { readonly boardKey: string; readonly board: string }[]> {
  return fleet.rows(
    `SELECT board_key AS "boardKey", min(board) AS board FROM environment WHERE board_key IS NOT NULL GROUP BY board_key`,
  );
}

/** Tallies of the hosts with one board. */
export interface BoardTallies {
  readonly board: string;
  readonly hosts: ReadonlyMap<number, string>;
  readonly environments: ReadonlyMap<string, Environment>;
  readonly tallies: readonly HostTally[];
}

/** Starts of one host with the same facts that went the same way. */
export interface HostTally {
  readonly host: number;
  readonly environment: string;
  readonly device: string;
  readonly class: string;
  readonly outcome: Outcome;
  readonly starts: number;
  readonly firstAt: number;
  readonly lastAt: number;
}

/** Reads them; `device` is `vendor:device`, or that with its subsystem. Undefined where no host has such a board. */
export async function readBoardTallies(
  fleet: FleetConnection,
  boardKey: string,
  device?: string,
): Promise<BoardTallies | undefined> {
  const environments = await fleet.rows<{ id: string; board: string; facts: Environment }>(
    "SELECT id, board, facts FROM environment WHERE board_key = $1",
    [boardKey],
  );
  const [first] = environments;
  if (first === undefined) return undefined;
  const own =
    device === undefined ? "" : "AND (device.identity = $2 OR starts_with(device.identity, $2 || '/'))";
  const tallies = await fleet.rows<HostTally>(
    `SELECT tally.host, tally.environment, device.identity AS device, word.word AS class, tally.outcome, tally.starts,
       ${AT("first_at")} AS "firstAt", ${AT("last_at")} AS "lastAt"
     FROM tally JOIN device ON device.id = tally.device JOIN word ON word.id = tally.class
     WHERE tally.environment = ANY ($1) AND tally.device <> 0 ${own}`,
    [environments.map(({ id }) => id), ...(device === undefined ? [] : [device])],
  );
  const hosts = await fleet.rows<{ id: number; label: string }>(
    `SELECT id, ${NAME} AS label FROM host WHERE id = ANY ($1)`,
    [[...new Set(tallies.map(({ host }) => host))]],
  );
  return {
    board: first.board,
    hosts: new Map(hosts.map(({ id, label }) => [id, label])),
    environments: new Map(environments.map(({ id, facts }) => [id, facts])),
    tallies,
  };
}

export interface Outlier {
  readonly label: string;
  readonly key: string | null;
  readonly board: string;
  readonly bios: string;
  /** Whether it fails where others do not, or works where others fail. */
  readonly fails: boolean;
  readonly class: string | null;
  /** Hosts with this BIOS of this board, and how many of them fail. */
  readonly hosts: number;
  readonly failing: number;
  readonly lastAt: number;
  /** Of its newest failed start, where it shares such. */
  readonly summary: string | null;
}

const FEW = 0.1;
const ENOUGH = 5;

/** Hosts that fare otherwise than nine in ten of those with the same BIOS of the same board, the newest first. */
export function readOutliers(fleet: FleetConnection): Promise<readonly Outlier[]> {
  return fleet.rows<Outlier>(
    `SELECT ${NAME} AS label, host.key, of_host.board, of_host.bios, of_host.fails, of_host.class,
       result.hosts, result.failing, ${AT("of_host.last_at")} AS "lastAt",
       (SELECT summary FROM evidence WHERE evidence.host = host.id AND of_host.fails
        ORDER BY history DESC, number DESC LIMIT 1) AS summary
     FROM (SELECT tally.host, board_key, bios, min(board) AS board, bool_or(outcome <> 'started') AS fails,
         min(word.word) FILTER (WHERE outcome <> 'started') AS class, max(last_at) AS last_at
       FROM tally JOIN environment ON environment.id = tally.environment JOIN word ON word.id = tally.class
       WHERE device <> 0 AND outcome <> 'refused' AND bios IS NOT NULL AND word.word NOT IN (${NO_FAULT})
       GROUP BY tally.host, board_key, bios) AS of_host
     JOIN result USING (board_key, bios) JOIN host ON host.id = of_host.host
     WHERE result.hosts >= ${ENOUGH} AND (CASE WHEN of_host.fails THEN result.failing ELSE result.hosts - result.failing END)
       <= greatest(1, result.hosts * ${FEW})
     ORDER BY of_host.last_at DESC LIMIT 200`,
  );
}
