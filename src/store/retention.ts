import type { Connection } from "./connection.ts";
import { fileSize } from "./file-size.ts";
import { createProtectedAttempts } from "./protected-attempts.ts";
import { StoreRefusal } from "./refusal.ts";
import type { DroppedCounts, PruneStep, RetentionLimits } from "./store.ts";

/** Rows that one step deletes at most; a step holds the event loop for some tens of milliseconds. */
const ATTEMPTS = 250;
const ROWS = 4000;
/** So much is given back to the file system in one step (bytes). */
const GIVEN_BACK = 16 * 1024 * 1024;
/** A file over its cap shrinks to this part of it, so that it does not stand at the cap for ever. */
const SHRINK_TO = 0.8;

/** Known how it went, or that the host took it with it. */
const CLOSED = "(outcome IS NOT NULL OR summary IS NOT NULL)";

export interface Retention {
  prune(limits: RetentionLimits): PruneStep;
  /** Everything that was ever dropped. */
  dropped(): DroppedCounts;
}

const NOTHING: DroppedCounts = {
  attempts: 0,
  evidence: 0,
  sightings: 0,
  gaps: 0,
  hotPlugs: 0,
  boots: 0,
  snapshots: 0,
  incidents: 0,
};

export function createRetention(connection: Connection): Retention {
  const protectedAttempts = createProtectedAttempts(connection);
  /** A run over the size cap goes on until the file is well below it. */
  let shrinking = false;
  /** Computed once a run: dropping what is not protected never changes what is. */
  let keep: Kept | undefined;

  const readDropped = connection.statement<[], { value: string }>(
    "SELECT value FROM meta WHERE key = 'dropped'",
  );
  const writeDropped = connection.statement<[string]>(
    `INSERT INTO meta (key, value) VALUES ('dropped', ?)
     ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
  );
  const oldAttempts = connection.statement<[number, string, number], OldAttempt>(
    // A start is no older than the boots before its own: the clock may have been wrong in one of them, and its wall time
    // is not what it is ordered by.
    `WITH placed AS (
       SELECT number, order_key, started_at,
         max(last_seen_at) OVER (ORDER BY order_key ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS not_before
       FROM boot
     )
     SELECT attempt.number, evidence_count AS evidence
     FROM attempt LEFT JOIN placed ON placed.number = attempt.boot
     WHERE ${CLOSED} AND max(opened_at, ifnull(not_before, opened_at)) < ?
       AND attempt.number NOT IN (SELECT value FROM json_each(?))
     ORDER BY ifnull(order_key, (SELECT max(order_key) FROM boot WHERE started_at <= opened_at)),
       ifnull(steady, opened_at - ifnull(started_at, 0)), attempt.number
     LIMIT ?`,
  );
  const anyBefore = connection.statement<[number], { number: number }>(
    `SELECT number FROM attempt WHERE opened_at < ? AND ${CLOSED} LIMIT 1`,
  );
  const dropAttempt = connection.statement<[number]>("DELETE FROM attempt WHERE number = ?");
  const dropSightings = connection.statement<[number, number]>(
    `DELETE FROM sighting WHERE number IN
       (SELECT number FROM sighting WHERE last_at < ? ORDER BY last_at LIMIT ?)`,
  );
  const dropGaps = connection.statement<[number, number]>(
    "DELETE FROM gap WHERE number IN (SELECT number FROM gap WHERE at < ? ORDER BY at LIMIT ?)",
  );
  const dropHotPlugs = connection.statement<[number, number]>(
    "DELETE FROM hot_plug WHERE number IN (SELECT number FROM hot_plug WHERE at < ? ORDER BY at LIMIT ?)",
  );
  const dropIncidents = connection.statement<[number, number]>(
    `DELETE FROM incident WHERE number IN
       (SELECT number FROM incident WHERE last_at < ? AND closed_at IS NOT NULL AND NOT EXISTS
          (SELECT 1 FROM delivery WHERE delivery.incident = incident.number AND state = 'pending')
        ORDER BY last_at LIMIT ?)`,
  );
  const dropPlainEvidence = connection.statement<[number]>(
    `DELETE FROM evidence WHERE matches = '[]' AND kind IN ('domain-log-line', 'kernel-record', 'libvirtd-record')
       AND attempt = ?`,
  );
  const withPlainEvidence = connection.statement<[number, number], { number: number }>(
    `SELECT number FROM attempt WHERE ${CLOSED} AND number > ? AND evidence_count > 0
     ORDER BY number LIMIT ?`,
  );
  const countLess = connection.statement<[number, number, number]>(
    `UPDATE attempt SET evidence_count = evidence_count - ?, evidence_left_out = evidence_left_out + ?
     WHERE number = ?`,
  );
  // The newest boot is the running one.
  const dropBoots = connection.statement<[number, number]>(
    `DELETE FROM boot WHERE number IN
       (SELECT number FROM boot WHERE last_seen_at < ?
          AND order_key < (SELECT max(order_key) FROM boot)
          AND NOT EXISTS (SELECT 1 FROM attempt WHERE attempt.boot = boot.number)
        ORDER BY order_key LIMIT ?)`,
  );
  // The newest stays whatever speaks of it: places only grow, because spans count by them.
  const dropSnapshots = connection.statement<[]>(
    `DELETE FROM snapshot WHERE NOT EXISTS
         (SELECT 1 FROM snapshot_moment WHERE snapshot_moment.snapshot = snapshot.number)
       AND NOT EXISTS (SELECT 1 FROM attempt WHERE attempt.snapshot = snapshot.number)
       AND (place IS NULL OR place < (SELECT max(place) FROM snapshot))`,
  );
  const dropFacts = [
    `DELETE FROM span WHERE NOT EXISTS (SELECT 1 FROM snapshot WHERE snapshot.strand = span.strand
       AND place BETWEEN span.first AND ifnull(span.last, ${Number.MAX_SAFE_INTEGER}))`,
    "DELETE FROM fact WHERE NOT EXISTS (SELECT 1 FROM span WHERE span.fact = fact.number)",
    "DELETE FROM fact_key WHERE NOT EXISTS (SELECT 1 FROM fact WHERE fact.fact_key = fact_key.number)",
  ].map((sql) => connection.statement<[]>(sql));
  let plainFrom = 0;

  function attemptsBefore(time: number, kept: string): DroppedCounts {
    const old = oldAttempts.all(time, kept, ATTEMPTS);
    for (const { number } of old) dropAttempt.run(number);
    return {
      ...NOTHING,
      attempts: old.length,
      evidence: old.reduce((sum, { evidence }) => sum + evidence, 0),
    };
  }

  /** Boots without attempts, snapshots that nothing speaks of any more, and their facts. */
  function leftovers(time: number): DroppedCounts {
    const boots = dropBoots.run(time, ATTEMPTS);
    const snapshots = dropSnapshots.run();
    if (snapshots > 0) for (const drop of dropFacts) drop.run();
    return { ...NOTHING, boots, snapshots };
  }

  function plainEvidence(): DroppedCounts {
    let evidence = 0;
    for (const { number } of withPlainEvidence.all(plainFrom, ATTEMPTS)) {
      const gone = dropPlainEvidence.run(number);
      if (gone > 0) countLess.run(gone, gone, number);
      evidence += gone;
      plainFrom = number;
    }
    return { ...NOTHING, evidence };
  }

  function byAge(time: number, kept: () => Kept): DroppedCounts {
    return firstThatDrops([
      // Finding what is protected takes a while in a long history; mostly nothing is old enough to ask.
      () => (anyBefore.get(time) === undefined ? NOTHING : attemptsBefore(time, kept().all)),
      () => ({ ...NOTHING, sightings: dropSightings.run(time, ROWS) }),
      () => ({ ...NOTHING, gaps: dropGaps.run(time, ROWS) }),
      () => ({ ...NOTHING, hotPlugs: dropHotPlugs.run(time, ROWS) }),
      () => ({ ...NOTHING, incidents: dropIncidents.run(time, ROWS) }),
      () => leftovers(time),
    ]);
  }

  /** From what is missed least to what is missed most. */
  function bySize(kept: () => Kept): DroppedCounts {
    // Whatever the clock says or has said.
    const now = Number.MAX_SAFE_INTEGER;
    return firstThatDrops([
      () => ({ ...NOTHING, sightings: dropSightings.run(now, ROWS) }),
      () => attemptsBefore(now, kept().all),
      () => ({ ...NOTHING, gaps: dropGaps.run(now, ROWS) }),
      () => ({ ...NOTHING, hotPlugs: dropHotPlugs.run(now, ROWS) }),
      () => ({ ...NOTHING, incidents: dropIncidents.run(now, ROWS) }),
      plainEvidence,
      () => attemptsBefore(now, kept().newestOnly),
      () => leftovers(now),
    ]);
  }

  function step(limits: RetentionLimits): { readonly done: boolean; readonly dropped: DroppedCounts } {
    const kept = () => {
      keep ??= protectedAttempts(limits.keepNewest ?? 20);
      return keep;
    };
    const size = fileSize(connection);
    if (size.bytes > limits.maxBytes) shrinking = true;
    if (size.used <= limits.maxBytes * SHRINK_TO) shrinking = false;
    const dropped = connection.batched(() => {
      let counts = byAge(limits.now - limits.maxAgeMs, kept);
      if (isNothing(counts) && shrinking) counts = bySize(kept);
      if (!isNothing(counts)) writeDropped.run(JSON.stringify(sum(readTotal(), counts)));
      return counts;
    });
    if (!isNothing(dropped)) {
      // Keeps the log of a long run from growing to the size of what it drops.
      connection.pragma("wal_checkpoint(PASSIVE)");
      return { done: false, dropped };
    }
    return { done: !giveBack(limits), dropped };
  }

  /** Gives free pages back to the file system; false when there is nothing more to give. */
  function giveBack(limits: RetentionLimits): boolean {
    const { freePages, pageSize, used, bytes } = fileSize(connection);
    const wasteful = bytes > limits.maxBytes || freePages * pageSize > used / 4;
    if (freePages > 0 && wasteful) {
      connection.pragma(`incremental_vacuum(${GIVEN_BACK / pageSize})`);
      connection.pragma("wal_checkpoint(PASSIVE)");
      return true;
    }
    // Does not wait for a reader that still needs the log.
    const patience = connection.pragma("busy_timeout");
    connection.pragma("busy_timeout = 0");
    connection.pragma("wal_checkpoint(TRUNCATE)");
    connection.pragma(`busy_timeout = ${patience}`);
    return false;
  }

  function readTotal(): DroppedCounts {
    const row = readDropped.get();
    return row === undefined ? NOTHING : { ...NOTHING, ...(JSON.parse(row.value) as DroppedCounts) };
  }

  return {
    prune(limits) {
      try {
        const { done, dropped } = step(limits);
        if (done) endRun();
        return { done, dropped, bytes: fileSize(connection).bytes };
      } catch (error) {
        endRun();
        if (!(error instanceof StoreRefusal)) throw error;
        return {
          done: true,
          dropped: NOTHING,
          bytes: fileSize(connection).bytes,
          trouble: error.trouble,
        };
      }
    },
    dropped: readTotal,
  };

  function endRun(): void {
    keep = undefined;
    shrinking = false;
    plainFrom = 0;
  }
}

/** JSON lists of attempt numbers. */
type Kept = ReturnType<ReturnType<typeof createProtectedAttempts>>;

interface OldAttempt {
  readonly number: number;
  readonly evidence: number;
}

function firstThatDrops(ways: readonly (() => DroppedCounts)[]): DroppedCounts {
  for (const way of ways) {
    const counts = way();
    if (!isNothing(counts)) return counts;
  }
  return NOTHING;
}

function isNothing(counts: DroppedCounts): boolean {
  return Object.values(counts).every((count) => count === 0);
}

function sum(a: DroppedCounts, b: DroppedCounts): DroppedCounts {
  return {
    attempts: a.attempts + b.attempts,
    evidence: a.evidence + b.evidence,
    sightings: a.sightings + b.sightings,
    gaps: a.gaps + b.gaps,
    hotPlugs: a.hotPlugs + b.hotPlugs,
    boots: a.boots + b.boots,
    snapshots: a.snapshots + b.snapshots,
    incidents: a.incidents + b.incidents,
  };
}
