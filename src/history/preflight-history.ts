import type { DemandOrigin } from "../answer/answer.ts";
import type { KnownDevice, PreflightHistory } from "../diagnosis/preflight.ts";
import { listOf, textOf } from "../facts/fact-value.ts";
import type { FactValue, Snapshot } from "../model/fact.ts";
import type { BootRecord } from "../model/history.ts";
import type { Bdf, VmName } from "../model/identifiers.ts";
import type { AttemptFilter, AttemptRow } from "../store/attempt-store.ts";
import type { SnapshotStore } from "../store/snapshot-store.ts";
import type { FactTable } from "./fact-table.ts";
import { readFactTable } from "./read-fact-table.ts";
import { vmKey } from "./subject.ts";

/** What preflight's questions need of the stored history; the store has these. */
export interface PreflightReader {
  readonly attempts: { list(filter?: AttemptFilter): readonly AttemptRow[] };
  readonly boots: { list(): readonly BootRecord[] };
  readonly snapshots: Pick<SnapshotStore, "series" | "get">;
}

/** Starts, and boots, that are looked through for the device that a VM once had. */
const MOST_STARTS = 50;
const MOST_BOOTS = 10;

/** What the history knows about devices and demands; each question is answered once. Reads only. */
export function createPreflightHistory(reader: PreflightReader): PreflightHistory & {
  /** Since when the group of this device has a direct region. */
  readonly demandOn: (bdf: Bdf) => DemandOrigin | undefined;
} {
  const snapshots = remember((id: string) => reader.snapshots.get(id));
  const boots = remember((_all: "all") => reader.boots.list());
  return {
    deviceAt: (vm, bdf) =>
      deviceOfStarts(reader, snapshots, vm, bdf) ?? deviceOfBoots(boots, snapshots, vm, bdf),
    demandOn: (bdf) => originOf(reader, boots("all"), bdf),
  };
}

type Lookup = (id: string) => Snapshot | undefined;

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
    const snapshot = snapshotId === undefined ? undefined : lookup(snapshotId);
    const device = snapshot === undefined ? undefined : deviceIn(snapshot, bdf);
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
  for (const { snapshotId } of boots("all").slice(-MOST_BOOTS).reverse()) {
    const snapshot = snapshotId === undefined ? undefined : lookup(snapshotId);
    const wanted = snapshot?.facts.find(({ key }) => key === `${vmKey(vm)}.devices`)?.value;
    if (snapshot === undefined || !listOf(wanted).includes(bdf)) continue;
    const device = deviceIn(snapshot, bdf);
    if (device !== undefined) return device;
  }
  return undefined;
}

function deviceIn(snapshot: Snapshot, bdf: Bdf): KnownDevice | undefined {
  for (const { key, value } of snapshot.facts) {
    const identity = /^pci\.([^.]+)\.address$/.exec(key)?.[1];
    if (identity === undefined || value.state !== "value" || value.value !== bdf) continue;
    const name = snapshot.facts.find((fact) => fact.key === `pci.${identity}.name`)?.value;
    return { identity, name: textOf(name) };
  }
  return undefined;
}

/** All that tells which device had a demand under which BIOS, with what decides whether a key is absent. */
const WANTED =
  /^(?:firmware(?:\.bios(?:\.version)?)?|iommu(?:\.group(?:\.[^.]+(?:\.(?:members|direct))?)?)?|pci(?:\.[^.]+(?:\.address)?)?)$/;

/** So many boots are looked through first, the newest; then each time four times as many. */
const FIRST_BOOTS = 64;

/** Goes back from the newest boot to the first of the boots in a row whose group of this device has a direct region. */
function originOf(reader: PreflightReader, boots: readonly BootRecord[], bdf: Bdf): DemandOrigin | undefined {
  let first: { readonly boot: BootRecord; readonly bios: string | undefined } | undefined;
  const origin = (biosWithout: string | undefined) =>
    first && { bios: first.bios, since: first.boot.startedAt, biosWithout };
  let end = boots.length;
  for (let size = FIRST_BOOTS; end > 0; size *= 4) {
    const some = boots.slice(Math.max(0, end - size), end);
    end -= some.length;
    const ids = some.map(({ snapshotId }) => snapshotId ?? "");
    const { table, placeOf } = readFactTable(reader.snapshots, ids, (key) => WANTED.test(key));
    const directAt = createDirectAt(table, bdf);
    let isKnown = false;
    for (const [index, boot] of [...some.entries()].toReversed()) {
      const place = placeOf.get(ids[index] ?? "");
      const state = place === undefined ? "unknown" : directAt(place);
      if (place === undefined || state === "unknown") continue;
      isKnown = true;
      const bios = textAt(table, "firmware.bios.version", place);
      if (state === "absent") return origin(bios);
      first = { boot, bios };
    }
    // A device that was in none of so many boots is not looked for in all of them.
    if (!isKnown) break;
  }
  return origin(undefined);
}

function createDirectAt(table: FactTable, bdf: Bdf): (place: number) => FactValue["state"] {
  const keys = [...table.constants.keys(), ...table.columns.map(({ key }) => key)];
  const named = (pattern: RegExp) => keys.flatMap((key) => pattern.exec(key)?.[1] ?? []);
  const identities = named(/^pci\.([^.]+)\.address$/);
  const groups = named(/^iommu\.group\.([^.]+)\.members$/);
  return (place) => {
    const identity = identities.find((name) => textAt(table, `pci.${name}.address`, place) === bdf);
    if (identity === undefined) return "unknown";
    const group = groups.find((name) =>
      listOf(table.valueAt(`iommu.group.${name}.members`, place)).includes(identity),
    );
    return group === undefined ? "unknown" : table.valueAt(`iommu.group.${group}.direct`, place).state;
  };
}

function textAt(table: FactTable, key: string, place: number): string | undefined {
  return textOf(table.valueAt(key, place));
}
