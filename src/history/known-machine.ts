import { textOf } from "../facts/fact-value.ts";
import type { Machine } from "../host/machine.ts";
import { isSameBoard } from "../knowledge/board-names.ts";
import type { BootId } from "../model/identifiers.ts";
import type { Store } from "../store/store.ts";

const MACHINE = "machine";
/** More network cards than a machine has over the years. */
const MOST_CARDS = 64;
type Reader = Pick<Store, "meta" | "boots" | "snapshots">;

/** Notes that this history is of this machine; what cannot be read now stays as it was. */
export function rememberMachine(store: Reader, { board, id, cards }: Machine): void {
  const known = machineOf(store);
  note(store, { board: board ?? known.board, id: id ?? known.id }, cards);
}

/** Notes what older logs say of it. Their board counts where neither a service nor any fact has named one. */
export function rememberFromLogs(store: Reader, { board, cards }: Pick<Machine, "board" | "cards">): void {
  note(store, board === undefined ? {} : { boardInLogs: board }, cards);
}

function note(store: Reader, what: Noted, cards: readonly string[]): void {
  const noted = parse(store.meta.get(MACHINE));
  const all = [...new Set([...(noted.cards ?? []), ...cards])].slice(-MOST_CARDS);
  store.meta.set(MACHINE, JSON.stringify({ ...noted, ...what, cards: all }));
}

/** Of which machine the history is: what its service noted, else what the newest facts say, else its logs. */
export function machineOf(store: Reader): Machine {
  const noted = parse(store.meta.get(MACHINE));
  const board = noted.board ?? newestBoard(store) ?? noted.boardInLogs;
  return { board, id: noted.id, cards: noted.cards ?? [] };
}

/** Whether these are network cards of two machines: each has some, and none is the other's. */
export function hasOtherCards(one: Machine["cards"], other: Machine["cards"]): boolean {
  return one.length > 0 && other.length > 0 && !one.some((card) => other.includes(card));
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
  const isOther =
    its.board !== undefined &&
    (here.board === undefined ? here.isNameless === true : !isSameBoard(its.board, here.board));
  return isOther || hasOtherCards(its.cards, here.cards) ? its : undefined;
}

/** A history that has no board in its newest facts has none in older ones, of which there may be thousands. */
const MOST_LOOKED_AT = 50;

function newestBoard({ boots, snapshots }: Reader): string | undefined {
  const ids = boots.list().flatMap(({ snapshotId }) => snapshotId ?? []);
  for (const snapshotId of [...new Set(ids.toReversed())].slice(0, MOST_LOOKED_AT)) {
    const name = textOf(snapshots.fact(snapshotId, "firmware.board.name")?.value);
    if (name !== undefined) return name;
  }
  return undefined;
}

type Noted = Partial<Machine> & { readonly boardInLogs?: string };

function parse(text: string | undefined): Noted {
  try {
    const { board, id, boardInLogs, cards } = JSON.parse(text ?? "{}") as Record<string, unknown>;
    return {
      ...(typeof board === "string" && { board }),
      ...(typeof id === "string" && { id }),
      ...(typeof boardInLogs === "string" && { boardInLogs }),
      ...(Array.isArray(cards) && { cards: cards.filter((card) => typeof card === "string") }),
    };
  } catch {
    return {};
  }
}
