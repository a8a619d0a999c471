import { listOf, textOf } from "../facts/fact-value.ts";
import { vmKey } from "../history/subject.ts";
import type { FactValue } from "../model/fact.ts";
import type { BootRecord } from "../model/history.ts";
import type { Bdf, VmName } from "../model/identifiers.ts";
import type { AttemptFilter, AttemptRow } from "../store/attempt-store.ts";
import type { SnapshotStore } from "../store/snapshot-store.ts";
import type { KnownDevice, PreflightHistory } from "./finding.ts";

/** What preflight's questions need of the stored history; the store has these. */
export interface PreflightReader {
  readonly attempts: { list(filter?: AttemptFilter): readonly AttemptRow[] };
  readonly boots: { list(): readonly BootRecord[] };
  readonly snapshots: Pick<SnapshotStore, "get">;
}

/** Starts, and boots, that are looked through for the device that a VM once had. */
const MOST_STARTS = 50;
const MOST_BOOTS = 10;

/** Who stood at an address when a VM last had it; each question is answered once. Reads only. */
export function createKnownDevices(reader: PreflightReader): PreflightHistory {
  // By key, because thousands of VMs may be asked about.
  const snapshots = remember((id: string): Facts | undefined => {
    const snapshot = reader.snapshots.get(id);
    return snapshot && new Map(snapshot.facts.map(({ key, value }) => [key, value]));
  });
  const boots = remember((_all: "all") => reader.boots.list());
  return {
    deviceAt: (vm, bdf) =>
      deviceOfStarts(reader, snapshots, vm, bdf) ?? deviceOfBoots(boots, snapshots, vm, bdf),
  };
}

type Facts = ReadonlyMap<string, FactValue>;
type Lookup = (id: string) => Facts | undefined;

function remember<Key, Value>(find: (key: Key) => Value): (key: Key) => Value {
  const known = new Map<Key, Value>();
  return (key) => {
    if (known.has(key)) return known.get(key) as Value;
    const value = find(key);
    known.set(key, value);
    return value;
  };
}

/** By the newest good start with that address; a failed one may have asked for a device that was gone already. */
function deviceOfStarts(
  reader: PreflightReader,
  lookup: Lookup,
  vm: VmName,
  bdf: Bdf,
): KnownDevice | undefined {
  const starts = reader.attempts.list({ vm, device: bdf, limit: MOST_STARTS });
  const good = starts.filter(({ outcome }) => outcome === "started");
  for (const { snapshotId } of good) {
    const facts = snapshotId === undefined ? undefined : lookup(snapshotId);
    const device = facts === undefined ? undefined : deviceIn(facts, bdf);
    if (device !== undefined) return device;
  }
  return undefined;
}

/** A VM that was never seen starting: who stood there in the newest boot in which it was defined with the address. */
function deviceOfBoots(
  boots: (all: "all") => readonly BootRecord[],
  lookup: Lookup,
  vm: VmName,
  bdf: Bdf,
): KnownDevice | undefined {
  const key = `${vmKey(vm)}.devices`;
  for (const { snapshotId } of boots("all").slice(-MOST_BOOTS).reverse()) {
    const facts = snapshotId === undefined ? undefined : lookup(snapshotId);
    if (facts === undefined || !listOf(facts.get(key)).includes(bdf)) continue;
    const device = deviceIn(facts, bdf);
    if (device !== undefined) return device;
  }
  return undefined;
}

function deviceIn(facts: Facts, bdf: Bdf): KnownDevice | undefined {
  for (const [key, value] of facts) {
    if (value.state !== "value" || value.value !== bdf) continue;
    const identity = /^pci\.([^.]+)\.address$/.exec(key)?.[1];
    if (identity !== undefined) return { identity, name: textOf(facts.get(`pci.${identity}.name`)) };
  }
  return undefined;
}
