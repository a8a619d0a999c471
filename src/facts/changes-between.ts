import type { Change } from "../model/fact.ts";
import type { SnapshotLookup } from "../model/history.ts";
import { diffSnapshots } from "./diff-snapshots.ts";

/**
 * What changed between two stored snapshots, the most telling first. Undefined where one is missing, which is not
 * the same as nothing (law 7).
 */
export function changesBetween(
  snapshots: { readonly get: SnapshotLookup },
  before: string | undefined,
  after: string | undefined,
): readonly Change[] | undefined {
  if (before === undefined || after === undefined) return undefined;
  if (before === after) return [];
  const [old, current] = [snapshots.get(before), snapshots.get(after)];
  return old === undefined || current === undefined ? undefined : diffSnapshots(old, current);
}
