import type { Outcome } from "../model/attempt.ts";
import type { CauseClass } from "../model/catalogue.ts";
import type { Diagnosis } from "../model/diagnosis.ts";
import type { Origin } from "../model/history.ts";
import { type Bdf, type BootId, vmName } from "../model/identifiers.ts";
import type { AttemptParts } from "./attempt-parts.ts";
import type {
  AttemptFilter,
  AttemptRow,
  AttemptStore,
  AttemptTally,
  SignatureLookup,
  StoredAttempt,
} from "./attempt-store.ts";
import type { SqlValue } from "./connection.ts";
import { type EvidenceRow, unpackEvidence } from "./evidence-rows.ts";
import type { VmTable } from "./vms.ts";

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

type TallyTuple = [
  vm: number,
  boot: number | null,
  outcome: Outcome,
  cause: CauseClass | null,
  deviceSet: number,
  snapshot: number | null,
  origin: Origin,
  count: number,
  firstAt: number,
  lastAt: number,
  firstNumber: number,
  lastNumber: number,
  wake: number,
];

interface FullRow extends Omit<ListRow, "outcome"> {
  readonly outcome: Outcome | null;
  readonly boot_id: string | null;
  readonly diagnosis: string | null;
  readonly evidence_left_out: number;
}

/** Nothing is known yet of how it went; one that the host took with it has words that say so. */
const OPEN = "outcome IS NULL AND summary IS NULL";

interface Devices {
  readonly devices: readonly Bdf[];
  readonly groups: readonly number[];
}

/** Holds everything that counting and choosing need, so that the rows themselves are not read. */
const TALLY_INDEX = "attempt INDEXED BY attempt_tally";

/** How often its boot had slept before a start: by the clock that nobody sets, where both were read from it. */
const WAKE = `(SELECT count(*) FROM boot, json_each(boot.sleeps) AS sleep
  WHERE boot.number = attempt.boot AND iif(steady IS NULL OR sleep.value ->> 1 IS NULL,
    sleep.value ->> 0 <= opened_at, sleep.value ->> 1 <= steady))`;

/** An attempt whose boot nobody knows stands where its wall time puts it. */
const BOOT_ORDER = `COALESCE(boot.order_key,
  (SELECT max(order_key) FROM boot AS around WHERE around.started_at <= attempt.opened_at), 0)`;

/** Within a boot the order is that of a clock that nobody sets; the wall clock has to do where that was not read. */
const PLACE = `COALESCE(attempt.steady, attempt.opened_at - COALESCE(boot.started_at,
  (SELECT max(started_at) FROM boot AS around WHERE around.started_at <= attempt.opened_at), 0))`;
const ORDER_KEY = `${BOOT_ORDER}, ${PLACE}, attempt.number`;
const KEY_OF_ONE = `(SELECT ${ORDER_KEY} FROM attempt LEFT JOIN boot ON boot.number = attempt.boot
  WHERE attempt.number = ?)`;

/** The reading half of the attempts. */
export function createAttemptReads(
  parts: AttemptParts,
  findNumber: (numberOrId: number | string) => number | undefined,
): Pick<
  AttemptStore,
  "open" | "list" | "hasStartedAfter" | "newestOfEachVm" | "newestFailures" | "tallies" | "full"
