import type { Outcome } from "../model/attempt.ts";
import type { CauseClass } from "../model/catalogue.ts";
import type { Diagnosis } from "../model/diagnosis.ts";
import type { Origin } from "../model/history.ts";
import { type BootId, vmName } from "../model/identifiers.ts";
import {
  BOOT_ORDER,
  conditions,
  KEY_OF_ONE,
  OPEN,
  ORDER_KEY,
  PLACE,
  remembered,
  TALLY_INDEX,
} from "./attempt-filter.ts";
import type { AttemptParts } from "./attempt-parts.ts";
import type { AttemptRow, AttemptStore, SignatureLookup, StoredAttempt } from "./attempt-store.ts";
import { createTallies, type Devices, NO_DEVICES } from "./attempt-tallies.ts";
import type { SqlValue } from "./connection.ts";
import { type EvidenceRow, unpackEvidence } from "./evidence-rows.ts";

interface ListRow {
  readonly number: number;
  readonly id: string;
  readonly vm: number;
  readonly boot: number | null;
  readonly opened_at: number;
  readonly steady: number | null;
  readonly closed_at: number | null;
  readonly outcome: Outcome;
  readonly device_set: number;
  readonly cause: CauseClass | null;
  readonly summary: string | null;
  readonly snapshot: string | null;
  readonly origin: Origin;
}

interface FullRow extends Omit<ListRow, "outcome"> {
  readonly outcome: Outcome | null;
  readonly boot_id: string | null;
  readonly diagnosis: string | null;
  readonly evidence_left_out: number;
}

/** The reading half of the attempts. */
export function createAttemptReads(
  parts: AttemptParts,
  findNumber: (numberOrId: number | string) => number | undefined,
): Pick<
  AttemptStore,
  "open" | "list" | "hasStartedAfter" | "newestOfEachVm" | "newestFailures" | "tallies" | "cutShort" | "full"
