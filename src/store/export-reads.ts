import type { Outcome } from "../model/attempt.ts";
import type { Certainty, Diagnosis } from "../model/diagnosis.ts";
import type { Bdf } from "../model/identifiers.ts";
import type { Connection } from "./connection.ts";

/** A start as it leaves for a fleet, without its evidence. */
export interface ExportedStart {
  readonly number: number;
  readonly vm: string;
  readonly openedAt: number;
  /** Undefined while it is open. */
  readonly outcome: Outcome | undefined;
  readonly closedAt: number | undefined;
  readonly devices: readonly Bdf[];
  readonly cause: string | undefined;
  readonly signature: string | undefined;
  readonly certainty: Certainty | undefined;
  /** What the best cause names; empty where it names none. */
  readonly causeDevices: readonly Bdf[];
  readonly summary: string | undefined;
  readonly snapshotId: string | undefined;
}

export interface ExportedBoot {
  readonly number: number;
  readonly startedAt: number;
  /** The first snapshot that was taken in it. */
  readonly snapshotId: string | undefined;
}

/** Reads the history by the numbers of its rows, for whoever keeps a cursor in them. */
export interface ExportReads {
  /** The history's own name, which goes along when it is saved or copied. */
  historyName(): string | undefined;
  /** The highest number that a start has. */
  highestStart(): number;
  openedAt(number: number): number | undefined;
  /** The highest number of a start, and of a boot, that began no later than this; 0 where there is none. */
  highestUpTo(at: number): { readonly start: number; readonly boot: number };
  /** Starts above this number, in the order of their numbers; open ones among them. */
  starts(after: number, limit: number): readonly ExportedStart[];
  /** How many settled ones there are above it. */
  countStarts(after: number): number;
  boots(after: number, limit: number): readonly ExportedBoot[];
  /** Lines that speak for a failed start, those with the most to say first. */
  lines(number: number, limit: number): readonly string[];
}

interface StartRow {
  readonly number: number;
  readonly vm: string;
  readonly opened_at: number;
  readonly closed_at: number | null;
  readonly outcome: Outcome | null;
  readonly devices: string;
  readonly cause: string | null;
  readonly summary: string | null;
  readonly snapshot: string | null;
  readonly diagnosis: string | null;
}

export function createExportReads(connection: Connection): ExportReads {
  const name = connection.statement<[], { value: string }>("SELECT value FROM meta WHERE key = 'history'");
  const highest = connection.statement<[], { number: number | null }>(
    "SELECT max(number) AS number FROM attempt",
  );
  const opened = connection.statement<[number], { opened_at: number }>(
    "SELECT opened_at FROM attempt WHERE number = ?",
  );
  const upTo = connection.statement<[number, number], { start: number | null; boot: number | null }>(
    `SELECT (SELECT max(number) FROM attempt WHERE opened_at <= ?) AS start,
       (SELECT max(number) FROM boot WHERE started_at <= ?) AS boot`,
  );
  const starts = connection.statement<[number, number], StartRow>(
    `SELECT attempt.number, vm.name AS vm, opened_at, closed_at, outcome, device_set.devices, cause, summary,
       snapshot.id AS snapshot, diagnosis.body AS diagnosis
     FROM attempt JOIN vm ON vm.number = attempt.vm JOIN device_set ON device_set.number = attempt.device_set
     LEFT JOIN snapshot ON snapshot.number = attempt.snapshot LEFT JOIN diagnosis ON diagnosis.attempt = attempt.number
     WHERE attempt.number > ? ORDER BY attempt.number LIMIT ?`,
  );
  const count = connection.statement<[number], { starts: number }>(
    "SELECT count(*) AS starts FROM attempt WHERE number > ? AND outcome IS NOT NULL",
  );
  const boots = connection.statement<
    [number, number],
    { number: number; started_at: number; snapshot: string | null }
  >(
    `SELECT number, started_at,
       (SELECT snapshot.id FROM snapshot_moment AS moment JOIN snapshot ON snapshot.number = moment.snapshot
        WHERE moment.boot = boot.number ORDER BY moment.number LIMIT 1) AS snapshot
     FROM boot WHERE number > ? ORDER BY number LIMIT ?`,
  );
  const lines = connection.statement<[number, number], { text: string }>(
    `SELECT text FROM evidence WHERE attempt = ? AND text IS NOT NULL
     ORDER BY matches = '[]', position LIMIT ?`,
  );
  return {
    historyName: () => name.get()?.value,
    highestStart: () => highest.get()?.number ?? 0,
    openedAt: (number) => opened.get(number)?.opened_at,
    highestUpTo(at) {
      const found = upTo.get(at, at);
      return { start: found?.start ?? 0, boot: found?.boot ?? 0 };
    },
    starts: (after, limit) =>
      starts.all(after, limit).map((row): ExportedStart => {
        const [cause] = row.diagnosis === null ? [] : (JSON.parse(row.diagnosis) as Diagnosis).causes;
        return {
          number: row.number,
          vm: row.vm,
          openedAt: row.opened_at,
          closedAt: row.closed_at ?? undefined,
          outcome: row.outcome ?? undefined,
          devices: JSON.parse(row.devices),
          cause: row.cause ?? undefined,
          signature: cause?.signature,
          certainty: cause?.certainty,
          causeDevices: cause?.devices ?? [],
          summary: row.summary ?? undefined,
          snapshotId: row.snapshot ?? undefined,
        };
      }),
    countStarts: (after) => count.get(after)?.starts ?? 0,
    boots: (after, limit) =>
      boots.all(after, limit).map((row) => ({
        number: row.number,
        startedAt: row.started_at,
        snapshotId: row.snapshot ?? undefined,
      })),
    lines: (number, limit) => lines.all(number, limit).map(({ text }) => text),
  };
}
