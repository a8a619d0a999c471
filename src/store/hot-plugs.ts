import type { HotPlug } from "../model/hot-plug.ts";
import { type Bdf, type BootId, vmName } from "../model/identifiers.ts";
import type { BootTable } from "./boots.ts";
import { boundedJson, boundedText } from "./bounded.ts";
import type { Connection } from "./connection.ts";
import type { HotPlugStore, StoredHotPlug } from "./record-stores.ts";

/** More lines than this say nothing new about one try. */
const MOST_LINES = 20;

interface Row {
  readonly id: string;
  readonly boot: string | null;
  readonly at: number;
  readonly steady: number | null;
  readonly action: HotPlug["action"];
  readonly outcome: HotPlug["outcome"];
  readonly vms: string;
  readonly devices: string;
  readonly summary: string;
  readonly lines: string;
}

/** Devices that could not be plugged into or out of VMs that ran. */
export function createHotPlugStore(connection: Connection, boots: BootTable): HotPlugStore {
  const put = connection.statement<
    [string, number | null, number, string, string, string, string, string, string, number | null]
  >(
    `INSERT INTO hot_plug (id, boot, at, action, outcome, vms, devices, summary, lines, steady)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (id) DO UPDATE SET vms = excluded.vms, summary = excluded.summary, lines = excluded.lines`,
  );
  const list = connection.statement<(string | number | null)[], Row>(
    `WITH asked (since, until, device, vm) AS (VALUES (?, ?, ?, ?))
     SELECT hot_plug.id, boot.id AS boot, at, steady, action, outcome, vms, devices, summary, lines
     FROM asked JOIN hot_plug LEFT JOIN boot ON boot.number = hot_plug.boot
     WHERE (asked.since IS NULL OR at >= asked.since) AND (asked.until IS NULL OR at <= asked.until)
       AND (asked.device IS NULL OR EXISTS (SELECT 1 FROM json_each(devices) WHERE value = asked.device))
       AND (asked.vm IS NULL OR EXISTS (SELECT 1 FROM json_each(vms) WHERE value = asked.vm))
     ORDER BY hot_plug.number DESC LIMIT ?`,
  );
  return {
    save(hotPlug, summary) {
      const { id, bootId, at, steady, action, outcome, vms, devices, evidence } = hotPlug;
      const lines = evidence.slice(0, MOST_LINES).map(({ observation }) => ({
        source: observation.source,
        at: observation.at,
        text: "text" in observation ? observation.text : observation.kind,
      }));
      connection.durable(() => {
        const boot = bootId === undefined ? null : boots.numberOf(bootId, at, "live");
        put.run(
          ...([
            id,
            boot,
            Math.round(at),
            action,
            outcome,
            JSON.stringify(vms),
            JSON.stringify(devices),
          ] as const),
          ...([boundedText(summary, 2048), boundedJson(lines, 2048, MOST_LINES)] as const),
          steady === undefined ? null : Math.round(steady),
        );
      });
    },
    list({ since, until, device, vm, limit } = {}) {
      const rows = list.all(since ?? null, until ?? null, device ?? null, vm ?? null, limit ?? -1);
      return rows.map(
        (row): StoredHotPlug => ({
          id: row.id,
          bootId: row.boot === null ? undefined : (row.boot as BootId),
          at: row.at,
          ...(row.steady !== null && { steady: row.steady }),
          action: row.action,
          outcome: row.outcome,
          vms: (JSON.parse(row.vms) as string[]).map(vmName),
          devices: JSON.parse(row.devices) as Bdf[],
          summary: row.summary,
          lines: JSON.parse(row.lines) as StoredHotPlug["lines"],
        }),
      );
    },
  };
}
