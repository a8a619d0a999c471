import type { Bdf, VmName } from "../model/identifiers.ts";
import { managerOf, type VmDefinition, type VmManager } from "../model/virtual-machine.ts";

/** So many definitions of a VM are kept: a start is read of moments after it, not of weeks. */
const KEPT = 8;

/** What each VM's next start gets, now and a while back: a start has the definition that was in force when it began. */
export interface Definitions {
  /** From `from` on, by the clock that nobody sets, this is what the VM's next start gets. */
  learn(definition: VmDefinition, from: number): void;
  /** What an earlier run knew. It holds until libvirt, or whoever manages the VMs, tells of them. */
  remember(definitions: readonly VmDefinition[]): void;
  /** The VMs of this manager have been told: one that is known from an earlier run alone is gone. */
  forgetRemembered(manager: VmManager): void;
  /** The VM is gone, or has another name from now on. */
  forget(vm: VmName): void;
  /** The VMs that are there, with their newest definition. */
  present(): ReadonlyMap<VmName, VmDefinition>;
  /** What a start that began at `steady` got; of a time before all that is known, what was learned first. */
  at(vm: VmName, steady: number): VmDefinition | undefined;
}

interface Known {
  readonly from: number;
  readonly definition: VmDefinition;
}

export function createDefinitions(): Definitions {
  const present = new Map<VmName, VmDefinition>();
  const known = new Map<VmName, readonly Known[]>();
  /** Known from an earlier run alone; since when what is told now has been so is not known. */
  const remembered = new Map<VmName, VmDefinition>();

  return {
    learn(definition, from) {
      const { name } = definition;
      remembered.delete(name);
      const before = known.get(name) ?? [];
      const newest = before.at(-1);
      if (newest === undefined || from >= newest.from) present.set(name, definition);
      // An inventory tells again and again what has long been so.
      if (newest !== undefined && JSON.stringify(newest.definition) === JSON.stringify(definition)) return;
      const all = [...before, { from, definition }].sort((a, b) => a.from - b.from);
      known.set(name, all.slice(-KEPT));
    },
    remember(definitions) {
      for (const definition of definitions.filter(({ name }) => !known.has(name))) {
        remembered.set(definition.name, definition);
        present.set(definition.name, definition);
      }
    },
    forgetRemembered(manager) {
      for (const [vm, definition] of remembered) {
        if (managerOf(definition) !== manager) continue;
        present.delete(vm);
        remembered.delete(vm);
      }
    },
    forget(vm) {
      remembered.delete(vm);
      present.delete(vm);
    },
    present: () => present,
    at(vm, steady) {
      const all = known.get(vm) ?? [];
      return (all.findLast(({ from }) => from <= steady) ?? all[0])?.definition ?? remembered.get(vm);
    },
  };
}

/** Addresses of the devices that a definition passes through; of this host, to which a VM that moved has none. */
export function devicesOf(definition: VmDefinition | undefined): readonly Bdf[] {
  if (definition?.movedTo !== undefined) return [];
  return definition?.hostDevices.map((device) => device.bdf) ?? [];
}
