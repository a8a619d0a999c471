import type Database from "better-sqlite3";
import { StoreRefusal, type StoreTroubleKind } from "./refusal.ts";
import { damagedFile, explainDiskTrouble, type Troubles } from "./troubles.ts";

export type SqlValue = string | number | bigint | Uint8Array | null;

/** A prepared statement; made when it is first used, so that a command pays only for what it asks. */
export interface Statement<Parameters extends SqlValue[], Row> {
  /** Returns the number of rows it changed. */
  run(...parameters: Parameters): number;
  /** As `run`, for an insert into a table with a row number; returns that number. */
  insert(...parameters: Parameters): number;
  get(...parameters: Parameters): Row | undefined;
  all(...parameters: Parameters): Row[];
}

/** A query whose rows come as arrays in the order of its columns: where there are thousands, half the time. */
export interface Tuples<Parameters extends SqlValue[], Tuple extends readonly SqlValue[]> {
  all(...parameters: Parameters): Tuple[];
}

/** The one connection of a store. Errors that the disk is to blame for become `StoreRefusal`. */
export interface Connection {
  readonly path: string;
  statement<Parameters extends SqlValue[], Row = never>(sql: string): Statement<Parameters, Row>;
  tuples<Parameters extends SqlValue[], Tuple extends readonly SqlValue[]>(
    sql: string,
  ): Tuples<Parameters, Tuple>;
  /** One transaction, on the disk when it returns. Inside another one it becomes part of that. */
  durable<T>(work: () => T): T;
  /** One transaction that a power cut may undo, the program's death not. */
  batched<T>(work: () => T): T;
  /** A pragma's single answer. */
  pragma(text: string): number | string;
  /**
   * What to throw for what was thrown where rows are read: SQLite finds no fault with a byte that was changed inside a
   * text, but what this program stored as JSON is JSON.
   */
  judge(error: unknown): unknown;
  /** Newest commit that changed something, UTC epoch milliseconds. */
  lastCommitAt(): number | undefined;
  /** Changes whenever another program wrote, or something was rolled back: what was read before may be wrong then. */
  outsideChanges(): string;
}

export interface ConnectionParts {
  readonly database: Database.Database;
  readonly path: string;
  readonly clock: { now(): number };
  readonly troubles: Troubles;
  /** Called once when SQLite finds the file damaged while it is in use. */
  readonly onDamage: () => void;
  /** Called after a commit that ended troubles. */
  readonly onSettled: () => void;
}

const REFUSES: ReadonlySet<StoreTroubleKind> = new Set(["input-output", "read-only"]);
/** What a disk that fails gives to read looks damaged; one that fails for longer may have damaged the file (ms). */
const LOOKS_DAMAGED_MS = 120_000;

