import type { Fact } from "../model/fact.ts";
import type { BootId } from "../model/identifiers.ts";
import type { BootTable } from "./boots.ts";
import { boundedText } from "./bounded.ts";
import type { Connection } from "./connection.ts";
import { byGroup, type FactRow, toFact } from "./fact-rows.ts";
import { encodeValue } from "./fact-values.ts";
import { readSeries, type SpanTuple } from "./series.ts";
import type { SnapshotMoment, SnapshotSeries, SnapshotStore } from "./snapshot-store.ts";
import { createSpanTable, type Position } from "./spans.ts";

/** Snapshots for the other tables, which refer to them by number. */
export interface SnapshotTable extends SnapshotStore {
  /** Number of a snapshot; one that is not stored yet is announced by its id. */
  numberOf(id: string): number;
  /** Of these numbers, or of all. */
  ids(numbers?: readonly (number | null)[]): ReadonlyMap<number, string>;
}

export function createSnapshotTable(connection: Connection, boots: BootTable): SnapshotTable {
  const spans = createSpanTable(connection);
  const numberById = connection.statement<[string], { number: number }>(
    "SELECT number FROM snapshot WHERE id = ?",
  );
  const positionById = connection.statement<[string], Position>(
    "SELECT strand, place FROM snapshot WHERE id = ? AND place IS NOT NULL",
  );
  const positionsByIds = connection.tuples<[string], [index: number, strand: number, place: number]>(
    `SELECT given.key, strand, place FROM json_each(?) AS given
     CROSS JOIN snapshot ON snapshot.id = given.value WHERE place IS NOT NULL`,
  );
  const announce = connection.statement<[string]>("INSERT INTO snapshot (id) VALUES (?)");
  const fill = connection.statement<[number, number, number, number]>(
    "UPDATE snapshot SET strand = ?, place = ?, facts = ? WHERE number = ?",
  );
  const ids = connection.tuples<[], [number: number, id: string]>("SELECT number, id FROM snapshot");
  const idsOf = connection.tuples<[string], [number: number, id: string]>(
    "SELECT number, id FROM snapshot WHERE number IN (SELECT value FROM json_each(?))",
  );
  const factNumber = connection.statement<[string, string, string, string], { number: number }>(
    `SELECT fact.number FROM fact_key JOIN fact ON fact.fact_key = fact_key.number
     WHERE fact_key.key = ? AND fact_key.fact_group = ? AND fact.state = ? AND fact.value = ?`,
  );
  // All of a snapshot at once: two thousand single questions would hold the service up for 14 ms.
  const knownFacts = connection.statement<[string], { place: number; number: number }>(
    `SELECT given.key AS place, fact.number FROM json_each(?) AS given
     CROSS JOIN fact_key ON fact_key.key = given.value ->> 0 AND fact_key.fact_group = given.value ->> 1
     CROSS JOIN fact ON fact.fact_key = fact_key.number AND fact.state = given.value ->> 2
       AND fact.value = given.value ->> 3`,
  );
  const keyNumber = connection.statement<[string, string], { number: number }>(
    "SELECT number FROM fact_key WHERE key = ? AND fact_group = ?",
  );
  const insertKey = connection.statement<[string, string]>(
    "INSERT INTO fact_key (key, fact_group) VALUES (?, ?)",
  );
  const insertFact = connection.statement<[number, string, string]>(
    "INSERT INTO fact (fact_key, state, value) VALUES (?, ?, ?)",
  );
  const factColumns = `fact.number, fact_key.fact_group, fact_key.key, fact.state, fact.value
     FROM fact JOIN fact_key ON fact_key.number = fact.fact_key`;
  const allFacts = connection.statement<[], FactRow>(
    `SELECT ${factColumns} ORDER BY fact_key.key, fact_group`,
  );
  const allSpans = connection.tuples<[], SpanTuple>("SELECT fact, strand, first, last FROM span");
  const isHeld = "strand = ? AND first <= ? AND (last IS NULL OR last >= ?)";
  const factsAt = connection.statement<[number, number, number], FactRow>(
    `SELECT ${factColumns} JOIN span ON span.fact = fact.number WHERE ${isHeld} ORDER BY fact_key.key`,
  );
  const factAt = connection.statement<[string, number, number, number], FactRow>(
    `SELECT ${factColumns} JOIN span ON span.fact = fact.number WHERE fact_key.key = ? AND ${isHeld}`,
  );
  const lastMoment = connection.statement<[number], { snapshot: number }>(
    "SELECT snapshot FROM snapshot_moment WHERE boot = ? ORDER BY number DESC LIMIT 1",
  );
  const insertMoment = connection.statement<[number, number, number, string, number | null]>(
    "INSERT OR IGNORE INTO snapshot_moment (boot, at, snapshot, reason, steady) VALUES (?, ?, ?, ?, ?)",
  );
  const moments = connection.statement<[string | null, string | null], MomentRow>(
    `SELECT boot.id AS boot, at, snapshot.id AS snapshot, reason, steady FROM snapshot_moment AS moment
     JOIN boot ON boot.number = moment.boot JOIN snapshot ON snapshot.number = moment.snapshot
     WHERE ? IS NULL OR boot.id = ? ORDER BY boot.order_key, moment.number`,
  );

  const momentsInOrder = connection.tuples<[], [id: string]>(
    `SELECT snapshot.id FROM snapshot_moment AS moment
     JOIN boot ON boot.number = moment.boot JOIN snapshot ON snapshot.number = moment.snapshot
     ORDER BY boot.order_key, moment.number`,
  );

  function numberOfFact({ key, group, value }: Fact): number {
    const stored = encodeValue(value);
    const known = factNumber.get(key, group, stored.state, stored.value);
    if (known !== undefined) return known.number;
    const own = keyNumber.get(key, group)?.number ?? insertKey.insert(key, group);
    return insertFact.insert(own, stored.state, stored.value);
  }

  function numbersOf(facts: readonly Fact[]): ReadonlySet<number> {
    const asked = facts.map(({ key, group, value }) => {
      const stored = encodeValue(value);
      return [key, group, stored.state, stored.value];
    });
    const known = new Map(knownFacts.all(JSON.stringify(asked)).map(({ place, number }) => [place, number]));
    return new Set(facts.map((fact, place) => known.get(place) ?? numberOfFact(fact)));
  }

  function series(asked: readonly string[], isWanted?: (key: string) => boolean): SnapshotSeries {
    const positions = new Array<Position | undefined>(asked.length).fill(undefined);
    for (const [index, strand, place] of positionsByIds.all(JSON.stringify(asked)))
      positions[index] = { strand, place };
    const facts = allFacts.all();
    const wanted = isWanted === undefined ? facts : facts.filter(({ key }) => isWanted(key));
    return readSeries(positions, wanted, allSpans.all());
  }

  const table: SnapshotTable = {
    numberOf: (id) => numberById.get(id)?.number ?? announce.insert(id),
    ids: (numbers) =>
      new Map(numbers === undefined ? ids.all() : idsOf.all(JSON.stringify([...new Set(numbers)]))),
    has: (id) => positionById.get(id) !== undefined,
    save(snapshot) {
      return connection.batched(() => {
        if (table.has(snapshot.id)) return false;
        const facts = numbersOf(snapshot.facts);
        const { strand, place } = spans.append(facts);
        fill.run(strand, place, facts.size, table.numberOf(snapshot.id));
        return true;
      });
    },
    get(id) {
      const at = positionById.get(id);
      if (at === undefined) return undefined;
      const rows = factsAt.all(at.strand, at.place, at.place);
      return { id, facts: byGroup(rows, ({ fact_group }) => fact_group).map(toFact) };
    },
    link(moment) {
      return connection.batched(() => {
        const boot = boots.numberOf(moment.bootId, moment.at, "live");
        const snapshot = table.numberOf(moment.snapshotId);
        if (lastMoment.get(boot)?.snapshot === snapshot) return false;
        const steady = moment.steady === undefined ? null : Math.round(moment.steady);
        const reason = boundedText(moment.reason, 256);
        return insertMoment.run(boot, Math.round(moment.at), snapshot, reason, steady) > 0;
      });
    },
    timeline(bootId) {
      return moments.all(bootId ?? null, bootId ?? null).map(
        (row): SnapshotMoment => ({
          bootId: row.boot as BootId,
          at: row.at,
          snapshotId: row.snapshot,
          reason: row.reason,
          ...(row.steady !== null && { steady: row.steady }),
        }),
      );
    },
    inOrder: () =>
      [
        ...new Set(
          momentsInOrder
            .all()
            .map((row) => row[0])
            .reverse(),
        ),
      ].reverse(),
    series,
    fact(id, key) {
      const at = positionById.get(id);
      const row = at && factAt.get(key, at.strand, at.place, at.place);
      return row && toFact(row);
    },
  };
  return table;
}

interface MomentRow {
  readonly boot: string;
  readonly at: number;
  readonly snapshot: string;
  readonly reason: string;
  readonly steady: number | null;
}
