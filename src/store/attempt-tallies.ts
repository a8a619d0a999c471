import type { Outcome } from "../model/attempt.ts";
import type { CauseClass } from "../model/catalogue.ts";
import type { Origin } from "../model/history.ts";
import { type Bdf, vmName } from "../model/identifiers.ts";
import { conditions, remembered, TALLY_INDEX } from "./attempt-filter.ts";
import type { AttemptParts } from "./attempt-parts.ts";
import type { AttemptStore, AttemptTally } from "./attempt-store.ts";
import type { SqlValue } from "./connection.ts";

/** What a start was given. */
export interface Devices {
  readonly devices: readonly Bdf[];
  readonly groups: readonly number[];
}

export const NO_DEVICES: Devices = { devices: [], groups: [] };

type TallyTuple = [
  vm: number,
  boot: number | null,
  outcome: Outcome,
  cause: CauseClass | null,
  deviceSet: number,
  snapshot: number | null,
  origin: Origin,
  count: number,
  firstAt: number,
  lastAt: number,
  firstNumber: number,
  lastNumber: number,
  /** Of the first, in milliseconds of the boot; null where none was read from that clock. */
  steady: number | null,
];

const COLUMNS = "vm, attempt.boot, outcome, cause, device_set, snapshot, attempt.origin";
const SLEPT = "SELECT number FROM boot WHERE sleeps IS NOT NULL";

/** Makes what counts attempts that went the same way. */
export function createTallies(
  { connection, boots, snapshots, vms }: AttemptParts,
  devicesByNumber: () => ReadonlyMap<number, Devices>,
): AttemptStore["tallies"] {
  const slept = connection.statement<[], { number: number; sleeps: string }>(
    "SELECT number, sleeps FROM boot WHERE sleeps IS NOT NULL",
  );
  const statements = new Map<string, ReturnType<typeof connection.tuples<SqlValue[], TallyTuple>>>();
  const loneStatements = new Map<string, ReturnType<typeof connection.tuples<SqlValue[], TallyTuple>>>();

  /** Starts in boots in which the host slept: each is read, because the groups are not those of the index. */
  function divided(source: string, where: string, values: readonly SqlValue[]): readonly Counted[] {
    const sleeps = new Map(
      slept.all().map((row) => [row.number, JSON.parse(row.sleeps) as readonly SleepPair[]]),
    );
    if (sleeps.size === 0) return [];
    const sql = `SELECT ${COLUMNS}, 1, opened_at, opened_at, attempt.number, attempt.number, steady
      FROM ${source} WHERE ${where} AND boot IN (${SLEPT})
      ORDER BY vm, boot, outcome, cause, device_set, snapshot, attempt.origin`;
    const statement = remembered(loneStatements, sql, () => connection.tuples<SqlValue[], TallyTuple>(sql));
    const all: Counted[] = [];
    let byWake = new Map<number, TallyTuple>();
    let before: TallyTuple | undefined;
    for (const row of statement.all(...values)) {
      if (before === undefined || !isSameWay(before, row)) byWake = new Map();
      before = row;
      const wake = sleepsBefore(sleeps.get(row[1] ?? 0) ?? [], row[8], row[12]);
      const known = byWake.get(wake);
      if (known === undefined) {
        byWake.set(wake, row);
        all.push({ row, wake });
      } else join(known, row);
    }
    return all;
  }

  return (filter = {}) => {
    const { where, values } = conditions(filter, vms);
    // Of one boot there are few, and another index leads to them.
    const source = filter.bootId === undefined ? TALLY_INDEX : "attempt INDEXED BY attempt_boot";
    const sql = `SELECT ${COLUMNS}, count(*), min(opened_at), max(opened_at), min(attempt.number), max(attempt.number),
      min(steady) FROM ${source} WHERE ${where} AND (boot IS NULL OR boot NOT IN (${SLEPT})) GROUP BY ${COLUMNS}`;
    const statement = remembered(statements, sql, () => connection.tuples<SqlValue[], TallyTuple>(sql));
    const rows = [
      ...statement.all(...values).map((row): Counted => ({ row, wake: 0 })),
      ...divided(source, where, values),
    ];
    const positions = boots.positions();
    const sets = devicesByNumber();
    const names = vms.names();
    const snapshotIds =
      filter.bootId === undefined ? snapshots.ids() : snapshots.ids(rows.map(({ row }) => row[5]));
    const inOrder = rows.sort(byMoment(rows, positions.ordinalOf));
    // By index: taking thousands of rows apart by destructuring takes as long as reading them.
    return inOrder.map(
      ({ row, wake }): AttemptTally => ({
        vm: names.get(row[0]) ?? vmName(""),
        bootId: positions.idOf(row[1]),
        bootOrdinal: positions.ordinalOf(row[1]),
        outcome: row[2],
        cause: row[3] ?? undefined,
        devices: (sets.get(row[4]) ?? NO_DEVICES).devices,
        snapshotId: row[5] === null ? undefined : snapshotIds.get(row[5]),
        origin: row[6],
        count: row[7],
        firstAt: row[8],
        lastAt: row[9],
        firstNumber: row[10],
        lastNumber: row[11],
        ...(wake > 0 && { wake }),
      }),
    );
  };
}

/**
 * The order in which they began: by boot, and in it by the clock that nobody sets, or by the wall clock where not all were
 * read from that one.
 */
function byMoment(rows: readonly Counted[], ordinalOf: (boot: number | null) => number | undefined) {
  const onWall = new Set(rows.filter(({ row }) => row[12] === null).map(({ row }) => row[1]));
  const momentOf = (row: TallyTuple) => (onWall.has(row[1]) ? row[8] : (row[12] ?? 0));
  return (a: Counted, b: Counted): number =>
    (ordinalOf(a.row[1]) ?? 0) - (ordinalOf(b.row[1]) ?? 0) ||
    a.wake - b.wake ||
    momentOf(a.row) - momentOf(b.row) ||
    a.row[10] - b.row[10];
}

/** Wall time, and milliseconds of the boot where the kernel's log has them. */
type SleepPair = readonly [at: number, steady: number | null];

interface Counted {
  readonly row: TallyTuple;
  readonly wake: number;
}

/** How often the host had slept in the boot: by the clock that nobody sets, where both were read from it. */
function sleepsBefore(sleeps: readonly SleepPair[], openedAt: number, startedSteady: number | null): number {
  let count = 0;
  for (const [at, steady] of sleeps)
    if (steady === null || startedSteady === null ? at <= openedAt : steady <= startedSteady) count += 1;
  return count;
}

function isSameWay(one: TallyTuple, other: TallyTuple): boolean {
  for (let column = 0; column < 7; column++) if (one[column] !== other[column]) return false;
  return true;
}

function join(known: TallyTuple, row: TallyTuple): void {
  known[7] += 1;
  known[8] = Math.min(known[8], row[8]);
  known[9] = Math.max(known[9], row[9]);
  known[10] = Math.min(known[10], row[10]);
  known[11] = Math.max(known[11], row[11]);
  if (row[12] !== null) known[12] = Math.min(known[12] ?? row[12], row[12]);
}
