import { textOf } from "../facts/fact-value.ts";
import type { Machine } from "../host/machine.ts";
import { isSameBoard } from "../knowledge/board-names.ts";
import type { BootId } from "../model/identifiers.ts";
import type { Store } from "../store/store.ts";

const MACHINE = "machine";
type Reader = Pick<Store, "meta" | "boots" | "snapshots">;

/** Notes that this history is of this machine; what cannot be read now stays as it was. */
export function rememberMachine(store: Reader, { board, id }: Machine): void {
  const known = machineOf(store);
  store.meta.set(MACHINE, JSON.stringify({ board: board ?? known.board, id: id ?? known.id }));
}

/** Of which machine the history is: what its service noted, else what the newest facts say. */
export function machineOf(store: Reader): Machine {
  const noted = parse(store.meta.get(MACHINE));
  return { board: noted.board ?? newestBoard(store), id: noted.id };
}

/**
 * The machine that the history is of, where that is not this one; undefined where it is, or nothing says otherwise.
 * `bootId` is the boot that runs here: a history that saw it is of this machine, whatever was built into it.
 */
export function foreignMachine(
  store: Reader,
  here: Machine,
  bootId: BootId | undefined,
): Machine | undefined {
  const its = machineOf(store);
  if (its.id !== undefined && here.id !== undefined) return its.id === here.id ? undefined : its;
  if (bootId !== undefined && store.boots.get(bootId)?.origin === "live") return undefined;
  const isOther = its.board !== undefined && here.board !== undefined && !isSameBoard(its.board, here.board);
  return isOther ? its : undefined;
}

function newestBoard({ boots, snapshots }: Reader): string | undefined {
  for (const { snapshotId } of boots.list().toReversed()) {
    if (snapshotId === undefined) continue;
    const name = textOf(snapshots.fact(snapshotId, "firmware.board.name")?.value);
    if (name !== undefined) return name;
  }
  return undefined;
}

function parse(text: string | undefined): Partial<Machine> {
  try {
    const { board, id } = JSON.parse(text ?? "{}") as Record<string, unknown>;
    return {
      ...(typeof board === "string" && { board }),
      ...(typeof id === "string" && { id }),
    };
  } catch {
    return {};
  }
}
