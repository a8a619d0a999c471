import type { Connection } from "./connection.ts";

/** Boundaries of one VM that are protected; a flaky device makes one with every start. */
const MOST_BOUNDARIES = 500;
/** What stays of each VM even when the size cap cannot be held otherwise. */
const ALWAYS = 2;
/** Rows that are read in one piece. */
const PIECE = 500;
/** Asking takes as long as so many rows, also where a boot has none. */
const ASKING = 4;

/** Starts that are over, the oldest first, and which of them retention keeps. */
export interface AttemptsInOrder {
  readonly numbers: readonly number[];
  /** For each of them: it is no younger than this (UTC epoch milliseconds). */
  readonly times: readonly number[];
  readonly kept: {
    readonly all: ReadonlySet<number>;
    /** For when the file would not fit otherwise. */
    readonly newestOnly: ReadonlySet<number>;
  };
}

type AttemptTuple = [
  number: number,
  vm: number,
  outcome: string | null,
  openedAt: number,
  steady: number | null,
  isOver: number,
];
type BootTuple = [number: number, orderKey: number, startedAt: number, lastSeenAt: number];

interface Placed {
  readonly row: AttemptTuple;
  /** Orders the starts of one boot (ms). */
  readonly within: number;
}

/** The starts of a VM so far, as far as they may have to stay; the newest last. */
interface Course {
  readonly newest: { readonly number: number; readonly isGood: boolean; isBoundary: boolean }[];
  readonly boundaries: number[];
}

/** Known how it went, or that the host took it with it. */
export const CLOSED = "(outcome IS NOT NULL OR summary IS NOT NULL)";

/**
 * Makes the finder of the attempts that retention keeps: of each VM the newest, and those on both sides of every change
 * between working and failing, since they are what blame rests on. A long history takes a while: after each piece the
 * rows that it took are yielded.
 */
export function createAttemptsInOrder(
  connection: Connection,
): (keepNewest: number) => Generator<number, AttemptsInOrder> {
  const allBoots = connection.tuples<[], BootTuple>(
    "SELECT number, order_key, started_at, last_seen_at FROM boot ORDER BY order_key",
  );
  const pieceOf = connection.tuples<[number | null, number, number], AttemptTuple>(
    `SELECT number, vm, outcome, opened_at, steady, ${CLOSED} FROM attempt
     WHERE boot IS ? AND number > ? ORDER BY number LIMIT ?`,
  );

  function* attemptsOf(boot: number | null, startedAt: number): Generator<number, Placed[]> {
    const placed: Placed[] = [];
    for (let from = 0; ; ) {
      const rows = pieceOf.all(boot, from, PIECE);
      for (const row of rows) placed.push({ row, within: row[4] ?? row[3] - startedAt });
      yield rows.length + ASKING;
      if (rows.length < PIECE) return placed.sort(inOrder);
      from = rows.at(-1)?.[0] ?? from;
    }
  }

  return function* inOrderOf(keepNewest) {
    const courses = new Map<number, Course>();
    const numbers: number[] = [];
    const times: number[] = [];
    const boots = allBoots.all();
    const homeless = yield* attemptsOf(null, 0);
    for (const { row } of homeless) follow(courses, row, keepNewest);
    const guests = guestsOf(boots, homeless);
    const add = (starts: readonly Placed[] = [], notBefore = Number.NEGATIVE_INFINITY) => {
      for (const { row } of starts) {
        if (row[5] === 0) continue;
        numbers.push(row[0]);
        times.push(Math.max(row[3], notBefore));
      }
    };
    add(guests.get(undefined));
    let notBefore = Number.NEGATIVE_INFINITY;
    for (const [number, , startedAt, lastSeenAt] of boots) {
      const own = yield* attemptsOf(number, startedAt);
      for (const { row } of own) follow(courses, row, keepNewest);
      // A start is no older than the boots before its own: the clock may have been wrong in one of them, and its wall
      // time is not what it is ordered by.
      add(own, notBefore);
      add(guests.get(number));
      notBefore = Math.max(notBefore, lastSeenAt);
    }
    return { numbers, times, kept: keptOf(courses) };
  };
}

function inOrder(a: Placed, b: Placed): number {
  return a.within - b.within || a.row[0] - b.row[0];
}

/** Starts of no boot, by the boot after whose starts they are dropped: the last of those that had begun. */
function guestsOf(
  boots: readonly BootTuple[],
  homeless: readonly Placed[],
): ReadonlyMap<number | undefined, readonly Placed[]> {
  const guests = new Map<number | undefined, Placed[]>();
  if (homeless.length === 0) return guests;
  const begun = boots.map((boot, place) => ({ number: boot[0], startedAt: boot[2], place }));
  begun.sort((a, b) => a.startedAt - b.startedAt);
  let host: { readonly number: number; readonly place: number } | undefined;
  let next = 0;
  for (const stray of homeless) {
    for (let boot = begun[next]; boot !== undefined && boot.startedAt <= stray.row[3]; boot = begun[++next])
      if (host === undefined || boot.place > host.place) host = boot;
    const known = guests.get(host?.number);
    if (known === undefined) guests.set(host?.number, [stray]);
    else known.push(stray);
  }
  return guests;
}

/** Takes the next start of a VM into its course. */
function follow(courses: Map<number, Course>, row: AttemptTuple, keepNewest: number): void {
  const [number, vm, outcome] = row;
  if (outcome === null) return;
  let course = courses.get(vm);
  if (course === undefined) {
    course = { newest: [], boundaries: [] };
    courses.set(vm, course);
  }
  const { newest, boundaries } = course;
  const isGood = outcome === "started";
  const before = newest.at(-1);
  const isBoundary = before !== undefined && before.isGood !== isGood;
  if (before !== undefined && isBoundary) before.isBoundary = true;
  newest.push({ number, isGood, isBoundary });
  if (newest.length <= Math.max(ALWAYS, keepNewest)) return;
  const gone = newest.shift();
  if (gone?.isBoundary !== true) return;
  boundaries.push(gone.number);
  if (boundaries.length > MOST_BOUNDARIES) boundaries.shift();
}

function keptOf(courses: ReadonlyMap<number, Course>): AttemptsInOrder["kept"] {
  const all = new Set<number>();
  const newestOnly = new Set<number>();
  for (const { newest, boundaries } of courses.values()) {
    for (const number of boundaries) all.add(number);
    for (const { number } of newest) all.add(number);
    for (const { number } of newest.slice(-ALWAYS)) newestOnly.add(number);
  }
  return { all, newestOnly };
}
