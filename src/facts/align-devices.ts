import type { Fact, FactValue } from "../model/fact.ts";
import { textOf } from "./fact-value.ts";

/**
 * PCI facts are keyed by what a device is (`10de:2805/1462:5174`), the second and third of a kind with `#2`, `#3` in
 * the order of addresses. One more card of the same kind at a lower address would turn all of them around, so before
 * two snapshots are compared the numbers of the older one are set anew: who kept its address keeps its identity.
 */
export interface DeviceAlignment {
  /** The fact with the newer snapshot's device names in its key and, for group members, in its value. */
  apply(fact: Fact): Fact;
}

const ADDRESS_KEY = /^pci\.(?<identity>[^.]+)\.address$/;
const DEVICE_KEY = /^(?<collection>pci|iommu\.group)\.(?<identity>[^.]+)\.(?<attribute>[^.]+)$/;

/** Works out which device of `before` is which of `after`. */
export function alignDevices(before: readonly Fact[], after: readonly Fact[]): DeviceAlignment {
  const older = devicesByKind(before);
  const newer = devicesByKind(after);
  const renamed = new Map<string, string>();
  for (const [kind, devices] of older) {
    const others = newer.get(kind) ?? [];
    if (devices.length === 1 && others.length <= 1) continue;
    for (const [from, to] of pair(devices, others)) if (from !== to) renamed.set(from, to);
  }
  // Names that are taken over go to who is renamed away, so that no two things ever share a key.
  const taken = new Set(renamed.values());
  const freed = [...renamed.keys()].filter((from) => !taken.has(from));
  for (const to of taken) {
    const name = renamed.has(to) ? undefined : freed.pop();
    if (name !== undefined) renamed.set(to, name);
  }
  const rename = (identity: string) => renamed.get(identity) ?? identity;
  return {
    apply(fact) {
      if (renamed.size === 0) return fact;
      const parts = DEVICE_KEY.exec(fact.key)?.groups;
      if (parts?.identity === undefined) return fact;
      const key = `${parts.collection}.${rename(parts.identity)}.${parts.attribute}`;
      return {
        ...fact,
        key,
        value: parts.attribute === "members" ? renameMembers(fact.value, rename) : fact.value,
      };
    },
  };
}

interface Device {
  readonly identity: string;
  readonly address: string;
}

function devicesByKind(facts: readonly Fact[]): ReadonlyMap<string, readonly Device[]> {
  const kinds = new Map<string, Device[]>();
  for (const { key, value } of facts) {
    const identity = ADDRESS_KEY.exec(key)?.groups?.identity;
    const address = textOf(value);
    if (identity === undefined || address === undefined) continue;
    const kind = identity.replace(/#\d+$/, "");
    const device = { identity, address };
    const devices = kinds.get(kind);
    if (devices === undefined) kinds.set(kind, [device]);
    else devices.push(device);
  }
  for (const devices of kinds.values()) devices.sort((a, b) => (a.address < b.address ? -1 : 1));
  return kinds;
}

/** Same address first, then in the order of addresses; who is left over gets a name that nobody else has. */
function pair(older: readonly Device[], newer: readonly Device[]): ReadonlyMap<string, string> {
  const result = new Map<string, string>();
  const free = new Set(newer);
  const byAddress = new Map(newer.map((device) => [device.address, device]));
  const moved: Device[] = [];
  for (const device of older) {
    const same = byAddress.get(device.address);
    if (same === undefined) moved.push(device);
    else {
      free.delete(same);
      result.set(device.identity, same.identity);
    }
  }
  const gone: Device[] = [];
  for (const device of moved) {
    const [next] = free;
    if (next === undefined) gone.push(device);
    else {
      free.delete(next);
      result.set(device.identity, next.identity);
    }
  }
  const taken = new Set(newer.map(({ identity }) => identity));
  const names = older.map(({ identity }) => identity).filter((identity) => !taken.has(identity));
  for (const [index, device] of gone.entries()) result.set(device.identity, names[index] ?? device.identity);
  return result;
}

function renameMembers(value: FactValue, rename: (identity: string) => string): FactValue {
  if (value.state !== "value" || typeof value.value !== "object") return value;
  return { state: "value", value: value.value.map(rename).sort() };
}
