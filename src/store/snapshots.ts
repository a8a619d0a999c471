import { FACT_GROUPS, type Fact, type FactGroup, type FactValue, type Snapshot } from "../model/fact.ts";
import type { BootId } from "../model/identifiers.ts";
import type { BootTable } from "./boots.ts";
import { boundedText } from "./bounded.ts";
import type { Connection } from "./connection.ts";
import {
  applyDelta,
  deltaBetween,
  type FactSet,
  type FactSetDelta,
  factSet,
  packSets,
  unpackSets,
} from "./fact-sets.ts";
import type { SnapshotMoment, SnapshotStore } from "./snapshot-store.ts";
import { readSeries } from "./varying-facts.ts";

/** A fact's value is one line; a longer one is a mistake of its collector and is cut. */
const MOST_VALUE = 16 * 1024;
/** A snapshot becomes a new base when what differs is more than this part of it. */
const REBASE_AT = 1 / 32;

/** Snapshots for the other tables, which refer to them by number. */
export interface SnapshotTable extends SnapshotStore {
  /** Number of a snapshot; one that is not stored yet is announced by its id. */
  numberOf(id: string): number;
  ids(): ReadonlyMap<number, string>;
}

/** A snapshot as it is stored: whole, or what differs from its base. */
export interface SnapshotRow {
  readonly number: number;
  readonly base: number | null;
  readonly facts: Uint8Array | null;
}

/** A fact with its number in the table. */
export interface FactRow {
  readonly number: number;
  readonly fact_group: FactGroup;
  readonly key: string;
  readonly state: FactValue["state"];
  readonly value: string;
}

