import type { Connection } from "./connection.ts";

/** Boundaries of one VM that are protected; a flaky device makes one with every start. */
const MOST_BOUNDARIES = 500;
/** What stays of each VM even when the size cap cannot be held otherwise. */
const ALWAYS = 2;

interface Row {
  readonly number: number;
  readonly vm: number;
  /** 1 is the newest of its VM. */
  readonly age: number;
}

/**
 * Finds the attempts that retention keeps: of each VM the newest, and those on both sides of every change
 * between working and failing, since they are what blame rests on. Answers JSON lists of attempt numbers:
 * `all`, and `newestOnly` for when the file would not fit otherwise.
 */
export function createProtectedAttempts(
  connection: Connection,
): (keepNewest: number) => { readonly all: string; readonly newestOnly: string } {
  const select = connection.statement<[number], Row>(
    `WITH judged AS (
       SELECT attempt.number, vm, outcome = 'started' AS good,
         lag(outcome = 'started') OVER in_order AS good_before,
         lead(outcome = 'started') OVER in_order AS good_after,
         row_number() OVER newest_first AS age
       FROM attempt LEFT JOIN boot ON boot.number = attempt.boot
       WHERE outcome IS NOT NULL
       WINDOW
         in_order AS (PARTITION BY vm ORDER BY ifnull(order_key, 0), ifnull(steady, opened_at - ifnull(started_at, 0)), attempt.number),
         newest_first AS (PARTITION BY vm ORDER BY ifnull(order_key, 0) DESC, ifnull(steady, opened_at - ifnull(started_at, 0)) DESC, attempt.number DESC)
     )
     SELECT number, vm, age FROM judged
     WHERE age <= ? OR good <> good_before OR good <> good_after
     ORDER BY age`,
  );
  return (keepNewest) => {
    const boundaries = new Map<number, number>();
    const all: number[] = [];
    const newestOnly: number[] = [];
    for (const { number, vm, age } of select.all(Math.max(ALWAYS, keepNewest))) {
      if (age <= ALWAYS) newestOnly.push(number);
      if (age > keepNewest) {
        const before = boundaries.get(vm) ?? 0;
        if (before >= MOST_BOUNDARIES) continue;
        boundaries.set(vm, before + 1);
      }
      all.push(number);
    }
    return { all: JSON.stringify(all), newestOnly: JSON.stringify(newestOnly) };
  };
}
