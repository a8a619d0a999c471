import type { ExportedStart } from "../store/export-reads.ts";
import type { Store } from "../store/store.ts";
import { type FleetConnection, FleetRefusal } from "./connect.ts";
import { type Environment, environmentOf, type StandingDevices, standingDevices } from "./environment.ts";
import { FAILED_AFTER_MS, type FleetJob, type FleetResult } from "./job.ts";
import { expectVersion } from "./owner.ts";
import { LONGEST_TEXT, MOST_LINES, WORD } from "./schema-tables.ts";

const BATCH = 2_000;
/** So many snapshots are kept from one batch to the next. */
const MOST_READ = 1_000;
/** A number of an environment is larger than JavaScript's are exact. */
const NO_ENVIRONMENT = "0";
/** A start that is open for so long is not waited for: those after it would never be past the cursor. */
const LONGEST_OPEN = 86_400_000;

/** What the export needs of the history. */
export type ExportedHistory = Pick<Store, "exports" | "snapshots">;

type Job = Pick<FleetJob, "share" | "label" | "cluster" | "machine" | "version" | "goodAfterMs">;

interface Cursor {
  readonly id: number;
  readonly name: string;
  readonly start: number;
  readonly startAt: number | undefined;
  readonly boot: number;
}

/**
 * Sends what the server does not have yet. Rows and cursor are one transaction, so whatever ends it in the middle, a row
 * is there once or will be sent again; the server's key makes a row that was sent twice one.
 */
export async function exportHistory(
  fleet: FleetConnection,
  history: ExportedHistory,
  job: Job,
  now: number,
): Promise<Extract<FleetResult, { state: "done" }>> {
  const { exports } = history;
  await fleet.run("SET search_path = vfio_watch, pg_temp");
  await expectVersion(fleet);
  const [reported] = await fleet.rows<{ host: number | null }>("SELECT report_in($1, $2, $3) AS host", [
    job.label,
    job.cluster,
    job.version,
  ]);
  const host = reported?.host ?? undefined;
  if (host === undefined)
    throw new FleetRefusal("this user is no host's: make one with 'vfio-watch fleet add LABEL'");
  const name = exports.historyName();
  if (name === undefined) throw new FleetRefusal("the history has no name yet: start the service once");
  const send = createSender(fleet, history, job, host);
  await send.findCursor(name);
  await exportBoots(fleet, history, send, name);

  let exported = 0;
  let position = 0;
  let nextMs: number | undefined;
  let after = 0;
  /** Whether everything up to `after` is sent: only then the cursor goes on. */
  let isWhole = true;
  for (;;) {
    const read = await fleet.transaction(async () => {
      const cursor = await send.findCursor(name);
      after = Math.max(after, cursor.start);
      position = cursor.start;
      const rows = exports.starts(after, BATCH);
      const ready: ExportedStart[] = [];
      let last: ExportedStart | undefined;
      for (const row of rows) {
        const wait = waitFor(row, job, now);
        if (wait === 0) ready.push(row);
        else if (wait !== undefined) {
          isWhole = false;
          if (wait !== Number.POSITIVE_INFINITY) nextMs = Math.min(nextMs ?? wait, wait);
        }
        if (isWhole) last = row;
      }
      exported += await send.starts(cursor, ready);
      if (last !== undefined) {
        position = last.number;
        await fleet.rows(
          "UPDATE history SET start_number = $2, start_at = to_timestamp($3::float8 / 1000) WHERE id = $1",
          [cursor.id, last.number, last.openedAt],
        );
      }
      after = rows.at(-1)?.number ?? after;
      return rows.length;
    });
    if (read < BATCH) break;
  }
  return { state: "done", exported, position, waiting: exports.countStarts(position), nextMs };
}

/** How long a start has to wait (ms): 0 not at all, infinite while it is open, undefined: nobody waits for it. */
function waitFor(row: ExportedStart, { goodAfterMs }: Job, now: number): number | undefined {
  const age = now - (row.closedAt ?? row.openedAt);
  if (row.outcome === undefined)
    return age > LONGEST_OPEN || age < -LONGEST_OPEN ? undefined : Number.POSITIVE_INFINITY;
  // What began after now was seen by another clock.
  if (age < 0) return 0;
  const patience = row.outcome === "started" ? goodAfterMs - (now - row.openedAt) : FAILED_AFTER_MS - age;
  return Math.max(0, Math.min(patience, goodAfterMs));
}

