import type { Connection } from "./connection.ts";

/**
 * When a fact held: in every snapshot of the strand from place `first` to place `last`, both included; without `last`,
 * to the newest one.
 */
export interface Span {
  readonly fact: number;
  readonly strand: number;
  readonly first: number;
  readonly last: number | null;
}

/** Where a stored snapshot stands. */
export interface Position {
  readonly strand: number;
  readonly place: number;
}

/** The facts of all snapshots, each once for as long as it held. */
export interface SpanTable {
  /** Puts a snapshot with these facts behind all that are stored. Writes only what differs from its neighbour. */
  append(facts: ReadonlySet<number>): Position;
}

/**
 * A snapshot that differs by more than this part of its facts from the one before it is compared with the end of every
 * strand: a host without what libvirt tells yet, or what an archive knows of it, is followed by the whole one again, and
 * each time thousands of spans would end and begin.
 */
const TOO_DIFFERENT = 1 / 16;
const MOST_STRANDS = 12;

/** Makes the table of spans over an open database. */
export function createSpanTable(connection: Pick<Connection, "statement" | "tuples">): SpanTable {
  const newest = connection.statement<[], Position>(
    "SELECT strand, place FROM snapshot WHERE place IS NOT NULL ORDER BY place DESC LIMIT 1",
  );
  const strands = connection.tuples<[], [strand: number]>(
    "SELECT DISTINCT strand FROM snapshot WHERE place IS NOT NULL",
  );
  const open = connection.tuples<[number], [fact: number]>(
    "SELECT fact FROM span WHERE strand = ? AND last IS NULL",
  );
  const end = connection.statement<[number, number, string]>(
    `UPDATE span SET last = ? WHERE strand = ? AND last IS NULL AND fact IN (SELECT value FROM json_each(?))`,
  );
  const begin = connection.statement<[number, number, string]>(
    "INSERT INTO span (fact, strand, first) SELECT value, ?, ? FROM json_each(?)",
  );

  return {
    append(facts) {
      const before = newest.get();
      const place = (before?.place ?? 0) + 1;
      const differences = (strand: number) => differencesOf(strand, open.all(strand), facts);
      let nearest = differences(before?.strand ?? 1);
      if (sizeOf(nearest) > facts.size * TOO_DIFFERENT) {
        const known = strands.all().map(([strand]) => strand);
        for (const strand of known) {
          const other = differences(strand);
          if (sizeOf(other) < sizeOf(nearest)) nearest = other;
        }
        const free = Math.max(0, ...known) + 1;
        if (sizeOf(nearest) > facts.size * TOO_DIFFERENT && known.length < MOST_STRANDS)
          nearest = differences(free);
      }
      // No snapshot of the strand stands between its last one and this place.
      if (nearest.ended.length > 0) end.run(place - 1, nearest.strand, JSON.stringify(nearest.ended));
      if (nearest.begun.length > 0) begin.run(nearest.strand, place, JSON.stringify(nearest.begun));
      return { strand: nearest.strand, place };
    },
  };
}

interface Differences {
  readonly strand: number;
  readonly ended: readonly number[];
  readonly begun: readonly number[];
}

function differencesOf(
  strand: number,
  open: readonly (readonly [number])[],
  facts: ReadonlySet<number>,
): Differences {
  const held = new Set(open.map(([fact]) => fact));
  return {
    strand,
    ended: [...held].filter((fact) => !facts.has(fact)),
    begun: [...facts].filter((fact) => !held.has(fact)),
  };
}

function sizeOf({ ended, begun }: Differences): number {
  return ended.length + begun.length;
}
