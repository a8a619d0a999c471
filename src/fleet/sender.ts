import type { ExportedStart } from "../store/export-reads.ts";
import type { Store } from "../store/store.ts";
import type { FleetConnection } from "./connect.ts";
import { type Environment, environmentOf, type StandingDevices, standingDevices } from "./environment.ts";
import type { FleetJob } from "./job.ts";
import { LONGEST_TEXT, MOST_LINES, WORD } from "./schema-tables.ts";

/** So many snapshots are kept from one batch to the next. */
const MOST_READ = 1_000;
/** A number of an environment is larger than JavaScript's are exact. */
export const NO_ENVIRONMENT = "0";

/** What the export needs of the history. */
export type ExportedHistory = Pick<Store, "exports" | "snapshots">;

export type SentJob = Pick<FleetJob, "share" | "machine">;

/** How far a history has come. */
interface Cursor {
  readonly id: number;
  readonly name: string;
  readonly start: number;
  readonly startAt: number | undefined;
  readonly boot: number;
}

/** Sends rows of one host, and knows how far it has come. */
export type Sender = ReturnType<typeof createSender>;

/** Makes the sender of one run. */
export function createSender(
  fleet: FleetConnection,
  { exports, snapshots }: ExportedHistory,
  job: SentJob,
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
