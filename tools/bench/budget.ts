/** One budget of the design, measured. */
export interface BudgetRow {
  /** Which part of the service: rows of one part stand together. */
  readonly part: string;
  readonly what: string;
  readonly unit: string;
  /** One value a run, in the order of the runs; empty where it could not be measured. */
  readonly runs: readonly number[];
  readonly limit?: { readonly bound: "at most" | "at least"; readonly value: number };
  /** Measured in the same run, so that a slow or busy machine shows. */
  readonly yardstick?: { readonly what: string; readonly value: number; readonly unit: string };
  /** How it was measured, or why it was not. */
  readonly method: string;
}

/**
 * `met in the best run`: the median misses the limit and the best run keeps it, which is what a busy machine does to
 * a time that is right. `missed`: no run keeps it.
 */
export type Verdict = "met" | "met in the best run" | "missed" | "for the record" | "not measured";

export interface JudgedRow extends BudgetRow {
  readonly median: number | undefined;
  readonly best: number | undefined;
  /** Measured value divided by the yardstick, where both are of one unit. */
  readonly ratio: number | undefined;
  readonly verdict: Verdict;
}

/** The middle value; of an even number of values the upper of the two in the middle. NaN for none. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** The value that `share` (0 to 1) of the values do not exceed. NaN for none. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

/** Compares a row with its limit. */
export function judge(row: BudgetRow): JudgedRow {
  const { runs, limit, yardstick } = row;
  if (runs.length === 0)
    return { ...row, median: undefined, best: undefined, ratio: undefined, verdict: "not measured" };
  const middle = median(runs);
  const best =
    limit === undefined ? undefined : limit.bound === "at least" ? Math.max(...runs) : Math.min(...runs);
  const keeps = (value: number | undefined) =>
    limit === undefined ||
    value === undefined ||
    (limit.bound === "at least" ? value >= limit.value : value <= limit.value);
  const ratio = yardstick?.unit === row.unit ? middle / yardstick.value : undefined;
  const verdict = keeps(middle) ? "met" : keeps(best) ? "met in the best run" : "missed";
  return { ...row, median: middle, best, ratio, verdict: limit === undefined ? "for the record" : verdict };
}

/** A table for people, with the methods as notes below it. */
export function formatTable(rows: readonly JudgedRow[]): string {
  const header = [
    "part",
    "what",
    "measured",
    "best",
    "budget",
    "yardstick in the same run",
    "ratio",
    "verdict",
  ];
  const body = rows.map((row) => [
    row.part,
    row.what,
    row.median === undefined ? "-" : `${number(row.median)} ${row.unit}`,
    row.best === undefined || row.runs.length === 1 ? "" : number(row.best),
    row.limit === undefined ? "" : `${row.limit.bound === "at least" ? "≥" : "≤"} ${number(row.limit.value)}`,
    row.yardstick === undefined
      ? ""
      : `${row.yardstick.what}: ${number(row.yardstick.value)} ${row.yardstick.unit}`,
    row.ratio === undefined ? "" : `${number(row.ratio)} ×`,
    row.verdict === "missed" ? "MISSED" : row.verdict,
  ]);
  const widths = header.map((title, column) =>
    Math.max(title.length, ...body.map((cells) => cells[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd();
  const notes = rows.map((row) => `  ${row.part}, ${row.what}: ${row.method}`);
  return [
    line(header),
    line(widths.map((width) => "-".repeat(width))),
    ...body.map(line),
    "",
    ...notes,
    "",
  ].join("\n");
}

function number(value: number): string {
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e6) return String(value);
  return size >= 1e6
    ? `${(value / 1e6).toFixed(2)} M`
    : value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 0.1 ? 2 : 4);
}
