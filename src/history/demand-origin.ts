import { listOf, textOf } from "../facts/fact-value.ts";
import type { FactValue } from "../model/fact.ts";
import type { BootRecord } from "../model/history.ts";
import type { Bdf } from "../model/identifiers.ts";
import type { SnapshotStore } from "../store/snapshot-store.ts";
import type { FactTable } from "./fact-table.ts";
import { readFactTable } from "./read-fact-table.ts";

/** Since when the firmware demands memory of the devices' groups, as far as boots are on record. */
export interface DemandOrigin {
  /** BIOS of the first boot with it, and when that was (UTC epoch milliseconds). */
  readonly bios: string | undefined;
  readonly since: number;
  /** BIOS of the boot before, without it; undefined where every boot on record has it. */
  readonly biosWithout: string | undefined;
}

/** What the question needs of the stored history; the store has these. */
export interface DemandReader {
  readonly boots: { list(): readonly BootRecord[] };
  readonly snapshots: Pick<SnapshotStore, "series">;
}

/** Some boots, and what was where in each of them. */
interface Stretch {
  readonly boots: readonly BootRecord[];
  /** Without one where nothing is on record of the boot. */
  readonly placeOf: (boot: BootRecord) => number | undefined;
  readonly table: FactTable;
  /** Devices and groups, by the names in their keys. */
  readonly identities: readonly string[];
  readonly groups: readonly string[];
}

/**
 * Makes the question since when the group of a device has a direct region. Reads only, and everything once: a host with
 * many VMs has many devices to be asked about.
 */
export function createDemandOrigins(reader: DemandReader): (bdf: Bdf) => DemandOrigin | undefined {
  let boots: readonly BootRecord[] | undefined;
  const read: Stretch[] = [];
  /** The newest boots are the first, each further stretch is four times as long. */
  const stretchAt = (index: number): Stretch | undefined => {
    boots ??= reader.boots.list();
    const end = boots.length - read.reduce((sum, stretch) => sum + stretch.boots.length, 0);
    if (index === read.length && end > 0) {
      const size = FIRST_BOOTS * 4 ** index;
      read.push(readStretch(reader, boots.slice(Math.max(0, end - size), end)));
    }
    return read[index];
  };
  return (bdf) => originOf(stretchAt, bdf);
}

/** All that tells which device had a demand under which BIOS, with what decides whether a key is absent. */
const WANTED =
  /^(?:firmware(?:\.bios(?:\.version)?)?|iommu(?:\.group(?:\.[^.]+(?:\.(?:members|direct))?)?)?|pci(?:\.[^.]+(?:\.address)?)?)$/;

/** So many boots are looked through first, the newest. */
const FIRST_BOOTS = 64;

function readStretch(reader: DemandReader, boots: readonly BootRecord[]): Stretch {
  const ids = boots.map(({ snapshotId }) => snapshotId ?? "");
  const { table, placeOf } = readFactTable(reader.snapshots, ids, (key) => WANTED.test(key));
  const keys = [...table.constants.keys(), ...table.columns.map(({ key }) => key)];
  const named = (pattern: RegExp) => keys.flatMap((key) => pattern.exec(key)?.[1] ?? []);
  return {
    ...{ boots, table },
    placeOf: ({ snapshotId }) => placeOf.get(snapshotId ?? ""),
    identities: named(/^pci\.([^.]+)\.address$/),
    groups: named(/^iommu\.group\.([^.]+)\.members$/),
  };
}

/** Goes back from the newest boot to the first of the boots in a row whose group of this device has a direct region. */
function originOf(stretchAt: (index: number) => Stretch | undefined, bdf: Bdf): DemandOrigin | undefined {
  let first: { readonly boot: BootRecord; readonly bios: string | undefined } | undefined;
  const origin = (biosWithout: string | undefined) =>
    first && { bios: first.bios, since: first.boot.startedAt, biosWithout };
  for (let index = 0; ; index++) {
    const stretch = stretchAt(index);
    if (stretch === undefined) break;
    let isKnown = false;
    for (const boot of stretch.boots.toReversed()) {
      const place = stretch.placeOf(boot);
      const state = place === undefined ? "unknown" : directAt(stretch, bdf, place);
      if (place === undefined || state === "unknown") continue;
      isKnown = true;
      const bios = textAt(stretch.table, "firmware.bios.version", place);
      if (state === "absent") return origin(bios);
      first = { boot, bios };
    }
    // A device that was in none of so many boots is not looked for in all of them.
    if (!isKnown) break;
  }
  return origin(undefined);
}

function directAt({ table, identities, groups }: Stretch, bdf: Bdf, place: number): FactValue["state"] {
  const identity = identities.find((name) => textAt(table, `pci.${name}.address`, place) === bdf);
  if (identity === undefined) return "unknown";
  const group = groups.find((name) =>
    listOf(table.valueAt(`iommu.group.${name}.members`, place)).includes(identity),
  );
  return group === undefined ? "unknown" : table.valueAt(`iommu.group.${group}.direct`, place).state;
}

function textAt(table: FactTable, key: string, place: number): string | undefined {
  return textOf(table.valueAt(key, place));
}
