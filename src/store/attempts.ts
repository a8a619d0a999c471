import type { Outcome, StartAttempt } from "../model/attempt.ts";
import type { Origin } from "../model/history.ts";
import { vmName } from "../model/identifiers.ts";
import type { AttemptParts } from "./attempt-parts.ts";
import { createAttemptReads } from "./attempt-reads.ts";
import type { AttemptStore } from "./attempt-store.ts";
import { boundedJson, boundedText } from "./bounded.ts";
import { type EvidenceRow, packEvidence } from "./evidence-rows.ts";

interface HeadRow {
  readonly number: number;
  readonly vm: number;
  readonly boot: number | null;
  readonly opened_at: number;
  readonly steady: number | null;
  readonly outcome: string | null;
  readonly device_set: number;
  readonly cause: string | null;
  readonly snapshot: number | null;
  readonly origin: Origin;
}

type HeadValues = [
  vm: number,
  boot: number | null,
  openedAt: number,
  closedAt: number | null,
  outcome: string | null,
  deviceSet: number,
  cause: string | null,
  summary: string | null,
  snapshot: number | null,
  origin: string,
  evidenceCount: number,
  leftOut: number,
  steady: number | null,
  id: string,
];

export function createAttemptStore(parts: AttemptParts): AttemptStore {
  const { connection, boots, snapshots, vms, signatures } = parts;
  const select = connection.statement<[string], HeadRow>(
    `SELECT number, vm, boot, opened_at, steady, outcome, device_set, cause, snapshot, origin
     FROM attempt WHERE id = ?`,
  );
  const columns =
    "vm, boot, opened_at, closed_at, outcome, device_set, cause, summary, snapshot, origin, evidence_count, evidence_left_out, steady";
  const insert = connection.statement<HeadValues>(
    `INSERT INTO attempt (${columns}, id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  // The condition keeps an unchanged attempt from being written again (an upsert would count the number up).
  // Evidence that was left out stays counted when a restarted service goes on with the attempt as stored.
  const update = (changing: string) => {
    const prefixed = (names: string, table: string) => names.replaceAll(/\w+/g, `${table}.$&`);
    const given = prefixed(changing, "given");
    const leftOut = "max(attempt.evidence_left_out, given.evidence_left_out)";
    return connection.statement<HeadValues>(
      `WITH given (${columns}, id) AS (VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?))
       UPDATE attempt SET (${changing}) = (${given.replace("given.evidence_left_out", leftOut)})
       FROM given WHERE attempt.id = given.id AND (${prefixed(changing, "attempt")}) IS NOT (${given})`,
    );
  };
  // SQLite writes the page of every index of which a column is named, changed or not: an outcome stands in two, what
  // follows it in none, and the rest, which hardly ever changes, in four.
  const unindexed = "closed_at, summary, evidence_count, evidence_left_out";
  const updates = {
    whole: update(columns),
    outcome: update(`outcome, cause, ${unindexed}`),
    rest: update(unindexed),
  };
  const deviceSet = connection.statement<[string, string], { number: number }>(
    "SELECT number FROM device_set WHERE devices = ? AND groups = ?",
  );
  const insertDeviceSet = connection.statement<[string, string]>(
    "INSERT INTO device_set (devices, groups) VALUES (?, ?)",
  );
  const setDiagnosis = connection.statement<[number, string]>(
    `INSERT INTO diagnosis (attempt, body) VALUES (?, ?)
     ON CONFLICT (attempt) DO UPDATE SET body = excluded.body WHERE body <> excluded.body`,
  );
  const dropDiagnosis = connection.statement<[number]>("DELETE FROM diagnosis WHERE attempt = ?");
  const storedEvidence = connection.statement<[number], EvidenceRow>(
    `SELECT source, identity, position, kind, at, monotonic_us, count, last_at, text, observation, matches
     FROM evidence WHERE attempt = ?`,
  );
  const putEvidence = connection.statement<
    [
      number,
      string,
      string,
      number,
      string,
      number,
      number | null,
      number,
      number,
      string | null,
      string,
      string,
    ]
  >(
    `INSERT OR REPLACE INTO evidence
       (attempt, source, identity, position, kind, at, monotonic_us, count, last_at, text, observation, matches)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const dropEvidence = connection.statement<[number, string, string]>(
    "DELETE FROM evidence WHERE attempt = ? AND source = ? AND identity = ?",
  );
  const byId = connection.statement<[string], FoundRow>(`${FIND} WHERE id = ?`);
  const byNumber = connection.statement<[number], FoundRow>(`${FIND} WHERE number = ?`);

  function deviceSetOf(attempt: StartAttempt): number {
    const devices = boundedJson(attempt.devices, 32, 256);
    const groups = boundedJson(attempt.groups, 32, 256);
    return deviceSet.get(devices, groups)?.number ?? insertDeviceSet.insert(devices, groups);
  }

  function saveHead(
    attempt: StartAttempt,
    extra: { readonly snapshotId?: string; readonly origin: Origin },
    known: HeadRow | undefined,
    evidence: { readonly rows: readonly EvidenceRow[]; readonly leftOut: number },
  ): number {
    const { snapshotId, origin } = extra;
    const diagnosis = attempt.outcome === "started" ? undefined : attempt.diagnosis;
    const values: HeadValues = [
      vms.numberOf(attempt.vm, attempt.openedAt, known?.vm),
      attempt.bootId === undefined ? null : boots.numberOf(attempt.bootId, attempt.openedAt, origin),
      Math.round(attempt.openedAt),
      attempt.closedAt === undefined ? null : Math.round(attempt.closedAt),
      attempt.outcome ?? null,
      deviceSetOf(attempt),
      diagnosis?.causes[0]?.class ?? null,
      diagnosis === undefined ? null : boundedText(diagnosis.summary, 1024),
      snapshotId === undefined ? (known?.snapshot ?? null) : snapshots.numberOf(snapshotId),
      origin,
      evidence.rows.length,
      evidence.leftOut,
      attempt.steady === undefined ? (known?.steady ?? null) : Math.round(attempt.steady),
      attempt.id,
    ];
    if (known === undefined) return insert.insert(...values);
    updates[changeOf(known, values)].run(...values);
    return known.number;
  }

  function saveEvidence(number: number, rows: readonly EvidenceRow[]): void {
    const stored = new Map(storedEvidence.all(number).map((row) => [`${row.source}\n${row.identity}`, row]));
    for (const row of rows) {
      const key = `${row.source}\n${row.identity}`;
      const before = stored.get(key);
      stored.delete(key);
      if (before !== undefined && isSame(before, row)) continue;
      const { source, identity, position, kind, at, monotonic_us, count, last_at } = row;
      putEvidence.run(
        number,
        source,
        identity,
        position,
        kind,
        at,
        monotonic_us,
        count,
        last_at,
        row.text,
        row.observation,
        row.matches,
      );
    }
    for (const row of stored.values()) dropEvidence.run(number, row.source, row.identity);
  }

  return {
    save(attempt, extra) {
      return connection.durable(() => {
        const known = select.get(attempt.id);
        if (known?.origin === "live" && extra.origin === "imported") return known.number;
        const evidence = packEvidence(attempt);
        const number = saveHead(attempt, extra, known, evidence);
        for (const { matches } of attempt.evidence)
          for (const { signature } of matches) signatures.remember(signature);
        saveEvidence(number, evidence.rows);
        if (attempt.diagnosis === undefined) dropDiagnosis.run(number);
        else setDiagnosis.run(number, boundedJson(attempt.diagnosis, 2048, 32));
        return number;
      });
    },
    find(numberOrId) {
      const row = findRow(numberOrId);
      if (row === undefined) return undefined;
      return {
        number: row.number,
        id: row.id,
        vm: vms.names().get(row.vm) ?? vmName(""),
        outcome: row.outcome ?? undefined,
      };
    },
    ...createAttemptReads(parts, findNumber),
  };

  function findRow(numberOrId: number | string): FoundRow | undefined {
    if (typeof numberOrId === "number") return byNumber.get(numberOrId);
    const found = byId.get(numberOrId);
    if (found !== undefined || !/^\d{1,15}$/.test(numberOrId)) return found;
    return byNumber.get(Number(numberOrId));
  }

  function findNumber(numberOrId: number | string): number | undefined {
    return findRow(numberOrId)?.number;
  }
}

/** Which part of a stored attempt may differ from the given one. */
function changeOf(known: HeadRow, values: HeadValues): "whole" | "outcome" | "rest" {
  const [vm, boot, openedAt, , outcome, deviceSet, cause, , snapshot, origin, , , steady] = values;
  const isSameStart =
    vm === known.vm &&
    boot === known.boot &&
    openedAt === known.opened_at &&
    steady === known.steady &&
    deviceSet === known.device_set &&
    snapshot === known.snapshot &&
    origin === known.origin;
  if (!isSameStart) return "whole";
  return outcome === known.outcome && cause === known.cause ? "rest" : "outcome";
}

interface FoundRow {
  readonly number: number;
  readonly id: string;
  readonly vm: number;
  readonly outcome: Outcome | null;
}

const FIND = "SELECT number, id, vm, outcome FROM attempt";

function isSame(a: EvidenceRow, b: EvidenceRow): boolean {
  return (
    a.position === b.position &&
    a.count === b.count &&
    a.last_at === b.last_at &&
    a.at === b.at &&
    a.kind === b.kind &&
    a.monotonic_us === b.monotonic_us &&
    a.text === b.text &&
    a.observation === b.observation &&
    a.matches === b.matches
  );
}
