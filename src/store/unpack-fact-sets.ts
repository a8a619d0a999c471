import type Database from "better-sqlite3";
import { typedContent } from "../facts/typed-content.ts";
import { createSpanTable } from "./spans.ts";

/** A snapshot as version 2 stored it: its fact numbers packed, all of them or what differs from a base. */
interface PackedRow {
  readonly number: number;
  readonly base: number | null;
  readonly facts: Uint8Array;
}

/** Makes spans of the packed sets of fact numbers in which version 2 kept its snapshots, in the same order. */
export function unpackFactSets(database: Database.Database): void {
  const spans = createSpanTable({
    statement: (sql) => {
      const prepared = database.prepare<unknown[], never>(sql);
      return {
        run: (...parameters) => prepared.run(...parameters).changes,
        insert: (...parameters) => Number(prepared.run(...parameters).lastInsertRowid),
        get: (...parameters) => prepared.get(...parameters),
        all: (...parameters) => prepared.all(...parameters),
      };
    },
    tuples: (sql) => ({
      all: (...parameters) =>
        database
          .prepare<unknown[], never>(sql)
          .raw()
          .all(...parameters),
    }),
  });
  const renewed = typeFacts(database);
  const fill = database.prepare("UPDATE snapshot SET strand = ?, place = ?, facts = ? WHERE number = ?");
  const bases = new Map<number, ReadonlySet<number>>();
  const rows = database.prepare<[], PackedRow>(
    "SELECT number, base, facts FROM packed_snapshot WHERE facts IS NOT NULL ORDER BY number",
  );
  const packed = rows.all();
  // A base may have been announced, and numbered, before one that rests on it was.
  for (const { number, base, facts } of packed)
    if (base === null) bases.set(number, new Set(unpackSets(facts)[0]));
  for (const { number, base, facts } of packed) {
    const [removed = [], added = []] = base === null ? [] : unpackSets(facts);
    const set = new Set(bases.get(base ?? number));
    for (const fact of removed) set.delete(fact);
    for (const fact of added) set.add(fact);
    const typed = new Set([...set].map((fact) => renewed.get(fact) ?? fact));
    const { strand, place } = spans.append(typed);
    fill.run(strand, place, typed.size, number);
  }
}

/**
 * Gives facts the types that their kinds declare, which version 2 kept as texts. Two that then say the same become one:
 * the result has the number of the one that stays by that of the other.
 */
function typeFacts(database: Database.Database): ReadonlyMap<number, number> {
  const texts = database
    .prepare<[], { number: number; fact_key: number; key: string; value: string }>(
      `SELECT fact.number, fact_key, key, value FROM fact JOIN fact_key ON fact_key.number = fact_key
       WHERE state = 'text' ORDER BY fact.number`,
    )
    .all();
  const same = database.prepare<[number, string], { number: number }>(
    "SELECT number FROM fact WHERE fact_key = ? AND state = 'json' AND value = ?",
  );
  const change = database.prepare("UPDATE fact SET state = 'json', value = ? WHERE number = ?");
  const remove = database.prepare("DELETE FROM fact WHERE number = ?");
  const renewed = new Map<number, number>();
  for (const { number, fact_key, key, value } of texts) {
    const content = typedContent(key, value);
    if (typeof content === "string") continue;
    const json = JSON.stringify(content);
    const known = same.get(fact_key, json);
    if (known === undefined) change.run(json, number);
    else {
      remove.run(number);
      renewed.set(number, known.number);
    }
  }
  return renewed;
}

/** For each set a count, then the distances between its ascending numbers; seven bits a byte, the low ones first. */
function unpackSets(bytes: Uint8Array): readonly (readonly number[])[] {
  const numbers: number[] = [];
  let value = 0;
  let scale = 1;
  for (const byte of bytes) {
    value += (byte & 0x7f) * scale;
    scale *= 128;
    if (byte >= 0x80) continue;
    numbers.push(value);
    value = 0;
    scale = 1;
  }
  const sets: number[][] = [];
  for (let at = 0; at < numbers.length; ) {
    const end = at + 1 + (numbers[at] ?? 0);
    let number = 0;
    sets.push(
      numbers.slice(at + 1, end).map((distance) => {
        number += distance;
        return number;
      }),
    );
    at = end;
  }
  return sets;
}
