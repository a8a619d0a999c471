import type { Observation } from "../model/observation.ts";
import { boundedJson } from "./bounded.ts";
import type { Connection } from "./connection.ts";
import type { UnfinishedStore } from "./record-stores.ts";

/** As much of a text as evidence keeps. */
const MOST_TEXT = 4096;
const MOST_ENTRIES = 256;

interface Row {
  readonly observation: string;
  readonly arrived_at: number;
}

/** The observations that a restarted service has to take once more, although its sources are past them. */
export function createUnfinishedStore(connection: Connection): UnfinishedStore {
  const select = connection.statement<[], Row>(
    "SELECT observation, arrived_at FROM unfinished ORDER BY place",
  );
  const insert = connection.statement<[string, string, number, string]>(
    `INSERT OR IGNORE INTO unfinished (source, identity, place, arrived_at, observation)
     VALUES (?, ?, (SELECT ifnull(max(place), 0) + 1 FROM unfinished), ?, ?)`,
  );
  const remove = connection.statement<[string, string]>(
    "DELETE FROM unfinished WHERE source = ? AND identity = ?",
  );
  return {
    load: () =>
      select.all().map(({ observation, arrived_at }) => ({
        observation: JSON.parse(observation) as Observation,
        arrivedAt: arrived_at,
      })),
    change(added, removed) {
      if (added.length === 0 && removed.length === 0) return;
      connection.batched(() => {
        for (const { source, identity } of removed) remove.run(source, identity);
        for (const { observation, arrivedAt } of added) {
          const { resume: _dealtWith, ...rest } = observation;
          const text = boundedJson(rest, MOST_TEXT, MOST_ENTRIES);
          insert.run(observation.source, observation.identity, Math.round(arrivedAt), text);
        }
      });
    },
  };
}
