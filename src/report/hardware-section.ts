import type { Bdf } from "../model/identifiers.ts";
import { describeDevice, deviceAt } from "./devices.ts";
import type { Block, FactRow } from "./document.ts";
import type { HostFacts } from "./host-facts.ts";
import { code, cutNote, MOST_ITEMS, MOST_ROWS } from "./limits.ts";
import { count } from "./words.ts";

/** Board, processor, memory and PCI functions; `concerned` are passed through and told in full. */
export function hardwareBlocks(facts: HostFacts, concerned: readonly Bdf[]): readonly Block[] {
  const board = ["vendor", "name", "version"].map((part) => facts.of(`firmware.board.${part}`));
  const words = board.flatMap((part) => (part.state === "value" ? [part.value] : []));
  const memory = facts
    .below("hardware.memory.")
    .map(({ rest, fact }) => facts.row(fact.key, `Memory ${rest}`));
  const rows: FactRow[] = [
    words.length > 0
      ? { key: "firmware.board", label: "Mainboard", value: words.join(" "), state: "value" }
      : facts.row("firmware.board.name", "Mainboard"),
    facts.row("firmware.system.product", "System"),
    facts.row("hardware.cpu.name", "CPU"),
    ...(facts.of("hardware.cpu.cores").state === "value" ? [facts.row("hardware.cpu.cores", "Cores")] : []),
    ...(memory.length > 0 ? memory.slice(0, MOST_ITEMS) : [facts.row("hardware.memory", "Memory modules")]),
    ...concerned.flatMap((address) => deviceRows(facts, address)),
  ];
  const others = facts.devices.filter(
    ({ classCode, address }) => classCode.startsWith("03") && !concerned.some((own) => own === address),
  );
  rows.push(
    ...others.slice(0, MOST_ITEMS).map(
      (device): FactRow => ({
        key: `pci.${device.identity}.address`,
        label: `Other display ${device.address}`,
        value: `${describeDevice(device)}, driver ${device.driver ?? "none"}`,
        state: "value",
      }),
    ),
  );
  return [{ kind: "facts", rows }, ...deviceTable(facts)];
}

function deviceRows(facts: HostFacts, address: Bdf): readonly FactRow[] {
  const device = deviceAt(facts, address);
  const label = `Passed through ${address}`;
  if (device === undefined) {
    const pci = facts.of("pci");
    if (facts.devices.length > 0) {
      return [{ key: "", label, value: "no device is at this address", state: "absent" }];
    }
    return [{ key: "", label, value: pci.state === "unknown" ? pci.why : "not collected", state: "unknown" }];
  }
  const key = `pci.${device.identity}`;
  return [
    { key: `${key}.address`, label, value: describeDevice(device), state: "value" },
    ...["bars", "resizable-bar", "reset-methods", "boot-vga"]
      .filter((attribute) => facts.of(`${key}.${attribute}`).state !== "unknown")
      .map((attribute) =>
        facts.row(`${key}.${attribute}`, `${address} ${DEVICE_WORDS[attribute] ?? attribute}`),
      ),
  ];
}

const DEVICE_WORDS: Readonly<Record<string, string>> = {
  bars: "BARs",
  "resizable-bar": "resizable BAR",
  "reset-methods": "reset methods",
  "boot-vga": "is the boot display",
};

function deviceTable(facts: HostFacts): readonly Block[] {
  if (facts.devices.length === 0) return [];
  return [
    {
      kind: "table",
      caption: `All ${count(facts.devices.length, "PCI function")}${cutNote(facts.devices.length)}`,
      columns: ["Address", "Device", "Ids", "Driver", "Group"],
      rows: facts.devices
        .slice(0, MOST_ROWS)
        .map(({ address, name, ids, driver, group }) => [
          code(address),
          { text: name },
          code(ids),
          code(driver ?? "none"),
          code(group ?? "none"),
        ]),
      folded: true,
    },
  ];
}
