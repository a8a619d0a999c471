import type { AttemptRecord } from "../model/history.ts";

/** The newest good start among attempts that are given newest first. */
export function lastGoodBefore<Row extends AttemptRecord>(newestFirst: readonly Row[]): Row | undefined {
  return newestFirst.find((row) => row.outcome === "started");
}
