/** A set of fact numbers: ascending, each once. */
export type FactSet = readonly number[];

/** What to take away from a base and what to add, each ascending. */
export interface FactSetDelta {
  readonly removed: FactSet;
  readonly added: FactSet;
}

/** Ascending, each number once. */
export function factSet(numbers: Iterable<number>): FactSet {
  return [...new Set(numbers)].sort((a, b) => a - b);
}

/** How to come from one set to the other. */
export function deltaBetween(before: FactSet, after: FactSet): FactSetDelta {
  const removed: number[] = [];
  const added: number[] = [];
  let left = 0;
  let right = 0;
  while (left < before.length || right < after.length) {
    const a = before[left] ?? Number.POSITIVE_INFINITY;
    const b = after[right] ?? Number.POSITIVE_INFINITY;
    if (a === b) {
      left++;
      right++;
    } else if (a < b) {
      removed.push(a);
      left++;
    } else {
      added.push(b);
      right++;
    }
  }
  return { removed, added };
}

/** The set that a delta makes of its base. */
export function applyDelta(base: FactSet, delta: FactSetDelta): FactSet {
  const { removed, added } = delta;
  const result: number[] = [];
  let gone = 0;
  let next = 0;
  for (const number of base) {
    for (; next < added.length && (added[next] ?? 0) < number; next++) result.push(added[next] ?? 0);
    while (gone < removed.length && (removed[gone] ?? 0) < number) gone++;
    if (removed[gone] === number) continue;
    if (added[next] === number) next++;
    result.push(number);
  }
  for (; next < added.length; next++) result.push(added[next] ?? 0);
  return result;
}

/**
 * Packs sets: for each the count, then the distances between neighbours, seven bits a byte. Facts that were
 * first seen together have neighbouring numbers, so a set of thousands takes little more than a byte each.
 */
export function packSets(...sets: readonly FactSet[]): Uint8Array {
  const bytes: number[] = [];
  const put = (value: number) => {
    let rest = value;
    while (rest > 0x7f) {
      bytes.push((rest & 0x7f) | 0x80);
      rest = Math.floor(rest / 128);
    }
    bytes.push(rest);
  };
  for (const set of sets) {
    put(set.length);
    let previous = 0;
    for (const number of set) {
      put(number - previous);
      previous = number;
    }
  }
  return Uint8Array.from(bytes);
}

/**
 * Unpacks what `packSets` made. Bytes that end too early give shorter sets. With `wanted`, which holds 1 at the place
 * of a wanted number, the others are left out.
 */
export function unpackSets(bytes: Uint8Array, wanted?: Uint8Array): readonly FactSet[] {
  // One loop without a function in it: ten years hold half a million numbers, and a command reads them cold.
  const sets: number[][] = [];
  let set: number[] = [];
  let rest = 0;
  let previous = 0;
  let value = 0;
  let scale = 1;
  for (let offset = 0; offset < bytes.length; offset++) {
    const byte = bytes[offset] ?? 0;
    value += (byte & 0x7f) * scale;
    if (byte >= 0x80) {
      scale *= 128;
      continue;
    }
    if (rest === 0) {
      set = [];
      sets.push(set);
      rest = value;
      previous = 0;
    } else {
      rest--;
      previous += value;
      if (wanted === undefined || wanted[previous] === 1) set.push(previous);
    }
    value = 0;
    scale = 1;
  }
  return sets;
}