/** Wraps an open database. */
export function createConnection(parts: ConnectionParts): Connection {
  const { database, path, clock, troubles } = parts;
  let depth = 0;
  let changed = false;
  let durableWanted = false;
  let level: "FULL" | "NORMAL" | undefined;
  let commitAt: number | undefined;
  let rollbacks = 0;
  /** SQLite rolled the whole transaction back in the middle of it: nothing more may be written until its end. */
  let doomed: unknown;

  function guarded<T>(action: () => T): T {
    if (doomed !== undefined) throw doomed;
    try {
      return action();
    } catch (error) {
      const refusal = asRefusal(error);
      if (depth > 0 && !database.inTransaction) doomed = refusal;
      throw refusal;
    }
  }

  function asRefusal(error: unknown): unknown {
    const trouble =
      error instanceof SyntaxError
        ? damagedFile(path, "a stored text is none that this program writes")
        : explainDiskTrouble(error, path, isDiskFailing());
    if (trouble === undefined) return error;
    if (trouble.kind === "damaged") parts.onDamage();
    return new StoreRefusal(troubles.report(trouble.kind, trouble.why, trouble.remedy));
  }

  function isDiskFailing(): boolean {
    return troubles
      .list()
      .some(
        ({ kind, until, since }) =>
          REFUSES.has(kind) && until === undefined && Math.abs(clock.now() - since) < LOOKS_DAMAGED_MS,
      );
  }

  function statement<Parameters extends SqlValue[], Row>(sql: string): Statement<Parameters, Row> {
    let prepared: Database.Statement<unknown[], Row> | undefined;
    const ready = () => {
      prepared ??= database.prepare<unknown[], Row>(sql);
      return prepared;
    };
    const run = (parameters: Parameters) =>
      guarded(() => {
        const result = ready().run(...parameters);
        if (result.changes > 0) changed = true;
        return result;
      });
    return {
      run: (...parameters) => run(parameters).changes,
      insert: (...parameters) => Number(run(parameters).lastInsertRowid),
      get: (...parameters) => guarded(() => ready().get(...parameters)),
      all: (...parameters) => guarded(() => ready().all(...parameters)),
    };
  }

  function tuples<Parameters extends SqlValue[], Tuple extends readonly SqlValue[]>(
    sql: string,
  ): Tuples<Parameters, Tuple> {
    let prepared: Database.Statement<unknown[], Tuple> | undefined;
    return {
      all: (...parameters) =>
        guarded(() => {
          prepared ??= database.prepare<unknown[], Tuple>(sql).raw();
          return prepared.all(...parameters);
        }),
    };
  }

  const begin = statement<[], never>("BEGIN IMMEDIATE");
  const commit = statement<[], never>("COMMIT");
  const savepoint = statement<[], never>("SAVEPOINT inner_work");
  const release = statement<[], never>("RELEASE inner_work");
  const dataVersion = statement<[], { data_version: number }>("PRAGMA data_version");
  const syncCounter = statement<[], never>(
    `INSERT INTO meta (key, value) VALUES ('durable commits after the fact', '1')
     ON CONFLICT (key) DO UPDATE SET value = CAST(value AS INTEGER) + 1`,
  );

  function outermost<T>(wanted: "FULL" | "NORMAL", work: () => T): T {
    // The level cannot be changed inside a transaction; outside, changing it costs a microsecond or two.
    if (level !== wanted) database.pragma(`synchronous = ${wanted}`);
    level = wanted;
    changed = false;
    durableWanted = false;
    begin.run();
    depth = 1;
    let value: T;
    try {
      value = work();
      commit.run();
    } catch (error) {
      rollbacks += 1;
      if (database.inTransaction) database.exec("ROLLBACK");
      throw error;
    } finally {
      depth = 0;
      doomed = undefined;
    }
    if (changed) {
      commitAt = clock.now();
      if (troubles.settle()) parts.onSettled();
    }
    return value;
  }

  function nested<T>(work: () => T): T {
    savepoint.run();
    depth++;
    try {
      const value = work();
      release.run();
      return value;
    } catch (error) {
      rollbacks += 1;
      if (database.inTransaction) database.exec("ROLLBACK TO inner_work; RELEASE inner_work");
      throw error;
    } finally {
      depth--;
    }
  }

  return {
    path,
    statement,
    tuples,
    durable(work) {
      if (depth === 0) return outermost("FULL", work);
      durableWanted = true;
      return nested(work);
    },
    batched(work) {
      if (depth > 0) return nested(work);
      const value = outermost("NORMAL", work);
      // The next durable commit puts everything before it on the disk, so an empty one makes up for the batch.
      if (changed && durableWanted) outermost("FULL", () => syncCounter.run());
      return value;
    },
    pragma(text) {
      // All rows, not the first alone: incremental_vacuum frees a page with each one that is asked for.
      const rows = guarded(() => database.pragma(text)) as readonly Record<string, unknown>[];
      const answer = Object.values(rows[0] ?? {})[0];
      return typeof answer === "number" || typeof answer === "string" ? answer : "";
    },
    judge: (error) => (error instanceof SyntaxError ? asRefusal(error) : error),
    lastCommitAt: () => commitAt,
    outsideChanges: () => `${dataVersion.get()?.data_version} ${rollbacks}`,
  };
}
