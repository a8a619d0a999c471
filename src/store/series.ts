import type { Fact, FactValue } from "../model/fact.ts";
import { byGroup, type FactRow, toFact } from "./fact-rows.ts";
import type { SnapshotSeries, VaryingFact } from "./snapshot-store.ts";
import type { Position } from "./spans.ts";

/** A span as the table gives it. */
export type SpanTuple = [fact: number, strand: number, first: number, last: number | null];

/** A fact with what it is worth in each asked snapshot, as stretches of them. */
interface Column {
  readonly row: FactRow;
  readonly values: FactValue[];
  /** Value, and the stretch of asked snapshots in their stored order: from, up to and without to. */
  readonly stretches: (readonly [value: number, from: number, to: number])[];
}

/**
 * Puts snapshots side by side. `facts` are ordered by key; all spans are gone through once, so the cost goes with what
 * really differs between the snapshots and not with how many there are.
 */
export function readSeries(
  asked: readonly (Position | undefined)[],
  facts: readonly FactRow[],
  spans: readonly SpanTuple[],
): SnapshotSeries {
  const order = storedOrder(asked);
  const stretchOf = stretchFinder(asked, order);
  const { columns, columnOf, valueIndex } = columnsOf(facts);
  for (const [fact, strand, first, last] of spans) {
    const column = columns[columnOf[fact] ?? -1];
    if (column === undefined) continue;
    const [from, to] = stretchOf(strand, first, last ?? Number.POSITIVE_INFINITY);
    if (from < to) column.stretches.push([valueIndex[fact] ?? 0, from, to]);
  }
  const constants: Fact[] = [];
  const varying: Column[] = [];
  for (const column of columns) {
    const [only] = column.stretches;
    if (only === undefined) continue;
    const covered = column.stretches.reduce((sum, [, from, to]) => sum + to - from, 0);
    const isConstant = covered === order.length && column.stretches.every(([value]) => value === only[0]);
    if (!isConstant) varying.push(column);
    else
      constants.push({ group: column.row.fact_group, key: column.row.key, value: valueAt(column, only[0]) });
  }
  return {
    varying: indexed(varying, asked.length, order),
    constants,
    stored: asked.map((one) => one !== undefined),
  };
}

function valueAt({ values }: Column, index: number): FactValue {
  return values[index] ?? { state: "absent" };
}

/** Places in the question of the stored snapshots, in the order in which they are stored. */
function storedOrder(asked: readonly (Position | undefined)[]): Int32Array {
  const order = new Int32Array(asked.filter((position) => position !== undefined).length);
  let count = 0;
  for (const [index, position] of asked.entries()) if (position !== undefined) order[count++] = index;
  const at = (index: number) => asked[index] ?? { strand: 0, place: 0 };
  const compare = (a: number, b: number) => at(a).strand - at(b).strand || at(a).place - at(b).place;
  // They mostly are asked for in that order, and sorting thousands takes longer than seeing that.
  const isSorted = order.every((own, index) => index === 0 || compare(order[index - 1] ?? 0, own) <= 0);
  return isSorted ? order : order.sort(compare);
}

/** Finds which of the asked snapshots, in stored order, a span covers. */
function stretchFinder(
  asked: readonly (Position | undefined)[],
  order: Int32Array,
): (strand: number, first: number, last: number) => readonly [from: number, to: number] {
  const places = Float64Array.from(order, (index) => asked[index]?.place ?? 0);
  const bounds = new Map<number, [from: number, to: number]>();
  for (const [index, place] of order.entries()) {
    const { strand } = asked[place] ?? { strand: 0 };
    const own = bounds.get(strand);
    if (own === undefined) bounds.set(strand, [index, index + 1]);
    else own[1] = index + 1;
  }
  /** The first of these places that is not below `place`. */
  const search = (from: number, to: number, place: number) => {
    let [low, high] = [from, to];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((places[middle] ?? 0) < place) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  return (strand, first, last) => {
    const own = bounds.get(strand);
    if (own === undefined) return [0, 0];
    const from = search(own[0], own[1], first);
    return [from, last === Number.POSITIVE_INFINITY ? own[1] : search(from, own[1], last + 1)];
  };
}

function columnsOf(facts: readonly FactRow[]): {
  readonly columns: readonly Column[];
  /** By fact number: the place of its column, and of its value there. */
  readonly columnOf: Int32Array;
  readonly valueIndex: Int32Array;
} {
  const largest = facts.reduce((most, { number }) => Math.max(most, number), 0);
  const columnOf = new Int32Array(largest + 1).fill(-1);
  const valueIndex = new Int32Array(largest + 1);
  const columns: Column[] = [];
  for (const row of facts) {
    let column = columns.at(-1);
    if (column?.row.key !== row.key || column.row.fact_group !== row.fact_group) {
      column = { row, values: [], stretches: [] };
      columns.push(column);
    }
    columnOf[row.number] = columns.length - 1;
    valueIndex[row.number] = column.values.length;
    column.values.push(toFact(row).value);
  }
  return { columns, columnOf, valueIndex };
}

function indexed(columns: readonly Column[], length: number, order: Int32Array): readonly VaryingFact[] {
  // One block for all columns: thousands of small arrays would cost more than all the rest.
  const Numbers = columns.some(({ values }) => values.length > 0x7fff) ? Int32Array : Int16Array;
  const block = new Numbers(columns.length * length).fill(-1);
  const isInOrder = order.every((place, index) => place === index);
  return byGroup(columns, ({ row }) => row.fact_group).map(({ row, values, stretches }, index) => {
    const indexes = block.subarray(index * length, (index + 1) * length);
    for (const [value, from, to] of stretches) {
      if (isInOrder) indexes.fill(value, from, to);
      else for (let at = from; at < to; at++) indexes[order[at] ?? 0] = value;
    }
    return { group: row.fact_group, key: row.key, values, indexes };
  });
}
