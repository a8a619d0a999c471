import type { BootId } from "../model/identifiers.ts";
import type { SourceName } from "../model/observation.ts";
import type { BootTable } from "./boots.ts";
import { boundedText } from "./bounded.ts";
import type { Connection } from "./connection.ts";
import type { GapStore } from "./record-stores.ts";

interface Row {
  readonly boot: string | null;
  readonly source: SourceName;
  readonly at: number;
  readonly lost: number | null;
  readonly detail: string;
}

export function createGapStore(connection: Connection, boots: BootTable): GapStore {
  const insert = connection.statement<[number | null, string, string, number, number | null, string]>(
    `INSERT INTO gap (boot, source, identity, at, lost, detail) VALUES (?, ?, ?, ?, ?, ?)
     ON CONFLICT (source, identity) DO NOTHING`,
  );
  const list = connection.statement<(string | number | null)[], Row>(
    `WITH asked (boot, since, until) AS (VALUES (?, ?, ?))
     SELECT boot.id AS boot, source, gap.at, lost, detail
     FROM asked JOIN gap LEFT JOIN boot ON boot.number = gap.boot
     WHERE (asked.boot IS NULL OR boot.id = asked.boot)
       AND (asked.since IS NULL OR gap.at >= asked.since)
       AND (asked.until IS NULL OR gap.at <= asked.until)
     ORDER BY gap.at DESC, gap.number DESC LIMIT ?`,
  );
  return {
    record(gap) {
      connection.durable(() => {
        const boot = gap.bootId === undefined ? null : boots.numberOf(gap.bootId, gap.at, "live");
        const detail = boundedText(gap.detail, 512);
        insert.run(boot, gap.source, gap.identity, Math.round(gap.at), gap.lost ?? null, detail);
      });
    },
    list(filter = {}) {
      const { bootId, since, until, limit } = filter;
      return list.all(bootId ?? null, since ?? null, until ?? null, limit ?? -1).map((row) => ({
        bootId: row.boot === null ? undefined : (row.boot as BootId),
        source: row.source,
        at: row.at,
        lost: row.lost ?? undefined,
        detail: row.detail,
      }));
    },
  };
}
