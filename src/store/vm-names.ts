import { type VmName, vmName } from "../model/identifiers.ts";
import type { Connection } from "./connection.ts";

/** A VM by its number. */
interface VmNumbers {
  readonly number: number;
  readonly name: string;
  readonly successor: number | null;
}

/** From when on a name meant a VM; until another took it. */
export interface NameRow {
  readonly name: string;
  readonly since: number;
  readonly vm: number;
}

/** What all VMs are and were called, as it is stored at the moment. */
export interface VmNames {
  /** What each VM is called in answers, by its number. One that was made anew shares the name with its successor. */
  readonly byNumber: ReadonlyMap<number, VmName>;
  /** All that is, or has last been, called so: the VM, and those that were made anew. */
  numbersOf(name: string): readonly number[];
  /** Under which names these VMs have been, each with the time from which on it meant them. */
  historyOf(numbers: readonly number[]): readonly NameRow[];
  /** Who had the name of a VM before it, where that is the only name it ever had. */
  before(number: number): number | undefined;
}

/** The names, read anew only when they may have changed. */
export interface VmNamesReader {
  (): VmNames;
  /** A row of `vm` or `vm_name` is written. */
  changed(): void;
}

/** Makes the reader of names over an open database. */
export function createVmNames(connection: Connection): VmNamesReader {
  const readNow = createReader(connection);
  let known: VmNames | undefined;
  let seen = "";

  const names = () => {
    const outside = connection.outsideChanges();
    if (known === undefined || outside !== seen) known = readNow();
    seen = outside;
    return known;
  };
  return Object.assign(names, {
    changed() {
      known = undefined;
    },
  });
}

function createReader(connection: Connection): () => VmNames {
  const vms = connection.statement<[], VmNumbers>("SELECT number, name, successor FROM vm ORDER BY number");
  const names = connection.statement<[], NameRow>("SELECT name, since, vm FROM vm_name ORDER BY name, since");

  return () => {
    const byName = Map.groupBy(names.all(), ({ name }) => name);
    const byVm = Map.groupBy([...byName.values()].flat(), ({ vm }) => vm);
    const rows = new Map(vms.all().map((row) => [row.number, row]));
    const newestOf = (number: number): number => {
      let newest = number;
      // As many steps as there are rows, should they ever lead in a circle.
      for (let steps = rows.size; steps > 0; steps--) {
        const next = rows.get(newest)?.successor ?? undefined;
        if (next === undefined) return newest;
        newest = next;
      }
      return newest;
    };
    const byNumber = new Map<number, VmName>();
    const taken = new Set<string>();
    for (const { number, name } of rows.values()) {
      if (newestOf(number) !== number) continue;
      let shown = shownName(name, number, byName.get(name) ?? []);
      for (let copy = 2; taken.has(shown); copy++) shown = `${name} #${copy}`;
      taken.add(shown);
      byNumber.set(number, vmName(shown));
    }
    for (const number of rows.keys()) byNumber.set(number, byNumber.get(newestOf(number)) ?? vmName(""));
    const numbers = Map.groupBy(byNumber.keys(), (number) => byNumber.get(number) as string | undefined);
    const called = (name: string) => numbers.get(name) ?? [];
    const historyOf = (numbers: readonly number[]) =>
      numbers.flatMap((number) => byVm.get(number) ?? []).sort((a, b) => a.since - b.since);
    return {
      byNumber,
      numbersOf(name) {
        const now = called(name);
        if (now.length > 0) return now;
        const last = byName.get(name)?.at(-1)?.vm;
        return last === undefined ? [] : called(byNumber.get(last) ?? "");
      },
      historyOf,
      before(number) {
        const [own, other] = historyOf([number]);
        if (own === undefined || other !== undefined) return undefined;
        const holders = byName.get(own.name) ?? [];
        return holders[holders.indexOf(own) - 1]?.vm;
      },
    };
  };
}

/** A VM that is gone, and whose name another one has that is not it made anew, is told apart by when it lost it. */
function shownName(name: string, number: number, holders: readonly NameRow[]): string {
  const own = holders.findLastIndex(({ vm }) => vm === number);
  const next = holders[own + 1];
  if (own < 0 || next === undefined) return name;
  return `${name} (until ${new Date(next.since).toISOString().slice(0, 16).replace("T", " ")})`;
}
