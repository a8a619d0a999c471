import type { Connection } from "./connection.ts";
import { fileSize } from "./file-size.ts";
import { type AttemptsInOrder, CLOSED, createAttemptsInOrder } from "./protected-attempts.ts";
import type { DroppedCounts, RetentionLimits } from "./store.ts";

/** A piece of work: what it touched, in rows, and what it dropped. */
export interface Piece {
  readonly rows: number;
  readonly dropped?: Partial<DroppedCounts> | undefined;
}

/** Rows that one piece goes through at most. */
const ROWS = 500;
/** Whatever the clock says or has said. */
const EVER = Number.MAX_SAFE_INTEGER;
/** A file over its cap shrinks to this part of it, so that it does not stand at the cap for ever. */
const SHRINK_TO = 0.8;
/** So many rows are dropped before the size is looked at again. */
const LOOK_AFTER = 500;

/**
 * Makes what one run of retention does, in pieces of which each leaves a whole history: whoever breaks a run off, or is
 * killed in it, begins a new one.
 */
export function createRetentionRun(
  connection: Connection,
): (limits: RetentionLimits) => Generator<Piece, void> {
  const attemptsInOrder = createAttemptsInOrder(connection);
  const anyBefore = connection.statement<[number], { number: number }>(
    `SELECT number FROM attempt WHERE opened_at < ? AND ${CLOSED} LIMIT 1`,
  );
  const evidenceOf = connection.statement<[number], { evidence: number }>(
    `SELECT evidence_count AS evidence FROM attempt WHERE number = ? AND ${CLOSED}`,
  );
  const dropAttempt = connection.statement<[number]>("DELETE FROM attempt WHERE number = ?");
  const dropPlainEvidence = connection.statement<[number]>(
    `DELETE FROM evidence WHERE matches = '[]' AND kind IN ('domain-log-line', 'kernel-record', 'libvirtd-record')
       AND attempt = ?`,
  );
  const countLess = connection.statement<[number, number, number]>(
    `UPDATE attempt SET evidence_count = evidence_count - ?, evidence_left_out = evidence_left_out + ?
     WHERE number = ?`,
  );
  const dropOld = {
    sightings: connection.statement<[number, number]>(
      `DELETE FROM sighting WHERE number IN
         (SELECT number FROM sighting WHERE last_at < ? ORDER BY last_at LIMIT ?)`,
    ),
    gaps: connection.statement<[number, number]>(
      "DELETE FROM gap WHERE number IN (SELECT number FROM gap WHERE at < ? ORDER BY at LIMIT ?)",
    ),
    hotPlugs: connection.statement<[number, number]>(
      "DELETE FROM hot_plug WHERE number IN (SELECT number FROM hot_plug WHERE at < ? ORDER BY at LIMIT ?)",
    ),
    incidents: connection.statement<[number, number]>(
      `DELETE FROM incident WHERE number IN
         (SELECT number FROM incident WHERE last_at < ? AND closed_at IS NOT NULL AND NOT EXISTS
            (SELECT 1 FROM delivery WHERE delivery.incident = incident.number AND state = 'pending')
          ORDER BY last_at LIMIT ?)`,
    ),
  };
  const piecesOf = (table: string, column: string) =>
    connection.statement<[number, number], { last: number | null }>(
      `SELECT max(${column}) AS last FROM (SELECT ${column} FROM ${table} WHERE ${column} > ? ORDER BY ${column} LIMIT ?)`,
    );
  const boots = piecesOf("boot", "order_key");
  // The newest boot is the running one.
  const dropBoots = connection.statement<[number, number, number]>(
    `DELETE FROM boot WHERE order_key > ? AND order_key <= ? AND last_seen_at < ?
       AND order_key < (SELECT max(order_key) FROM boot)
       AND NOT EXISTS (SELECT 1 FROM attempt WHERE attempt.boot = boot.number)`,
  );
  const snapshots = piecesOf("snapshot", "number");
  // The newest stays whatever speaks of it: places only grow, because spans count by them.
  const dropSnapshots = connection.statement<[number, number]>(
    `DELETE FROM snapshot WHERE number > ? AND number <= ? AND NOT EXISTS
         (SELECT 1 FROM snapshot_moment WHERE snapshot_moment.snapshot = snapshot.number)
       AND NOT EXISTS (SELECT 1 FROM attempt WHERE attempt.snapshot = snapshot.number)
       AND (place IS NULL OR place < (SELECT max(place) FROM snapshot))`,
  );
  const facts = piecesOf("fact", "number");
  const dropSpans = connection.statement<[number, number]>(
    `DELETE FROM span WHERE fact > ? AND fact <= ? AND NOT EXISTS (SELECT 1 FROM snapshot
       WHERE snapshot.strand = span.strand AND place BETWEEN span.first AND ifnull(span.last, ${EVER}))`,
  );
  const dropFacts = connection.statement<[number, number]>(
    `DELETE FROM fact WHERE number > ? AND number <= ?
       AND NOT EXISTS (SELECT 1 FROM span WHERE span.fact = fact.number)`,
  );
  const keys = piecesOf("fact_key", "number");
  const dropKeys = connection.statement<[number, number]>(
    `DELETE FROM fact_key WHERE number > ? AND number <= ?
       AND NOT EXISTS (SELECT 1 FROM fact WHERE fact.fact_key = fact_key.number)`,
  );

  function* attempts(
    { numbers, times }: AttemptsInOrder,
    before: number,
    kept: ReadonlySet<number>,
  ): Generator<Piece> {
    for (const [place, number] of numbers.entries()) {
      if ((times[place] ?? 0) >= before || kept.has(number)) continue;
      // It may be gone since they were put in order.
      const known = evidenceOf.get(number);
      if (known !== undefined) dropAttempt.run(number);
      yield { rows: 2 + (known?.evidence ?? 0), dropped: known && { attempts: 1, evidence: known.evidence } };
    }
  }

  function* plainEvidence({ numbers }: AttemptsInOrder): Generator<Piece> {
    for (const number of numbers) {
      const evidence = dropPlainEvidence.run(number);
      if (evidence > 0) countLess.run(evidence, evidence, number);
      yield { rows: 2 + evidence, dropped: { evidence } };
    }
  }

  function* old(what: keyof typeof dropOld, time: number): Generator<Piece> {
    for (let gone = ROWS; gone === ROWS; ) {
      gone = dropOld[what].run(time, ROWS);
      yield { rows: gone, dropped: { [what]: gone } };
    }
  }

  /** Goes through a table from its lowest to its highest key. */
  function* through(
    pieces: typeof boots,
    drop: (after: number, last: number) => Partial<DroppedCounts>,
  ): Generator<Piece> {
    for (let after = -EVER; ; ) {
      const last = pieces.get(after, ROWS / 5)?.last ?? null;
      if (last === null) return;
      yield { rows: ROWS / 5, dropped: drop(after, last) };
      after = last;
    }
  }

  /** Boots without attempts, snapshots that nothing speaks of any more, and their facts. */
  function* leftovers(time: number): Generator<Piece> {
    yield* through(boots, (after, last) => ({ boots: dropBoots.run(after, last, time) }));
    yield* through(snapshots, (after, last) => ({ snapshots: dropSnapshots.run(after, last) }));
    yield* through(facts, (after, last) => {
      dropSpans.run(after, last);
      dropFacts.run(after, last);
      return {};
    });
    yield* through(keys, (after, last) => {
      dropKeys.run(after, last);
      return {};
    });
  }

  function* whileTooLarge(pieces: Generator<Piece>, maxBytes: number): Generator<Piece> {
    const isTooLarge = () => fileSize(connection).used > maxBytes * SHRINK_TO;
    let sinceLook = LOOK_AFTER;
    while (sinceLook < LOOK_AFTER || isTooLarge()) {
      const { value, done } = pieces.next();
      if (done === true) return;
      yield value;
      sinceLook = (sinceLook < LOOK_AFTER ? sinceLook : 0) + value.rows;
    }
  }

  /** From what is missed least to what is missed most. */
  function* bySize(order: AttemptsInOrder): Generator<Piece> {
    yield* old("sightings", EVER);
    yield* attempts(order, EVER, order.kept.all);
    yield* old("gaps", EVER);
    yield* old("hotPlugs", EVER);
    yield* old("incidents", EVER);
    yield* plainEvidence(order);
    yield* attempts(order, EVER, order.kept.newestOnly);
    yield* leftovers(EVER);
  }

  return function* run({ now, maxAgeMs, maxBytes, keepNewest = 20 }) {
    const time = now - maxAgeMs;
    let order: AttemptsInOrder | undefined;
    function* putInOrder(): Generator<Piece, AttemptsInOrder> {
      const finding = attemptsInOrder(keepNewest);
      for (;;) {
        const found = finding.next();
        if (found.done === true) return found.value;
        yield { rows: found.value };
      }
    }
    // Mostly nothing is old enough to ask what is kept.
    if (anyBefore.get(time) !== undefined) {
      order = yield* putInOrder();
      yield* attempts(order, time, order.kept.all);
    }
    yield* old("sightings", time);
    yield* old("gaps", time);
    yield* old("hotPlugs", time);
    yield* old("incidents", time);
    yield* leftovers(time);
    if (fileSize(connection).bytes <= maxBytes) return;
    order ??= yield* putInOrder();
    yield* whileTooLarge(bySize(order), maxBytes);
  };
}