export function createSnapshotTable(connection: Connection, boots: BootTable): SnapshotTable {
  const byId = connection.statement<[string], SnapshotRow>(
    "SELECT number, base, facts FROM snapshot WHERE id = ?",
  );
  const byIds = connection.tuples<
    [string],
    [place: number, number: number, base: number | null, facts: Uint8Array | null]
  >(
    `SELECT given.key, number, base, facts
     FROM json_each(?) AS given CROSS JOIN snapshot ON snapshot.id = given.value`,
  );
  const byNumber = connection.statement<[number], SnapshotRow>(
    "SELECT number, base, facts FROM snapshot WHERE number = ?",
  );
  const newestBase = connection.statement<[], SnapshotRow>(
    `SELECT number, base, facts FROM snapshot WHERE base IS NULL AND facts IS NOT NULL
     ORDER BY number DESC LIMIT 1`,
  );
  const announce = connection.statement<[string]>("INSERT INTO snapshot (id) VALUES (?)");
  const fill = connection.statement<[number | null, Uint8Array, number]>(
    "UPDATE snapshot SET base = ?, facts = ? WHERE number = ?",
  );
  const ids = connection.tuples<[], [number: number, id: string]>("SELECT number, id FROM snapshot");
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
  const factsByNumber = connection.statement<[string], FactRow>(
    `SELECT ${factColumns} WHERE fact.number IN (SELECT value FROM json_each(?))`,
  );
  const factsByKey = connection.statement<[string], FactRow>(`SELECT ${factColumns} WHERE fact_key.key = ?`);
  const factsOfKeys = connection.statement<[string], FactRow>(
    `SELECT ${factColumns} WHERE fact.fact_key IN (SELECT value FROM json_each(?))`,
  );
  const keys = connection.tuples<[], [number: number, key: string]>("SELECT number, key FROM fact_key");
  const keysOfFacts = connection.tuples<[string], [key: string]>(
    `SELECT DISTINCT fact_key.key FROM fact JOIN fact_key ON fact_key.number = fact.fact_key
     WHERE fact.number IN (SELECT value FROM json_each(?))`,
  );
  const unknownKeys = connection.tuples<[], [key: string]>(
    `SELECT DISTINCT fact_key.key FROM fact JOIN fact_key ON fact_key.number = fact.fact_key
     WHERE fact.state = 'unknown'`,
  );
  const lastMoment = connection.statement<[number], { snapshot: number }>(
    "SELECT snapshot FROM snapshot_moment WHERE boot = ? ORDER BY number DESC LIMIT 1",
  );
  const insertMoment = connection.statement<[number, number, number, string]>(
    "INSERT OR IGNORE INTO snapshot_moment (boot, at, snapshot, reason) VALUES (?, ?, ?, ?)",
  );
  const moments = connection.statement<[string | null, string | null], MomentRow>(
    `SELECT boot.id AS boot, at, snapshot.id AS snapshot, reason FROM snapshot_moment AS moment
     JOIN boot ON boot.number = moment.boot JOIN snapshot ON snapshot.number = moment.snapshot
     WHERE ? IS NULL OR boot.id = ? ORDER BY boot.order_key, moment.number`,
  );

  const momentsInOrder = connection.tuples<[], [id: string]>(
    `SELECT snapshot.id FROM snapshot_moment AS moment
     JOIN boot ON boot.number = moment.boot JOIN snapshot ON snapshot.number = moment.snapshot
     ORDER BY boot.order_key, moment.number`,
  );

  function numberOfFact(fact: Fact): number {
    const { state } = fact.value;
    const text = textOf(fact.value);
    const known = factNumber.get(fact.key, fact.group, state, text);
    if (known !== undefined) return known.number;
    const key = keyNumber.get(fact.key, fact.group)?.number ?? insertKey.insert(fact.key, fact.group);
    return insertFact.insert(key, state, text);
  }

  function numbersOf(facts: readonly Fact[]): FactSet {
    const asked = facts.map(({ key, group, value }) => [key, group, value.state, textOf(value)]);
    const known = new Map(knownFacts.all(JSON.stringify(asked)).map(({ place, number }) => [place, number]));
    return factSet(facts.map((fact, place) => known.get(place) ?? numberOfFact(fact)));
  }

  /** The facts of a row; `bases` holds those of the bases that were read before. */
  function setOf(
    row: SnapshotRow | undefined,
    bases = new Map<number, FactSet | undefined>(),
  ): FactSet | undefined {
    if (row === undefined || row.facts === null) return undefined;
    const [first = [], second = []] = unpackSets(row.facts);
    if (row.base === null) return first;
    if (!bases.has(row.base)) bases.set(row.base, setOf(byNumber.get(row.base), bases));
    const base = bases.get(row.base);
    return base === undefined ? undefined : applyDelta(base, { removed: first, added: second });
  }

  /** Facts that only one of the two has; none where one of them is not stored. */
  function changedFacts(
    before: SnapshotRow | undefined,
    after: SnapshotRow | undefined,
    bases: Map<number, FactSet | undefined>,
  ): FactSet {
    const deltas: FactSetDelta[] = [];
    if (before?.facts != null && after?.facts != null && before.base !== null && before.base === after.base) {
      // What both take from their base, or leave, is no difference between them.
      const [old, young] = [unpackSets(before.facts), unpackSets(after.facts)];
      for (const part of [0, 1]) deltas.push(deltaBetween(old[part] ?? [], young[part] ?? []));
    } else {
      const [old, young] = [setOf(before, bases), setOf(after, bases)];
      if (old !== undefined && young !== undefined) deltas.push(deltaBetween(old, young));
    }
    return deltas.flatMap(({ removed, added }) => [...removed, ...added]);
  }

  /** At the place of each id its row, if there is one. */
  function rowsOf(wanted: readonly string[]): readonly (SnapshotRow | undefined)[] {
    const rows = new Array<SnapshotRow | undefined>(wanted.length).fill(undefined);
    for (const [place, number, base, facts] of byIds.all(JSON.stringify(wanted)))
      rows[place] = { number, base, facts };
    return rows;
  }

  const factRows = (numbers: FactSet) => factsByNumber.all(JSON.stringify(numbers));

  const table: SnapshotTable = {
    numberOf: (id) => byId.get(id)?.number ?? announce.insert(id),
    ids: () => new Map(ids.all()),
    has: (id) => (byId.get(id)?.facts ?? null) !== null,
    save(snapshot) {
      return connection.batched(() => {
        if (table.has(snapshot.id)) return false;
        const facts = numbersOf(snapshot.facts);
        const base = newestBase.get();
        const baseFacts = setOf(base);
        const number = table.numberOf(snapshot.id);
        if (base !== undefined && baseFacts !== undefined) {
          const { removed, added } = deltaBetween(baseFacts, facts);
          if (removed.length + added.length <= facts.length * REBASE_AT) {
            fill.run(base.number, packSets(removed, added), number);
            return true;
          }
        }
        fill.run(null, packSets(facts), number);
        return true;
      });
    },
    get: (id) => table.several([id]).get(id),
    several(wanted) {
      const bases = new Map<number, FactSet | undefined>();
      const sets = new Map<string, FactSet>();
      for (const [place, row] of rowsOf(wanted).entries()) {
        const facts = setOf(row, bases);
        if (facts !== undefined) sets.set(wanted[place] ?? "", facts);
      }
      const rows = inOrder(factRows(factSet([...sets.values()].flat())));
      const facts = rows.map((row) => ({ number: row.number, fact: toFact(row) }));
      const largest = rows.reduce((most, { number }) => Math.max(most, number), 0);
      return new Map(
        [...sets].map(([id, numbers]): [string, Snapshot] => {
          const isOwn = new Uint8Array(largest + 1);
          for (const number of numbers) isOwn[number] = 1;
          return [
            id,
            { id, facts: facts.filter(({ number }) => isOwn[number] === 1).map(({ fact }) => fact) },
          ];
        }),
      );
    },
    link(moment) {
      return connection.batched(() => {
        const boot = boots.numberOf(moment.bootId, moment.at, "live");
        const snapshot = table.numberOf(moment.snapshotId);
        if (lastMoment.get(boot)?.snapshot === snapshot) return false;
        return insertMoment.run(boot, Math.round(moment.at), snapshot, boundedText(moment.reason, 256)) > 0;
      });
    },
    timeline(bootId) {
      return moments.all(bootId ?? null, bootId ?? null).map(
        (row): SnapshotMoment => ({
          bootId: row.boot as BootId,
          at: row.at,
          snapshotId: row.snapshot,
          reason: row.reason,
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
    changedKeys(pairs) {
      const rows = rowsOf(pairs.flat());
      const bases = new Map<number, FactSet | undefined>();
      const changed = new Set<number>();
      for (const pair of pairs.keys()) {
        const [before, after] = [rows[pair * 2], rows[pair * 2 + 1]];
        for (const number of changedFacts(before, after, bases)) changed.add(number);
      }
      return new Set(keysOfFacts.all(JSON.stringify([...changed])).map(([key]) => key));
    },
    unknownKeys: () => new Set(unknownKeys.all().map(([key]) => key)),
    series(asked, isWanted) {
      const wantedRows = (wants: (key: string) => boolean) => {
        const numbers = keys.all().flatMap((row) => (wants(row[1]) ? [row[0]] : []));
        return factsOfKeys.all(JSON.stringify(numbers));
      };
      return readSeries(rowsOf(asked), (number) => byNumber.get(number), {
        byNumbers: factRows,
        wanted: isWanted && wantedRows(isWanted),
      });
    },
    fact(id, key) {
      const facts = new Set(setOf(byId.get(id)));
      const row = factsByKey.all(key).find(({ number }) => facts.has(number));
      return row === undefined ? undefined : toFact(row);
    },
  };
  return table;
}

interface MomentRow {
  readonly boot: string;
  readonly at: number;
  readonly snapshot: string;
  readonly reason: string;
}

function textOf(value: FactValue): string {
  if (value.state === "value") return boundedText(value.value, MOST_VALUE);
  return value.state === "unknown" ? boundedText(value.why, 512) : "";
}

/** The value that a row holds. */
export function factValue(row: FactRow): FactValue {
  if (row.state === "value") return { state: "value", value: row.value };
  return row.state === "unknown" ? { state: "unknown", why: row.value } : { state: "absent" };
}

function toFact(row: FactRow): Fact {
  return { group: row.fact_group, key: row.key, value: factValue(row) };
}

const GROUP_RANK = new Map<string, number>(FACT_GROUPS.map((group, rank) => [group, rank]));

/** Rows ordered by group, then by key; group by group, because thousands of them would be slow to compare by both. */
function inOrder(rows: readonly FactRow[]): readonly FactRow[] {
  const groups = Map.groupBy(rows, ({ fact_group }) => fact_group);
  return [...groups]
    .sort(([a], [b]) => (GROUP_RANK.get(a) ?? 99) - (GROUP_RANK.get(b) ?? 99))
    .flatMap(([, own]) => own.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)));
}

/** Orders as a reader expects: by group, then by key. */
export function byGroupAndKey(
  a: Pick<FactRow, "fact_group" | "key">,
  b: Pick<FactRow, "fact_group" | "key">,
): number {
  const groups = (GROUP_RANK.get(a.fact_group) ?? 99) - (GROUP_RANK.get(b.fact_group) ?? 99);
  if (groups !== 0) return groups;
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
}
