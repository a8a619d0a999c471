import type { ExportedStart } from "../store/export-reads.ts";
import { type FleetConnection, FleetRefusal } from "./connect.ts";
import { FAILED_AFTER_MS, type FleetJob, type FleetResult } from "./job.ts";
import { expectVersion } from "./owner.ts";
import { createSender, type ExportedHistory, NO_ENVIRONMENT, type Sender, type SentJob } from "./sender.ts";

/** Rows of one transaction: more are no faster, and take the child more memory. */
const BATCH = 500;
/** A start that is open for so long is not waited for: those after it would never be past the cursor. */
const LONGEST_OPEN = 86_400_000;

type Job = SentJob & Pick<FleetJob, "label" | "cluster" | "version" | "goodAfterMs">;

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
