import { listOf, textOf, valueText } from "../facts/fact-value.ts";
import { nameOfKeyPart } from "../facts/key-parts.ts";
import type { FactKind, FactSection } from "../facts/kind.ts";
import { FIRMWARE_SETTINGS } from "../facts/kinds/firmware-settings.ts";
import { PCI } from "../facts/kinds/pci.ts";
import { PLUGINS } from "../facts/kinds/software.ts";
import { FACT_KINDS } from "../facts/kinds.ts";
import type { Bdf } from "../model/identifiers.ts";
import { describeDevice, deviceAt } from "./devices.ts";
import type { Block, FactRow, Section } from "./document.ts";
import type { HostFacts } from "./host-facts.ts";
import { iommuBlocks } from "./iommu-section.ts";
import { code, cutNote, MOST_ITEMS, MOST_ROWS } from "./limits.ts";
import { count, shortened } from "./words.ts";

/** The machine and its firmware, kernel, IOMMU and binding, as they were; `concerned` are passed-through devices. */
export function hostSections(facts: HostFacts, concerned: readonly Bdf[]): readonly Section[] {
  const rows = (section: FactSection) => rowsShown(facts, section);
  const own = (section: FactSection) => concerned.flatMap((address) => deviceRows(facts, address, section));
  const block = (all: readonly FactRow[]): Block => ({ kind: "facts", rows: all });
  return [
    {
      id: "hardware",
      title: "Hardware",
      blocks: [
        block([
          boardRow(facts),
          ...rows("hardware"),
          ...concerned.map((address) => passedThroughRow(facts, address)),
          ...own("hardware"),
          ...otherDisplays(facts, concerned),
        ]),
        ...deviceTable(facts),
      ],
    },
    {
      id: "firmware",
      title: "Firmware",
      blocks: [
        block([...rows("firmware"), ...settingsRow(facts)]),
        ...tableOf(facts, FIRMWARE_SETTINGS, "BIOS setting", "that the board shows"),
      ],
    },
    {
      id: "kernel",
      title: "Kernel and parameters",
      blocks: [block([...rows("kernel").slice(0, 1), commandLineRow(facts), ...rows("kernel").slice(1)])],
    },
    {
      id: "iommu",
      title: "IOMMU groups and reserved regions",
      blocks: [block(rows("iommu")), ...iommuBlocks(facts, concerned)],
    },
    {
      id: "firmware-tables",
      title: "Firmware table entries (IVRS, DMAR)",
      blocks: [block([...missingTables(facts), ...rows("firmware-tables")])].filter(hasRows),
    },
    { id: "binding", title: "Binding to vfio-pci", blocks: [block([...own("binding"), ...rows("binding")])] },
    {
      id: "software",
      title: "Software",
      blocks: [block(rows("software")), ...tableOf(facts, PLUGINS, "Plugin", "")],
    },
    { id: "unknown", title: "What is not known, and why", blocks: unknownBlocks(facts) },
  ];
}

function hasRows(block: Block): boolean {
  return block.kind !== "facts" || block.rows.length > 0;
}

/** What the vocabulary shows in a section: single facts always, those of things that come and go where they are. */
function rowsShown(facts: HostFacts, section: FactSection): readonly FactRow[] {
  return FACT_KINDS.filter((kind) => kind !== PCI && kind !== FIRMWARE_SETTINGS && kind !== PLUGINS).flatMap(
    ({ forms }) =>
      forms
        .filter(({ shown }) => shown === section)
        .flatMap((form) => {
          if (!form.key.includes("{")) return hasTable(form.key, facts) ? [facts.row(form.key)] : [];
          const own = facts
            .ofForm(form)
            .filter(({ value }) => section !== "kernel" || value.state === "value");
          return own.slice(0, MOST_ITEMS).map(({ key }) => facts.row(key));
        }),
  );
}

/** A machine has one of the two tables; what the other would say is no news. */
function hasTable(key: string, facts: HostFacts): boolean {
  const table = /^(firmware-tables\.\w+)\./.exec(key)?.[1];
  return table === undefined || facts.of(key).state === "value";
}

function missingTables(facts: HostFacts): readonly FactRow[] {
  const tables = ["IVRS", "DMAR"].map((table) => `firmware-tables.${table}`);
  const isThere = (table: string) => facts.below(`${table}.`).length > 0;
  return tables
    .filter((table) => !isThere(table) && !(facts.of(table).state === "absent" && tables.some(isThere)))
    .map((table) => facts.row(table));
}

