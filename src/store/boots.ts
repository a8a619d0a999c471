import type { BootRecord, Origin } from "../model/history.ts";
import { type BootId, bootId } from "../model/identifiers.ts";
import type { Connection } from "./connection.ts";
import type { BootStore } from "./snapshot-store.ts";

/** Room between neighbours, so that some twenty boots can be imported between any two without renumbering. */
const SPACING = 2 ** 20;
/** A boot that claims to be older ran without a set clock: nothing that this program knows ran before. */
const NO_CLOCK_BEFORE = Date.UTC(2012, 0, 1);
/** What the kernel says of one sleep it says within this time (ms). */
const ONE_SLEEP_MS = 30_000;
/** A host that sleeps each night for months need not remember the first of them. */
const MOST_SLEEPS = 128;

/** Boots for the other tables, which refer to them by number. */
export interface BootTable extends BootStore {
  /** Number of a boot; one that nobody announced is made known as having begun at `at`. */
  numberOf(id: BootId, at: number, origin: Origin): number;
  /** Number of a known boot. */
  known(id: BootId): number | undefined;
  /** The host went to sleep at a time; several words of one sleep are one. */
  noteSleep(number: number, sleep: Sleep): void;
  /** Where boots stand in the sequence, as it is now. */
  positions(): BootPositions;
}

/** When a host went to sleep. */
export interface Sleep {
  /** UTC epoch milliseconds. */
  readonly at: number;
  /** By the kernel's own clock, in milliseconds of the boot; undefined where its log was kept without. */
  readonly steady: number | undefined;
}

/** Both undefined for a boot that is not known, and for none. */
export interface BootPositions {
  ordinalOf(number: number | null): number | undefined;
  idOf(number: number | null): BootId | undefined;
}

interface BootRow {
  readonly number: number;
  readonly id: string;
  readonly started_at: number;
  readonly last_seen_at: number;
  readonly end: BootRecord["end"];
  readonly origin: Origin;
  readonly snapshot: string | null;
}

interface OrderRow {
  readonly number: number;
  readonly order_key: number;
  readonly started_at: number;
}

