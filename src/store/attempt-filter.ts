import type { AttemptFilter } from "./attempt-store.ts";
import type { SqlValue } from "./connection.ts";
import type { VmTable } from "./vms.ts";

/** Nothing is known yet of how it went; one that the host took with it has words that say so. */
export const OPEN = "outcome IS NULL AND summary IS NULL";

/** Holds everything that counting and choosing need, so that the rows themselves are not read. */
export const TALLY_INDEX = "attempt INDEXED BY attempt_tally";

/** An attempt whose boot nobody knows stands where its wall time puts it. */
export const BOOT_ORDER = `COALESCE(boot.order_key,
  (SELECT max(order_key) FROM boot AS around WHERE around.started_at <= attempt.opened_at), 0)`;

/** Within a boot the order is that of a clock that nobody sets; the wall clock has to do where that was not read. */
export const PLACE = `COALESCE(attempt.steady, attempt.opened_at - COALESCE(boot.started_at,
  (SELECT max(started_at) FROM boot AS around WHERE around.started_at <= attempt.opened_at), 0))`;
export const ORDER_KEY = `${BOOT_ORDER}, ${PLACE}, attempt.number`;
export const KEY_OF_ONE = `(SELECT ${ORDER_KEY} FROM attempt LEFT JOIN boot ON boot.number = attempt.boot
  WHERE attempt.number = ?)`;

/** The value of that key, made once. */
export function remembered<T>(known: Map<string, T>, key: string, make: () => T): T {
  let value = known.get(key);
  if (value === undefined) {
    value = make();
    known.set(key, value);
  }
  return value;
}

/** What a filter asks for, as SQL. */
export function conditions(
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