function boardRow(facts: HostFacts): FactRow {
  const words = ["vendor", "name", "version"].flatMap((part) => facts.value(`firmware.board.${part}`) ?? []);
  return words.length > 0
    ? { key: "firmware.board", label: "Mainboard", value: words.join(" "), state: "value" }
    : facts.row("firmware.board.name", "Mainboard");
}

/** Most boards show none; who does not know that looks for the mistake on his side. */
function settingsRow(facts: HostFacts): readonly FactRow[] {
  if (facts.below("firmware.setting.").length > 0) return [];
  const row = facts.row("firmware.setting", "BIOS settings");
  return [
    row.state === "unknown" ? row : { ...row, value: "this board does not show its BIOS settings to Linux" },
  ];
}

function commandLineRow(facts: HostFacts): FactRow {
  const spelled = facts
    .below("kernel.parameter.")
    .flatMap(({ rest, fact }) =>
      listOf(fact.value).map((value) => spellParameter(nameOfKeyPart(rest), value)),
    );
  const row = facts.row("kernel.parameter", "Parameters that run");
  return spelled.length === 0 ? row : { ...row, value: spelled.join(" "), state: "value", code: true };
}

function spellParameter(name: string, value: string): string {
  return value === "set" ? name : `${name}=${value === "(empty)" ? "" : value}`;
}

function passedThroughRow(facts: HostFacts, address: Bdf): FactRow {
  const device = deviceAt(facts, address);
  const label = `Passed through ${address}`;
  if (device !== undefined)
    return { key: `pci.${device.identity}.address`, label, value: describeDevice(device), state: "value" };
  if (facts.devices.length > 0)
    return { key: "", label, value: "no device is at this address", state: "absent" };
  const pci = facts.of("pci");
  return { key: "", label, value: pci.state === "unknown" ? pci.why : "not collected", state: "unknown" };
}

/** What is shown of a device that a VM has. */
function deviceRows(facts: HostFacts, address: Bdf, section: FactSection): readonly FactRow[] {
  const device = deviceAt(facts, address);
  if (device === undefined) return [];
  return PCI.forms
    .filter(({ shown }) => shown === section)
    .map(({ key }) => facts.row(key.replace("{device}", device.identity)))
    .filter(
      ({ key, state }) => state === "value" || key.endsWith(".driver") || key.endsWith(".reset-methods"),
    );
}

function otherDisplays(facts: HostFacts, concerned: readonly Bdf[]): readonly FactRow[] {
  return facts.devices
    .filter(
      ({ classCode, address }) => classCode.startsWith("03") && !concerned.some((own) => own === address),
    )
    .slice(0, MOST_ITEMS)
    .map((device) => ({
      key: `pci.${device.identity}.address`,
      label: `Other display ${device.address}`,
      value: `${describeDevice(device)}, driver ${valueText(device.driver)}`,
      state: "value",
    }));
}

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
          code(valueText(driver)),
          code(valueText(group)),
        ]),
      folded: true,
    },
  ];
}

function tableOf(facts: HostFacts, { forms, root }: FactKind, what: string, more: string): readonly Block[] {
  const own = forms.flatMap((form) => facts.ofForm(form)).filter(({ value }) => value.state === "value");
  if (own.length === 0) return [];
  return [
    {
      kind: "table",
      caption: `${count(own.length, what)} ${more}`.trim() + cutNote(own.length),
      columns: [what, root === "software.plugin" ? "Version" : "Value"],
      rows: own
        .slice(0, MOST_ROWS)
        .map(({ key, value }) => [
          { text: nameOfKeyPart(key.slice(key.lastIndexOf(".") + 1)) },
          code(textOf(value) ?? ""),
        ]),
      folded: true,
    },
  ];
}

/** Everything unknown, by the reason: a reader who misses something finds why. */
function unknownBlocks(facts: HostFacts): readonly Block[] {
  const byReason = Map.groupBy(facts.all, ({ value }) => (value.state === "unknown" ? value.why : undefined));
  byReason.delete(undefined);
  if (byReason.size === 0) return [];
  return [
    {
      kind: "list",
      ordered: false,
      items: [...byReason].slice(0, MOST_ITEMS).map(
        ([why, own]) =>
          `${shortened(
            own.map(({ key }) => nameOfKeyPart(key)),
            12,
          ).join(", ")}: ${why}`,
      ),
    },
  ];
}