> {
  const { connection, boots, snapshots, vms, signatures } = parts;
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
  const allOpen = connection.statement<[], FullRow>(
    `SELECT ${fullColumns} WHERE ${OPEN} ORDER BY opened_at, attempt.number`,
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
  const anySleep = connection.statement<[], { one: number }>(
    "SELECT 1 AS one FROM boot WHERE sleeps IS NOT NULL LIMIT 1",
  );
  /** Lists are asked in few shapes; each is prepared once. */
  const listStatements = new Map<string, ReturnType<typeof connection.statement<SqlValue[], ListRow>>>();
  const tallyStatements = new Map<string, ReturnType<typeof connection.tuples<SqlValue[], TallyTuple>>>();

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
    tallies(filter = {}) {
      const { where, values } = conditions(filter, vms);
      // Only a host that sleeps pays for it: with an expression the groups are no longer in the order of the index.
      const sleeps = anySleep.get() !== undefined;
      const sql = `SELECT vm, attempt.boot, outcome, cause, device_set, snapshot, attempt.origin,
          count(*), min(opened_at), max(opened_at), min(attempt.number), max(attempt.number), ${sleeps ? WAKE : 0}
        FROM ${TALLY_INDEX} WHERE ${where}
        GROUP BY vm, attempt.boot, outcome, cause, device_set, snapshot, attempt.origin${sleeps ? ", 13" : ""}`;
      const statement = remembered(tallyStatements, sql, () =>
        connection.tuples<SqlValue[], TallyTuple>(sql),
      );
      const rows = statement.all(...values);
      const positions = boots.positions();
      const sets = devicesByNumber();
      const names = vms.names();
      const snapshotIds = snapshots.ids();
      // By index: taking thousands of rows apart by destructuring takes as long as reading them.
      const tallies = rows.map(
        (row): AttemptTally => ({
          vm: names.get(row[0]) ?? vmName(""),
          bootId: positions.idOf(row[1]),
          bootOrdinal: positions.ordinalOf(row[1]),
          outcome: row[2],
          cause: row[3] ?? undefined,
          devices: (sets.get(row[4]) ?? NO_DEVICES).devices,
          snapshotId: row[5] === null ? undefined : snapshotIds.get(row[5]),
          origin: row[6],
          count: row[7],
          firstAt: row[8],
          lastAt: row[9],
          firstNumber: row[10],
          lastNumber: row[11],
          ...(row[12] > 0 && { wake: row[12] }),
        }),
      );
      return tallies.sort(
        (a, b) =>
          (a.bootOrdinal ?? 0) - (b.bootOrdinal ?? 0) ||
          (a.wake ?? 0) - (b.wake ?? 0) ||
          a.firstAt - b.firstAt ||
          a.firstNumber - b.firstNumber,
      );
    },
  };
}

const NO_DEVICES: Devices = { devices: [], groups: [] };

function remembered<T>(known: Map<string, T>, key: string, make: () => T): T {
  let value = known.get(key);
  if (value === undefined) {
    value = make();
    known.set(key, value);
  }
  return value;
}

function conditions(
  filter: AttemptFilter,
  vms: Pick<VmTable, "numbersOf">,
): { readonly where: string; readonly values: SqlValue[] } {
  const where = [filter.cutShortToo === true ? `NOT (${OPEN})` : "outcome IS NOT NULL"];
  const values: SqlValue[] = [];
  const add = (condition: string, value: SqlValue) => {
    where.push(condition);
    values.push(value);
  };
  if (filter.vm !== undefined)
    add("attempt.vm IN (SELECT value FROM json_each(?))", JSON.stringify(vms.numbersOf(filter.vm)));
  if (filter.device !== undefined) {
    // The list is JSON, so the quotes keep a short address from matching inside a longer one.
    add("device_set IN (SELECT number FROM device_set WHERE instr(devices, ?) > 0)", `"${filter.device}"`);
  }
  if (filter.devices !== undefined) {
    add(
      `device_set IN (SELECT device_set.number FROM device_set, json_each(?) AS wanted
        WHERE instr(devices, '"' || wanted.value || '"') > 0)`,
      JSON.stringify(filter.devices),
    );
  }
  if (filter.bootId !== undefined)
    add("attempt.boot = (SELECT number FROM boot WHERE id = ?)", filter.bootId);
  if (filter.startedOnly === true) where.push("outcome = 'started'");
  if (filter.failedOnly === true) where.push("outcome <> 'started'");
  if (filter.since !== undefined) add("opened_at >= ?", Math.floor(filter.since));
  if (filter.until !== undefined) add("opened_at <= ?", Math.floor(filter.until));
  if (filter.before !== undefined) add(`(${ORDER_KEY}) < ${KEY_OF_ONE}`, filter.before);
  if (filter.after !== undefined) add(`(${ORDER_KEY}) > ${KEY_OF_ONE}`, filter.after);
  return { where: where.join(" AND "), values };
}
