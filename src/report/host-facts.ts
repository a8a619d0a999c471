import type { Fact, FactValue } from "../model/fact.ts";
import type { FactRow } from "./document.ts";

/** The facts of one snapshot, ready to be asked. */
export interface HostFacts {
  readonly all: readonly Fact[];
  /** The value; undefined when absent or unknown. */
  value(key: string): string | undefined;
  /** A fact's value, absent, or unknown with the reason; a key that the snapshot lacks was not collected. */
  of(key: string): FactValue;
  /** Facts whose key begins so, with the rest of the key. */
  below(prefix: string): readonly { readonly rest: string; readonly fact: Fact }[];
  /** PCI functions in the order of their addresses. */
  readonly devices: readonly FactDevice[];
  readonly groups: readonly FactGroupEntry[];
  row(key: string, label: string): FactRow;
}

export interface FactDevice {
  /** What the function is, e.g. `10de:2805/1462:5174`. */
  readonly identity: string;
  readonly address: string;
  /** `10de:2805`. */
  readonly ids: string;
  /** Its name where the host knows one, else its class. */
  readonly name: string;
  readonly classCode: string;
  readonly driver: string | undefined;
  readonly group: string | undefined;
}

export interface FactGroupEntry {
  /** Key prefix, without the final dot. */
  readonly key: string;
  readonly number: string | undefined;
  readonly type: string | undefined;
  readonly members: readonly string[];
  /** Kind and addresses of each reserved region; `direct` first. */
  readonly regions: readonly { readonly kind: string; readonly addresses: string }[];
  /** Whether it demands a 1:1 mapping; undefined when the regions are not known. */
  readonly direct: string | undefined;
}

const REGION_KINDS = ["direct", "direct-relaxable", "reserved", "msi"] as const;

/** Makes facts ready to be asked. */
export function createHostFacts(all: readonly Fact[]): HostFacts {
  const byKey = new Map(all.map((fact) => [fact.key, fact]));
  const of = (key: string): FactValue => {
    for (let name = key; name !== ""; name = name.slice(0, Math.max(0, name.lastIndexOf(".")))) {
      const value = byKey.get(name)?.value;
      if (value === undefined) continue;
      // A collector that failed as a whole left one unknown fact, which speaks for all keys below it.
      if (name === key || value.state === "unknown") return value;
    }
    return { state: "unknown", why: all.length === 0 ? "no facts are on record" : "not collected" };
  };
  const value = (key: string) => {
    const found = of(key);
    return found.state === "value" ? found.value : undefined;
  };
  const below = (prefix: string) =>
    all
      .filter(({ key }) => key.startsWith(prefix))
      .map((fact) => ({ rest: fact.key.slice(prefix.length), fact }));
  const devices = readDevices(below("pci."), value);
  return {
    all,
    of,
    value,
    below,
    devices,
    groups: readGroups(below("iommu.group."), value, devices),
    row(key, label) {
      const found = of(key);
      const text = found.state === "value" ? found.value : found.state === "absent" ? "none" : found.why;
      return { key, label, value: text, state: found.state, ...(found.state === "value" && { code: true }) };
    },
  };
}

type Below = ReturnType<HostFacts["below"]>;

function readDevices(pci: Below, value: HostFacts["value"]): readonly FactDevice[] {
  const devices: FactDevice[] = [];
  for (const { rest, fact } of pci) {
    const identity = /^([^.]+)\.address$/.exec(rest)?.[1];
    if (identity === undefined || fact.value.state !== "value") continue;
    const of = (attribute: string) => value(`pci.${identity}.${attribute}`);
    const kind = of("class") ?? "";
    devices.push({
      identity,
      address: fact.value.value,
      ids: identity.split("/")[0] ?? identity,
      name: of("name") ?? (kind.slice(7) || "unknown device"),
      classCode: kind.slice(0, 6),
      driver: of("driver"),
      group: of("group"),
    });
  }
  return devices.sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0));
}

function readGroups(
  groups: Below,
  value: HostFacts["value"],
  devices: readonly FactDevice[],
): readonly FactGroupEntry[] {
  const byIdentity = new Map(devices.map((device) => [device.identity, device]));
  const entries: FactGroupEntry[] = [];
  for (const { rest, fact } of groups) {
    const name = /^([^.]+)\.members$/.exec(rest)?.[1];
    if (name === undefined || fact.value.state !== "value") continue;
    const key = `iommu.group.${name}`;
    const members = fact.value.value.split(", ");
    entries.push({
      key,
      number: members.map((member) => byIdentity.get(member)?.group).find((group) => group !== undefined),
      type: value(`${key}.type`),
      members: members.map((member) => byIdentity.get(member)?.address ?? member),
      regions: REGION_KINDS.flatMap((kind) => {
        const addresses = value(`${key}.${kind}`);
        return addresses === undefined ? [] : [{ kind, addresses }];
      }),
      direct: value(`${key}.direct`),
    });
  }
  return entries.sort((a, b) => Number(a.number ?? 1e9) - Number(b.number ?? 1e9));
}
