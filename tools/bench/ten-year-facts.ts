import type { Fact, FactGroup, FactValue } from "../../src/model/fact.ts";
import { type Bdf, bdfFromParts } from "../../src/model/identifiers.ts";

/** A passed-through card, with its second function for sound. */
export interface BenchCard {
  readonly identity: string;
  readonly audio: string;
  readonly name: string;
}

/** One card for each VM, in the order of the VMs. */
export const CARDS: readonly BenchCard[] = [
  {
    identity: "10de:2805/1462:5174",
    audio: "10de:22bd/1462:5174",
    name: "NVIDIA Corporation AD106 [GeForce RTX 4060 Ti 16GB]",
  },
  { identity: "10de:1f08/1043:8671", audio: "10de:10f9/1043:8671", name: "NVIDIA Corporation TU106" },
  { identity: "1002:73bf/1da2:e437", audio: "1002:ab28/1da2:e437", name: "AMD Navi 21" },
  { identity: "8086:56a0/8086:1020", audio: "8086:4f90/8086:1020", name: "Intel DG2 [Arc A770]" },
];

/** The first card has been in another slot before this boot. */
export const MOVED_AT_BOOT = 1000;

/** Where the card of a VM is in a boot. */
export function cardAddress(card: number, boot: number): Bdf {
  return bdfFromParts(0, card === 0 && boot < MOVED_AT_BOOT ? 0x41 : card + 1, 0, 0);
}

const ATTRIBUTES = ["class", "driver", "driver-override", "bars", "reset-methods", "resizable-bar", "d3cold"];
const REGION = "0xa5a32000-0xa5a32fff";

/** Kinds of things that the collectors say to have listed, so that what is not there is known to be absent. */
const LISTED: readonly string[] = [
  "vm",
  "kernel.parameter",
  "kernel.modprobe",
  "software.plugin",
  "firmware.setting",
  "boot-loader",
];

/** The facts of a large host, keyed as its collectors key them: about 120 functions, their groups, settings. */
export function firstFacts(count: number): Fact[] {
  const facts = [fact("firmware.bios.version", ""), fact("kernel.release", "")];
  facts.push(...LISTED.map((kind) => fact(kind, "listed")));
  facts.push(...CARDS.flatMap((card, index) => cardFacts(card, index)));
  for (let device = 0; facts.length < count * 0.7; device++) facts.push(...deviceFacts(device));
  const rooms = [
    "vm.VM %",
    "kernel.parameter.%",
    "kernel.module.%",
    "software.plugin.%",
    "firmware.setting.ami.%",
  ];
  for (let index = 0; facts.length < count; index++) {
    const room = rooms[index % rooms.length] ?? "software.plugin.%";
    const key = room.replace("%", String(Math.floor(index / rooms.length)));
    facts.push(fact(room.startsWith("vm.") ? `${key}.memory` : key, `value ${index % 4}`));
  }
  return facts;
}

/** What the firmware of a boot and the slots of the cards say; in place of what they said before. */
export function setHardware(facts: Fact[], boot: number, demandsMapping: boolean): void {
  const [card] = CARDS;
  const identity = card?.identity ?? "";
  const absent: FactValue = { state: "absent" };
  const value = (text: string): FactValue => ({ state: "value", value: text });
  const address = cardAddress(0, boot);
  put(facts, `pci.${identity}.address`, value(address));
  put(facts, `pci.${card?.audio}.address`, value(address.replace(/0$/, "1")));
  put(facts, `iommu.group.${identity}.direct`, demandsMapping ? value(REGION) : absent);
  put(facts, "firmware-tables.IVRS.sha256", value(demandsMapping ? "bbbb" : "aaaa"));
  put(
    facts,
    "firmware-tables.IVRS.ivmd.1",
    demandsMapping ? value(`IVMD type 22h, flags 08h (exclusion), memory ${REGION}`) : absent,
  );
}

/** Facts that no chance may change: a device whose address is not one is no host's. */
export function isFixed({ key }: Fact): boolean {
  return (
    LISTED.includes(key) ||
    /^firmware(?:\.bios|-tables)\.|^kernel\.release$|\.(?:address|name|class|members|direct)$/.test(key)
  );
}

function put(facts: Fact[], key: string, value: FactValue): void {
  const index = facts.findIndex((known) => known.key === key);
  const made = { group: groupOf(key), key, value };
  if (index < 0) facts.push(made);
  else facts[index] = made;
}

function cardFacts({ identity, audio, name }: BenchCard, index: number): readonly Fact[] {
  const address = cardAddress(index, MOVED_AT_BOOT);
  return [
    fact(`pci.${identity}.address`, address),
    fact(`pci.${identity}.name`, name),
    fact(`pci.${identity}.class`, "030000 graphics (VGA)"),
    fact(`pci.${identity}.driver`, "vfio-pci"),
    fact(`pci.${audio}.address`, address.replace(/0$/, "1")),
    fact(`pci.${audio}.class`, "040300 audio device"),
    fact(`pci.${audio}.driver`, "vfio-pci"),
    fact(`iommu.group.${identity}.members`, `${identity}, ${audio}`),
    { group: "iommu", key: `iommu.group.${identity}.direct`, value: { state: "absent" } },
    fact(`iommu.group.${identity}.type`, "identity"),
  ];
}

function deviceFacts(device: number): readonly Fact[] {
  const id = device.toString(16).padStart(4, "0");
  const identity = `1022:${id}/1462:7e49`;
  return [
    fact(`pci.${identity}.address`, bdfFromParts(0, 0x80 + (device >> 3), device & 7, 0)),
    ...ATTRIBUTES.map((attribute) => fact(`pci.${identity}.${attribute}`, "value 0")),
    fact(`iommu.group.${identity}.members`, identity),
    fact(`iommu.group.${identity}.type`, "DMA-FQ"),
  ];
}

/** A fact with a value. */
export function fact(key: string, value: string): Fact {
  return { group: groupOf(key), key, value: { state: "value", value } };
}

function groupOf(key: string): FactGroup {
  return (key.split(".")[0] ?? "software") as FactGroup;
}
