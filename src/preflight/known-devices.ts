import { listOf, textOf } from "../facts/fact-value.ts";
import { vmKey } from "../history/subject.ts";
import type { FactContent, FactValue, Snapshot } from "../model/fact.ts";
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
  // By key and by address, because thousands of VMs may be asked about.
  const snapshots = remember((id: string): Facts | undefined => {
    const snapshot = reader.snapshots.get(id);
    return snapshot && indexed(snapshot);
  });
  const boots = remember((_all: "all") => reader.boots.list().slice(-MOST_BOOTS).reverse());
  return {
    deviceAt: (vm, bdf) =>
      deviceOfStarts(reader, snapshots, vm, bdf) ?? deviceOfBoots(boots, snapshots, vm, bdf),
  };
}

interface Facts {
  readonly byKey: ReadonlyMap<string, FactValue>;
  /** By address how the device there is known. */
  readonly identities: ReadonlyMap<FactContent, string>;
}
type Lookup = (id: string) => Facts | undefined;

function indexed({ facts }: Snapshot): Facts {
  const identities = new Map<FactContent, string>();
  for (const { key, value } of facts) {
    const identity = value.state === "value" ? /^pci\.([^.]+)\.address$/.exec(key)?.[1] : undefined;
    if (value.state === "value" && identity !== undefined && !identities.has(value.value))
      identities.set(value.value, identity);
  }
  return { byKey: new Map(facts.map(({ key, value }) => [key, value])), identities };
}

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
  for (const { snapshotId } of boots("all")) {
    const facts = snapshotId === undefined ? undefined : lookup(snapshotId);
    if (facts === undefined || !listOf(facts.byKey.get(key)).includes(bdf)) continue;
    const device = deviceIn(facts, bdf);
    if (device !== undefined) return device;
  }
  return undefined;
}

function deviceIn({ byKey, identities }: Facts, bdf: Bdf): KnownDevice | undefined {
  const identity = identities.get(bdf);
  return identity === undefined ? undefined : { identity, name: textOf(byKey.get(`pci.${identity}.name`)) };
}
