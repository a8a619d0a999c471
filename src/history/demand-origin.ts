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

/** Makes the question since when the group of a device has a direct region. Reads only, and the boots once. */
export function createDemandOrigins(reader: DemandReader): (bdf: Bdf) => DemandOrigin | undefined {
  let boots: readonly BootRecord[] | undefined;
  return (bdf) => {
    boots ??= reader.boots.list();
    return originOf(reader, boots, bdf);
  };
}

/** All that tells which device had a demand under which BIOS, with what decides whether a key is absent. */
const WANTED =
  /^(?:firmware(?:\.bios(?:\.version)?)?|iommu(?:\.group(?:\.[^.]+(?:\.(?:members|direct))?)?)?|pci(?:\.[^.]+(?:\.address)?)?)$/;

/** So many boots are looked through first, the newest; then each time four times as many. */
const FIRST_BOOTS = 64;

/** Goes back from the newest boot to the first of the boots in a row whose group of this device has a direct region. */
function originOf(reader: DemandReader, boots: readonly BootRecord[], bdf: Bdf): DemandOrigin | undefined {
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