type Sender = ReturnType<typeof createSender>;

function createSender(
  fleet: FleetConnection,
  { exports, snapshots }: ExportedHistory,
  job: Job,
  host: number,
) {
  const read = new Map<string, { readonly text: string; readonly devices: StandingDevices }>();
  const numbers = new Map<string, number>();

  function readSnapshots(ids: readonly string[]): void {
    if (read.size > MOST_READ) read.clear();
    for (const id of ids) {
      if (read.has(id)) continue;
      const snapshot = snapshots.get(id) ?? { facts: [] };
      read.set(id, {
        text: JSON.stringify(environmentOf(snapshot) satisfies Environment),
        devices: standingDevices(snapshot),
      });
    }
  }

  async function numberOf(call: "device_number" | "word_number", text: string): Promise<number> {
    if (text === "" || (call === "word_number" && !WORD.test(text))) return 0;
    const known = numbers.get(`${call} ${text}`);
    if (known !== undefined) return known;
    const [row] = await fleet.rows<{ number: number }>(`SELECT ${call}($1) AS number`, [text]);
    numbers.set(`${call} ${text}`, row?.number ?? 0);
    return row?.number ?? 0;
  }

  async function environments(ids: readonly (string | undefined)[]): Promise<ReadonlyMap<string, string>> {
    const wanted = [...new Set(ids.flatMap((id) => id ?? []))];
    readSnapshots(wanted);
    const byText = new Map<string, string>();
    for (const text of new Set(wanted.flatMap((id) => read.get(id)?.text ?? []))) {
      if (text === "{}") continue;
      const [row] = await fleet.rows<{ number: string }>("SELECT environment_number($1::jsonb) AS number", [
        text,
      ]);
      byText.set(text, row?.number ?? NO_ENVIRONMENT);
    }
    return new Map(wanted.map((id) => [id, byText.get(read.get(id)?.text ?? "") ?? NO_ENVIRONMENT]));
  }

  return {
    host,
    environments,
    /** Locks the cursor; makes one for a history that is new, or was begun anew from what could be saved of it. */
    async findCursor(name: string): Promise<Cursor> {
      // Numbers hold while the cursor is locked: what nothing speaks of is removed by prune and forget.
      numbers.clear();
      const [row] = await fleet.rows<{
        id: number;
        name: string;
        start_number: number;
        start_at: Date | null;
        boot_number: number;
      }>(
        `SELECT id, name, start_number, start_at, boot_number FROM history
         WHERE name = $1 OR starts_with(name, $1 || '.') ORDER BY id DESC LIMIT 1 FOR UPDATE`,
        [name],
      );
      if (row === undefined) return begin(name, 0, undefined, 0);
      const startAt = row.start_at?.getTime();
      const here = exports.openedAt(row.start_number);
      const isLost =
        startAt !== undefined &&
        (exports.highestStart() < row.start_number || (here !== undefined && here !== startAt));
      if (!isLost)
        return { id: row.id, name: row.name, start: row.start_number, startAt, boot: row.boot_number };
      // Saved from a damaged file or a copy: numbers that the server knows may be other starts' now.
      const { start, boot } = exports.highestUpTo(startAt);
      const life = Number(/\.(\d+)$/.exec(row.name)?.[1] ?? 1) + 1;
      return begin(`${name}.${life}`, start, exports.openedAt(start), boot);
    },
    /** Returns how many were not there yet. */
    async starts(cursor: Cursor, rows: readonly ExportedStart[]): Promise<number> {
      if (rows.length === 0) return 0;
      const environmentOfStart = await environments(rows.map(({ snapshotId }) => snapshotId));
      const columns: (string | number | null)[][] = [[], [], [], [], [], [], [], []];
      for (const row of rows) {
        const { cause, signature, devices, snapshotId = "" } = row;
        const main = read.get(snapshotId)?.devices.mainOf(devices, row.causeDevices);
        const values = [
          row.openedAt,
          row.number,
          environmentOfStart.get(snapshotId) ?? NO_ENVIRONMENT,
          await numberOf("device_number", devices.length === 0 ? "" : (main ?? "unknown")),
          await numberOf("word_number", cause ?? ""),
          await numberOf("word_number", signature ?? ""),
          row.outcome ?? null,
          row.certainty ?? null,
        ];
        for (const [at, value] of values.entries()) columns[at]?.push(value);
      }
      const added = await fleet.affected(
        `INSERT INTO start (at, host, history, number, environment, device, class, signature, outcome, certainty)
         SELECT to_timestamp(at / 1000), $1, $2, number, environment, device, class, signature, outcome::outcome,
           certainty::certainty
         FROM unnest($3::float8[], $4::integer[], $5::bigint[], $6::integer[], $7::integer[], $8::integer[],
           $9::text[], $10::text[]) AS given (at, number, environment, device, class, signature, outcome, certainty)
         ON CONFLICT DO NOTHING`,
        [host, cursor.id, ...columns],
      );
      if (job.share === "facts+evidence") await sendEvidence(cursor, rows);
      return added;
    },
  };

  async function begin(
    name: string,
    start: number,
    startAt: number | undefined,
    boot: number,
  ): Promise<Cursor> {
    const [row] = await fleet.rows<{ id: number }>(
      `INSERT INTO history (host, name, start_number, start_at, boot_number)
       VALUES ($1, $2, $3, to_timestamp($4::float8 / 1000), $5) RETURNING id`,
      [host, name, start, startAt ?? null, boot],
    );
    return { id: row?.id ?? 0, name, start, startAt, boot };
  }

  async function sendEvidence(cursor: Cursor, rows: readonly ExportedStart[]): Promise<void> {
    for (const { number, vm, summary, outcome } of rows) {
      if (outcome === "started") continue;
      const texts = [job.machine, vm, summary ?? "", ...exports.lines(number, MOST_LINES)].map(storable);
      const [machine, ownVm, ownSummary, ...ownLines] = texts;
      await fleet.rows(
        `INSERT INTO evidence (host, history, number, machine, vm, summary, lines) VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT DO NOTHING`,
        [host, cursor.id, number, machine, ownVm, ownSummary, ownLines],
      );
    }
  }
}

