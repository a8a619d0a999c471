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
  const removed = new Set(delta.removed);
  return factSet([...base.filter((number) => !removed.has(number)), ...delta.added]);
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

/** Unpacks what `packSets` made. Bytes that end too early give shorter sets. */
export function unpackSets(bytes: Uint8Array): readonly FactSet[] {
  let offset = 0;
  const take = () => {
    let value = 0;
    let scale = 1;
    while (offset < bytes.length) {
      const byte = bytes[offset++] ?? 0;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) break;
      scale *= 128;
    }
    return value;
  };
  const sets: FactSet[] = [];
  while (offset < bytes.length) {
    const length = take();
    const set: number[] = [];
    let previous = 0;
    for (let index = 0; index < length && offset < bytes.length; index++) {
      previous += take();
      set.push(previous);
    }
    sets.push(set);
  }
  return sets;
}
