import { createFactTable, type FactColumn, type FactTable } from "../history/fact-table.ts";
import { FACT_GROUPS, type FactContent, type FactGroup, type FactValue } from "../model/fact.ts";
import type { Environment } from "./environment.ts";

/** Environments as the table of facts that blame weighs, and the place of each in it. */
export interface FleetTable {
  readonly table: FactTable;
  readonly placeOf: ReadonlyMap<string, number>;
}

export function fleetTable(environments: ReadonlyMap<string, Environment>): FleetTable {
  const all = [...environments];
  const keys = new Set(all.flatMap(([, environment]) => Object.keys(environment)));
  const columns: FactColumn[] = [];
  const constants = new Map<string, FactValue>();
  for (const key of keys) {
    const numbers = new Map<string, number>();
    const values: FactValue[] = [];
    const indexes = new Int32Array(all.length).fill(-1);
    for (const [place, [, environment]] of all.entries()) {
      const content = environment[key];
      if (content === undefined) continue;
      const text = JSON.stringify(content);
      const known = numbers.get(text) ?? values.length;
      if (known === values.length) values.push(factOf(content));
      numbers.set(text, known);
      indexes[place] = known;
    }
    const [only] = values;
    if (values.length === 1 && only !== undefined && !indexes.includes(-1)) constants.set(key, only);
    else columns.push({ group: groupOf(key), key, values, indexes });
  }
  return {
    table: createFactTable(columns, constants),
    placeOf: new Map(all.map(([id], place) => [id, place])),
  };
}

function factOf(content: FactContent | null): FactValue {
  return content === null ? { state: "absent" } : { state: "value", value: content };
}

function groupOf(key: string): FactGroup {
  return FACT_GROUPS.find((group) => key.startsWith(`${group}.`)) ?? "software";
}