/** Bounded, as the server wants it; its text knows no NUL and no half of a surrogate pair. */
function storable(text: string): string {
  return text.replaceAll("\0", "").slice(0, LONGEST_TEXT).toWellFormed();
}

async function exportBoots(
  fleet: FleetConnection,
  { exports }: ExportedHistory,
  send: Sender,
  name: string,
): Promise<void> {
  for (;;) {
    const read = await fleet.transaction(async () => {
      const cursor = await send.findCursor(name);
      const all = exports.boots(cursor.boot, BATCH);
      // The facts of the newest may not be taken yet.
      const rows = all.length < BATCH && all.at(-1)?.snapshotId === undefined ? all.slice(0, -1) : all;
      if (rows.length === 0) return 0;
      const environments = await send.environments(rows.map(({ snapshotId }) => snapshotId));
      await fleet.rows(
        `INSERT INTO boot (started_at, host, history, number, environment)
         SELECT to_timestamp(at / 1000), $1, $2, number, environment
         FROM unnest($3::float8[], $4::integer[], $5::bigint[]) AS given (at, number, environment) ON CONFLICT DO NOTHING`,
        [
          send.host,
          cursor.id,
          rows.map(({ startedAt }) => startedAt),
          rows.map(({ number }) => number),
          rows.map(({ snapshotId }) => environments.get(snapshotId ?? "") ?? NO_ENVIRONMENT),
        ],
      );
      await fleet.rows("UPDATE history SET boot_number = $2 WHERE id = $1", [cursor.id, rows.at(-1)?.number]);
      return rows.length;
    });
    if (read < BATCH) return;
  }
}
