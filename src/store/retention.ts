import type { Connection } from "./connection.ts";
import { fileSize } from "./file-size.ts";
import { StoreRefusal } from "./refusal.ts";
import { createRetentionRun, type Piece } from "./retention-run.ts";
import type { DroppedCounts, PruneStep, RetentionLimits } from "./store.ts";

/** Rows that one step goes through; it holds the event loop for some ten milliseconds. */
const ROWS = 1000;
/** So much is given back to the file system in one step (bytes). */
const GIVEN_BACK = 1024 * 1024;

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

interface Run {
  readonly pieces: Generator<Piece, void>;
  /** Nothing is left to drop. */
  isOver: boolean;
  /** What is free goes back to the file system, all of it: a file at its cap would be over it with the next start. */
  isShrinking: boolean;
  /** What another process writes meanwhile may change what is kept. */
  readonly asOf: string;
}

export function createRetention(connection: Connection): Retention {
  const begin = createRetentionRun(connection);
  let run: Run | undefined;

  const readDropped = connection.statement<[], { value: string }>(
    "SELECT value FROM meta WHERE key = 'dropped'",
  );
  const writeDropped = connection.statement<[string]>(
    `INSERT INTO meta (key, value) VALUES ('dropped', ?)
     ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
  );

  function step(limits: RetentionLimits): { readonly done: boolean; readonly dropped: DroppedCounts } {
    const asOf = connection.outsideChanges();
    if (run?.asOf !== asOf) run = { pieces: begin(limits), isOver: false, isShrinking: false, asOf };
    const own = run;
    if (own.isOver) return { done: !giveBack(own, limits), dropped: NOTHING };
    const dropped = connection.batched(() => {
      const counts = drop(own);
      if (!isNothing(counts)) writeDropped.run(JSON.stringify(sum(readTotal(), counts)));
      return counts;
    });
    // Keeps the log of a long run from growing to the size of what it drops.
    if (!isNothing(dropped)) connection.pragma("wal_checkpoint(PASSIVE)");
    return { done: own.isOver && isNothing(dropped) && !giveBack(own, limits), dropped };
  }

  function drop(own: Run): DroppedCounts {
    let counts = NOTHING;
    for (let rows = 0; rows < ROWS; ) {
      const { value, done } = own.pieces.next();
      if (done === true) {
        own.isOver = true;
        break;
      }
      rows += value.rows;
      if (value.dropped !== undefined) counts = sum(counts, value.dropped);
    }
    return counts;
  }

  /** Gives free pages back to the file system; false when there is nothing more to give. */
  function giveBack(own: Run, limits: RetentionLimits): boolean {
    const { freePages, pageSize, used, bytes } = fileSize(connection);
    if (bytes > limits.maxBytes || freePages * pageSize > used / 4) own.isShrinking = true;
    if (freePages > 0 && own.isShrinking) {
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
        if (done) run = undefined;
        return { done, dropped, bytes: fileSize(connection).bytes };
      } catch (error) {
        run = undefined;
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
}

function isNothing(counts: DroppedCounts): boolean {
  return Object.values(counts).every((count) => count === 0);
}

function sum(a: DroppedCounts, b: Partial<DroppedCounts>): DroppedCounts {
  const total = { ...a };
  for (const [what, count] of Object.entries(b)) total[what as keyof DroppedCounts] += count;
  return total;
}