> {
  const { connection, boots, vms, signatures } = parts;
  const deviceSets = connection.statement<[], { number: number; devices: string; groups: string }>(
    "SELECT number, devices, groups FROM device_set",
  );
  const evidence = connection.statement<[number], EvidenceRow>(
    `SELECT source, identity, position, kind, at, monotonic_us, count, last_at, text, observation, matches
     FROM evidence WHERE attempt = ?`,
  );
  const fullColumns = `attempt.number, attempt.id, attempt.vm, attempt.boot, boot.id AS boot_id, opened_at, steady,
    closed_at, outcome, device_set, cause, summary, snapshot.id AS snapshot, attempt.origin,
    diagnosis.body AS diagnosis, evidence_left_out
    FROM attempt LEFT JOIN boot ON boot.number = attempt.boot
    LEFT JOIN snapshot ON snapshot.number = attempt.snapshot
    LEFT JOIN diagnosis ON diagnosis.attempt = attempt.number`;
  const oneFull = connection.statement<[number], FullRow>(`SELECT ${fullColumns} WHERE attempt.number = ?`);
  // Those few that have no outcome stand in the index; the rows of all would be read at each start of the service.
  const allOpen = connection.statement<[], FullRow>(
    `SELECT ${fullColumns} WHERE attempt.number IN
       (SELECT number FROM ${TALLY_INDEX} WHERE outcome IS NULL) AND ${OPEN} ORDER BY opened_at, attempt.number`,
  );
  const openOfBoot = connection.statement<[string], FullRow>(
    `SELECT ${fullColumns} WHERE boot.id = ? AND ${OPEN} ORDER BY opened_at, attempt.number`,
  );
  const startedAfter = connection.statement<[string, number], { number: number }>(
    `SELECT attempt.number FROM ${TALLY_INDEX} LEFT JOIN boot ON boot.number = attempt.boot
     WHERE vm IN (SELECT value FROM json_each(?)) AND outcome = 'started'
     AND (${ORDER_KEY}) > ${KEY_OF_ONE} LIMIT 1`,
  );
  const newestOfEachVm = connection.statement<[string, number], { number: number }>(
    `SELECT number FROM (
       SELECT number, row_number() OVER (PARTITION BY vm ORDER BY ifnull(steady, opened_at) DESC, number DESC) AS place
       FROM ${TALLY_INDEX} WHERE boot = (SELECT number FROM boot WHERE id = ?) AND outcome IS NOT NULL
     ) WHERE place <= ?`,
  );
  const newestFailures = connection.statement<
    [number],
    { number: number; vm: number; opened_at: number; outcome: Outcome; cause: CauseClass | null }
  >(
    `SELECT attempt.number, vm, opened_at, outcome, cause FROM ${TALLY_INDEX}
     LEFT JOIN boot ON boot.number = attempt.boot WHERE outcome IS NOT NULL AND outcome <> 'started'
     ORDER BY ${BOOT_ORDER} DESC, ${PLACE} DESC, attempt.number DESC LIMIT ?`,
  );
  /** Lists are asked in few shapes; each is prepared once. */
  const listStatements = new Map<string, ReturnType<typeof connection.statement<SqlValue[], ListRow>>>();

  function devicesByNumber(): ReadonlyMap<number, Devices> {
    // Attempts share these lists: a VM's devices seldom change.
    return new Map(
      deviceSets
        .all()
        .map((row) => [row.number, { devices: JSON.parse(row.devices), groups: JSON.parse(row.groups) }]),
    );
  }

  function whole(row: FullRow, lookup: SignatureLookup): StoredAttempt {
    const bootId = row.boot_id === null ? undefined : (row.boot_id as BootId);
    const { devices, groups } = devicesByNumber().get(row.device_set) ?? NO_DEVICES;
    return {
      id: row.id,
      number: row.number,
      vm: vms.names().get(row.vm) ?? vmName(""),
      bootId,
      openedAt: row.opened_at,
      closedAt: row.closed_at ?? undefined,
      ...(row.steady === null ? {} : { steady: row.steady }),
      outcome: row.outcome ?? undefined,
      devices,
      groups,
      evidence: unpackEvidence(evidence.all(row.number), bootId, signatures.lookup(lookup)),
      ...(row.diagnosis === null ? {} : { diagnosis: JSON.parse(row.diagnosis) as Diagnosis }),
      origin: row.origin,
      snapshotId: row.snapshot ?? undefined,
      evidenceLeftOut: row.evidence_left_out,
    };
  }

  return {
    open(lookup, bootId) {
      const rows = bootId === undefined ? allOpen.all() : openOfBoot.all(bootId);
      return rows.map((row) => whole(row, lookup));
    },
    full(numberOrId, lookup) {
      const number = findNumber(numberOrId);
      const row = number === undefined ? undefined : oneFull.get(number);
      return row === undefined ? undefined : whole(row, lookup);
    },
    list(filter = {}) {
      // A host may have thousands of VMs of which none was ever started.
      if (filter.vm !== undefined && vms.numbersOf(filter.vm).length === 0) return [];
      const { where, values } = conditions(filter, vms);
      const direction = filter.first === "oldest" ? "ASC" : "DESC";
      const order = `ORDER BY ${BOOT_ORDER} ${direction}, ${PLACE} ${direction}, attempt.number ${direction}`;
      // Which ones are wanted is in the index; only their rows, which are far apart, need to be read.
      const source = filter.bootId === undefined && filter.since === undefined ? TALLY_INDEX : "attempt";
      const chosen = `attempt.number IN (SELECT attempt.number FROM ${source}
        LEFT JOIN boot ON boot.number = attempt.boot WHERE ${where} ${order} LIMIT ?)`;
      const sql = `SELECT attempt.number, attempt.id, attempt.vm, attempt.boot, opened_at, steady, closed_at, outcome,
          device_set, cause, summary, snapshot.id AS snapshot, attempt.origin
        FROM attempt LEFT JOIN boot ON boot.number = attempt.boot
        LEFT JOIN snapshot ON snapshot.number = attempt.snapshot
        WHERE ${filter.limit === undefined ? where : chosen} ${order}`;
      const statement = remembered(listStatements, sql, () => connection.statement<SqlValue[], ListRow>(sql));
      const rows = statement.all(
        ...values,
        ...(filter.limit === undefined ? [] : [Math.max(0, Math.floor(filter.limit))]),
      );
      if (rows.length === 0) return [];
      const positions = boots.positions();
      const sets = devicesByNumber();
      const names = vms.names();
      return rows.map((row): AttemptRow => {
        return {
          number: row.number,
          id: row.id,
          vm: names.get(row.vm) ?? vmName(""),
          bootId: positions.idOf(row.boot),
          bootOrdinal: positions.ordinalOf(row.boot),
          openedAt: row.opened_at,
          ...(row.steady !== null && { steady: row.steady }),
          closedAt: row.closed_at ?? undefined,
          outcome: row.outcome ?? undefined,
          ...(sets.get(row.device_set) ?? NO_DEVICES),
          cause: row.cause ?? undefined,
          summary: row.summary ?? undefined,
          snapshotId: row.snapshot ?? undefined,
          origin: row.origin,
        };
      });
    },
    hasStartedAfter: (vm, number) =>
      startedAfter.get(JSON.stringify(vms.numbersOf(vm)), number) !== undefined,
    newestOfEachVm: (bootId, most) => newestOfEachVm.all(bootId, most).map(({ number }) => number),
    newestFailures(limit) {
      const names = vms.names();
      return newestFailures.all(limit).map((row) => ({
        number: row.number,
        vm: names.get(row.vm) ?? vmName(""),
        openedAt: row.opened_at,
        outcome: row.outcome,
        cause: row.cause ?? undefined,
      }));
    },
    tallies: createTallies(parts, devicesByNumber),
    cutShort(filter) {
      const { where, values } = conditions({ ...filter, cutShortToo: true }, vms);
      const sql = `SELECT count(*) AS starts FROM attempt WHERE ${where} AND outcome IS NULL`;
      return connection.statement<SqlValue[], { starts: number }>(sql).get(...values)?.starts ?? 0;
    },
  };
}