export function createBootTable(connection: Connection): BootTable {
  const selectNumber = connection.statement<[string], { number: number; origin: Origin }>(
    "SELECT number, origin FROM boot WHERE id = ?",
  );
  const insert = connection.statement<[string, number, number, number, string, string]>(
    `INSERT INTO boot (id, order_key, started_at, last_seen_at, end, origin) VALUES (?, ?, ?, ?, ?, ?)`,
  );
  const improve = connection.statement<[string, number, number, string, number]>(
    `UPDATE boot SET end = CASE WHEN end = 'unknown' THEN ? ELSE end END,
       started_at = min(started_at, ?), last_seen_at = max(last_seen_at, ?), origin = ?
     WHERE number = ?`,
  );
  const restart = connection.statement<[number, number, number]>(
    "UPDATE boot SET started_at = ?, last_seen_at = max(last_seen_at, ?), origin = 'live' WHERE number = ?",
  );
  const touch = connection.statement<[number, string, number]>(
    "UPDATE boot SET last_seen_at = ? WHERE id = ? AND last_seen_at < ?",
  );
  const selectSleeps = connection.statement<[number], { sleeps: string | null }>(
    "SELECT sleeps FROM boot WHERE number = ?",
  );
  const setSleeps = connection.statement<[string, number]>("UPDATE boot SET sleeps = ? WHERE number = ?");
  const end = connection.statement<[string, string]>("UPDATE boot SET end = ? WHERE id = ?");
  const order = connection.statement<[], OrderRow>(
    "SELECT number, order_key, started_at FROM boot ORDER BY order_key",
  );
  const lastKey = connection.statement<[], { last: number | null }>(
    "SELECT max(order_key) AS last FROM boot",
  );
  const setKey = connection.statement<[number, number]>("UPDATE boot SET order_key = ? WHERE number = ?");
  const negateKeys = connection.statement<[]>("UPDATE boot SET order_key = -order_key");
  const columns = `number, id, started_at, last_seen_at, end, origin,
    (SELECT snapshot.id FROM snapshot_moment AS moment JOIN snapshot ON snapshot.number = moment.snapshot
     WHERE moment.boot = boot.number ORDER BY moment.number DESC LIMIT 1) AS snapshot`;
  const list = connection.statement<[], BootRow>(`SELECT ${columns} FROM boot ORDER BY order_key`);
  const one = connection.statement<[string], BootRow>(`SELECT ${columns} FROM boot WHERE id = ?`);
  const ordinal = connection.statement<[string], { ordinal: number }>(
    `SELECT count(*) AS ordinal FROM boot AS own JOIN boot AS earlier ON earlier.order_key <= own.order_key
     WHERE own.id = ? HAVING count(*) > 0`,
  );
  const ids = connection.tuples<[], [number: number, id: string]>(
    "SELECT number, id FROM boot ORDER BY order_key",
  );

  const count = connection.statement<[], { boots: number }>("SELECT count(*) AS boots FROM boot");

  /** Read several times for one answer; a boot that is made known changes it, and one that retention takes away. */
  let known: { readonly positions: BootPositions; readonly asOf: string } | undefined;

  function keyAtEnd(): number {
    return (lastKey.get()?.last ?? 0) + SPACING;
  }

  function keyFor(startedAt: number): number {
    const rows = order.all();
    const place = placeFor(rows, startedAt);
    const before = rows[place - 1]?.order_key ?? 0;
    const after = rows[place]?.order_key ?? before + 2 * SPACING;
    if (after - before >= 2) return Math.floor((before + after) / 2);
    // Out of the way first: two boots may never have the same key.
    negateKeys.run();
    for (const [index, row] of rows.entries()) setKey.run((index + 1) * SPACING, row.number);
    return place * SPACING + SPACING / 2;
  }

  const table: BootTable = {
    begin(boot) {
      connection.durable(() => {
        const startedAt = Math.round(boot.startedAt);
        const lastSeenAt = Math.round(Math.max(boot.lastSeenAt ?? boot.startedAt, boot.startedAt));
        const end = boot.end ?? "unknown";
        const own = selectNumber.get(boot.id);
        if (own === undefined) {
          const key = boot.origin === "live" ? keyAtEnd() : keyFor(startedAt);
          known = undefined;
          insert.run(boot.id, key, startedAt, lastSeenAt, end, boot.origin);
        } else if (boot.origin === "live") {
          // The service sees the boot itself: its own reading of the start time is the best there is.
          restart.run(startedAt, lastSeenAt, own.number);
          if (end !== "unknown") table.end(boot.id, end);
        } else {
          const origin = own.origin;
          improve.run(
            end,
            origin === "live" ? Number.MAX_SAFE_INTEGER : startedAt,
            lastSeenAt,
            origin,
            own.number,
          );
        }
      });
    },
    touch(id, at) {
      connection.batched(() => touch.run(Math.round(at), id, Math.round(at)));
    },
    end(id, how) {
      connection.durable(() => end.run(how, id));
    },
    list: () => list.all().map((row, index) => toRecord(row, index + 1)),
    get(id) {
      const row = one.get(id);
      return row === undefined ? undefined : toRecord(row, table.ordinalOf(id) ?? 0);
    },
    ordinalOf: (id) => ordinal.get(id)?.ordinal,
    numberOf(id, at, origin) {
      const stored = selectNumber.get(id);
      if (stored !== undefined) return stored.number;
      table.begin({ id, startedAt: at, origin });
      return selectNumber.get(id)?.number ?? 0;
    },
    noteSleep(number, { at, steady }) {
      const known = JSON.parse(selectSleeps.get(number)?.sleeps ?? "[]") as [number, number | null][];
      const isSame = ([otherAt, otherSteady]: [number, number | null]) =>
        steady !== undefined && otherSteady !== null
          ? Math.abs(otherSteady - steady) < ONE_SLEEP_MS
          : Math.abs(otherAt - at) < ONE_SLEEP_MS;
      if (known.some(isSame)) return;
      const sleeps = [...known, [Math.round(at), steady === undefined ? null : Math.round(steady)]];
      setSleeps.run(JSON.stringify(sleeps.slice(-MOST_SLEEPS)), number);
    },
    known: (id) => selectNumber.get(id)?.number,
    positions() {
      const asOf = `${connection.outsideChanges()} ${count.get()?.boots}`;
      if (known?.asOf !== asOf) known = { positions: readPositions(), asOf };
      return known.positions;
    },
  };
  return table;

  function readPositions(): BootPositions {
    // Arrays by number, because a map of thousands of objects would take longer than what it is asked for.
    const ordinals: number[] = [];
    const names: string[] = [];
    ids.all().forEach((row, index) => {
      ordinals[row[0]] = index + 1;
      names[row[0]] = row[1];
    });
    return {
      ordinalOf: (number) => (number === null ? undefined : ordinals[number]),
      idOf(number) {
        const id = number === null ? undefined : names[number];
        return id === undefined ? undefined : bootId(id);
      },
    };
  }
}

function toRecord(row: BootRow, ordinal: number): BootRecord {
  return {
    id: bootId(row.id),
    ordinal,
    startedAt: row.started_at,
    lastSeenAt: row.last_seen_at,
    end: row.end,
    origin: row.origin,
    snapshotId: row.snapshot ?? undefined,
  };
}

/**
 * Where in the sequence a boot belongs that started at `startedAt`: behind the last boot that started earlier.
 * Boots whose clock was wrong (years off before NTP) are no landmarks: only those on the longest rising run of
 * start times are believed.
 */
function placeFor(rows: readonly { readonly started_at: number }[], startedAt: number): number {
  const believable = [...rows.entries()].filter(([, row]) => row.started_at >= NO_CLOCK_BEFORE);
  let place = 0;
  for (const index of longestRise(believable.map(([, row]) => row.started_at))) {
    const [position, row] = believable[index] ?? [0, { started_at: 0 }];
    if (row.started_at > startedAt) break;
    place = position + 1;
  }
  return place;
}

/** Indexes of a longest non-falling run (not necessarily adjacent) of `values`. */
function longestRise(values: readonly number[]): readonly number[] {
  /** For each length, the index at which a run of that length ends lowest. */
  const tails: number[] = [];
  const previous: number[] = [];
  values.forEach((value, index) => {
    let low = 0;
    let high = tails.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((values[tails[middle] ?? 0] ?? 0) <= value) low = middle + 1;
      else high = middle;
    }
    previous[index] = low === 0 ? -1 : (tails[low - 1] ?? -1);
    tails[low] = index;
  });
  const rise: number[] = [];
  for (let index = tails.at(-1) ?? -1; index >= 0; index = previous[index] ?? -1) rise.push(index);
  return rise.reverse();
}
