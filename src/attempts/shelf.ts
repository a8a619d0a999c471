import type { Clock } from "../clock.ts";
import type { VmName } from "../model/identifiers.ts";
import { createIdentities, type Identities } from "./identities.ts";
import { createRecent } from "./recent.ts";
import { forgetAttempt, type WorkingAttempt } from "./working-attempt.ts";

/** Attempts kept in memory for each VM: enough for late pieces of a VM that is retried in quick succession. */
const KEPT_FOR_EACH_VM = 12;
/** More than this of all VMs are left of a storm: then so many for each do, which is what a restarted service knows. */
const MANY = 200;
const KEPT_AFTER_STORM = 3;
/** A storm is over when no start has come for so long (ms). */
const CALM_MS = 8_000;

/** Where the attempts are, by VM, and which of them are wanted most. */
export interface Shelf {
  /** What the evidence of all of them is known by. */
  readonly known: Identities;
  put(attempt: WorkingAttempt): void;
  /** Something of it has changed; `end`: its end. */
  changed(attempt: WorkingAttempt, what?: "end"): void;
  takeChanged(): readonly WorkingAttempt[];
  /** In order of time. */
  of(vm: VmName): readonly WorkingAttempt[];
  ofEachVm(): Iterable<readonly WorkingAttempt[]>;
  all(): readonly WorkingAttempt[];
  /** At least those that were not over at that time. */
  notOverAt(steady: number): Iterable<WorkingAttempt>;
}

/** Makes an empty one. */
export function createShelf(clock: Pick<Clock, "after">): Shelf {
  const byVm = new Map<VmName, WorkingAttempt[]>();
  const changed = new Set<WorkingAttempt>();
  const known = createIdentities();
  const recent = createRecent(all);
  let cancelThinning: (() => void) | undefined;
  /** All of them, until there is another one: they are looked through for each record of a flood. */
  let everything: readonly WorkingAttempt[] | undefined;

  function all(): readonly WorkingAttempt[] {
    everything ??= [...byVm.values()].flat();
    return everything;
  }

  /** The oldest that has settled goes first. */
  function keepNewest(attempts: WorkingAttempt[], most: number): void {
    while (attempts.length > most) {
      const oldest = attempts.findIndex((candidate) => candidate.settled);
      const [left] = oldest < 0 ? [] : attempts.splice(oldest, 1);
      if (left === undefined) return;
      changed.delete(left);
      recent.delete(left);
      forgetAttempt(left);
    }
  }

  /** Hundreds of VMs that were tried ten times each would stay in memory for weeks. */
  function thinOut(): void {
    if (all().length <= MANY) return;
    for (const attempts of byVm.values()) keepNewest(attempts, KEPT_AFTER_STORM);
    everything = undefined;
  }

  return {
    known,
    put(attempt) {
      everything = undefined;
      changed.add(attempt);
      recent.add(attempt);
      const attempts = byVm.get(attempt.vm) ?? [];
      attempts.push(attempt);
      attempts.sort((a, b) => a.opened.steady - b.opened.steady);
      keepNewest(attempts, KEPT_FOR_EACH_VM);
      byVm.set(attempt.vm, attempts);
      cancelThinning?.();
      cancelThinning = clock.after(CALM_MS, thinOut);
    },
    changed(attempt, what) {
      changed.add(attempt);
      if (what === "end") recent.add(attempt);
    },
    takeChanged() {
      const taken = [...changed];
      changed.clear();
      return taken;
    },
    of: (vm) => byVm.get(vm) ?? [],
    ofEachVm: () => byVm.values(),
    all,
    notOverAt: recent.notOverAt,
  };
}
