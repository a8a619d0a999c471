import type { BootId } from "../model/identifiers.ts";
import type { Store } from "../store/store.ts";

/** Where the history keeps what was last compared: boot and snapshot. It outlives restarts, so nothing is told twice. */
const COMPARED = "facts last compared";
const BIOS_TOLD = "BIOS change told";

type Meta = Pick<Store, "meta">;

/** The boot and the facts that the next look compares with; undefined before the first. */
export function lastCompared({
  meta,
}: Meta): { readonly bootId: string; readonly snapshotId: string } | undefined {
  const [, bootId, snapshotId] = /^(.+) (\S+)$/.exec(meta.get(COMPARED) ?? "") ?? [];
  return bootId === undefined || snapshotId === undefined ? undefined : { bootId, snapshotId };
}

export function noteCompared({ meta }: Meta, bootId: BootId, snapshotId: string): void {
  meta.set(COMPARED, `${bootId} ${snapshotId}`);
}

/** Whether the other BIOS of this boot has been told of. */
export function isBiosTold({ meta }: Meta, bootId: BootId): boolean {
  return meta.get(BIOS_TOLD) === bootId;
}

export function noteBiosTold({ meta }: Meta, bootId: BootId): void {
  meta.set(BIOS_TOLD, bootId);
}
