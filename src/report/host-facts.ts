import { listOf, textOf, valueText } from "../facts/fact-value.ts";
import type { FactForm } from "../facts/kind.ts";
import { viewFacts } from "../facts/presence.ts";
import { knownKey, labelOf } from "../facts/vocabulary.ts";
import type { Fact, FactValue } from "../model/fact.ts";
import type { FactRow } from "./document.ts";

/** The facts of one snapshot, ready to be asked. */
export interface HostFacts {
  readonly all: readonly Fact[];
  /** The value as text; undefined when absent or unknown. */
  value(key: string): string | undefined;
  /** A fact's value, absent, or unknown with the reason; a key that the snapshot lacks was not collected. */
  of(key: string): FactValue;
  /** Facts whose key begins so, with the rest of the key. */
  below(prefix: string): readonly { readonly rest: string; readonly fact: Fact }[];
  /** Facts with keys of this form. */
  ofForm(form: FactForm): readonly Fact[];
  /** PCI functions in the order of their addresses. */
  readonly devices: readonly FactDevice[];
  readonly groups: readonly FactGroupEntry[];
  /** A fact under its own name, in which devices are named by `device`, or under another. */
  row(key: string, label?: string): FactRow;
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
  readonly driver: FactValue;
  readonly group: FactValue;
}

export interface FactGroupEntry {
  /** Key prefix, without the final dot. */
  readonly key: string;
  readonly number: string | undefined;
  readonly type: FactValue;
  readonly members: readonly string[];
  /** Kinds of reserved regions that it has, and `direct` whether or not. */
  readonly regions: readonly string[];
  /** The regions for which the firmware demands a 1:1 mapping. */
  readonly direct: FactValue;
}

const REGION_KINDS = ["direct", "direct-relaxable", "reserved", "msi"] as const;

/** Makes facts ready to be asked. */
export function createHostFacts(all: readonly Fact[]): HostFacts {
  const view = viewFacts(all);
  const byForm = Map.groupBy(all, ({ key }) => knownKey(key)?.form);
  const of = (key: string): FactValue => {
    const value = view.valueOf(key);
    return all.length === 0 && value.state === "unknown"
      ? { state: "unknown", why: "no facts are on record" }
      : value;
  };
  const below = (prefix: string) =>
    all
      .filter(({ key }) => key.startsWith(prefix))
      .map((fact) => ({ rest: fact.key.slice(prefix.length), fact }));
  const devices = below("pci.").flatMap(({ rest }) => readDevice(rest, of));
  devices.sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0));
  const byIdentity = new Map(devices.map((device) => [device.identity, device]));
  return {
    all,
    of,
    value: (key) => textOf(of(key)),
    below,
    ofForm: (form) => byForm.get(form) ?? [],
    devices,
    groups: readGroups(below("iommu.group."), of, byIdentity),
    row(key, label) {
      const value = of(key);
      const known = knownKey(key);
      const shown =
        known?.form.type === "list" ? listOf(value).join(known.form.separator ?? ", ") : textOf(value);
      return {
        key,
        label:
          label ?? (known === undefined ? key : labelOf(known, (id) => byIdentity.get(id)?.address ?? id)),
        value:
          value.state === "value" ? (shown ?? "") : value.state === "unknown" ? value.why : valueText(value),
        state: value.state,
        ...(value.state === "value" && { code: true }),
      };
    },
  };
}

function readDevice(key: string, of: HostFacts["of"]): readonly FactDevice[] {
  const identity = /^([^.]+)\.address$/.exec(key)?.[1];
  const address = textOf(of(`pci.${key}`));
  if (identity === undefined || address === undefined) return [];
  const kind = textOf(of(`pci.${identity}.class`)) ?? "";
  return [
    {
      identity,
      address,
      ids: identity.split("/")[0] ?? identity,
      name: textOf(of(`pci.${identity}.name`)) ?? (kind.slice(7) || "unknown device"),
      classCode: kind.slice(0, 6),
      driver: of(`pci.${identity}.driver`),
      group: of(`pci.${identity}.group`),
    },
  ];
}

function readGroups(
  groups: ReturnType<HostFacts["below"]>,
  of: HostFacts["of"],
  byIdentity: ReadonlyMap<string, FactDevice>,
): readonly FactGroupEntry[] {
  const entries = groups.flatMap(({ rest, fact }): readonly FactGroupEntry[] => {
    const name = /^([^.]+)\.members$/.exec(rest)?.[1];
    if (name === undefined || fact.value.state !== "value") return [];
    const key = `iommu.group.${name}`;
    const members = listOf(fact.value);
    return [
      {
        key,
        number: members.flatMap((member) => listOf(byIdentity.get(member)?.group))[0],
        type: of(`${key}.type`),
        members: members.map((member) => byIdentity.get(member)?.address ?? member).sort(),
        regions: REGION_KINDS.filter((kind) => kind === "direct" || of(`${key}.${kind}`).state === "value"),
        direct: of(`${key}.direct`),
      },
    ];
  });
  return entries.sort((a, b) => Number(a.number ?? 1e9) - Number(b.number ?? 1e9));
}
