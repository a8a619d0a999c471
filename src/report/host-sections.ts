import { nameOfKeyPart } from "../host/make-fact.ts";
import type { Bdf } from "../model/identifiers.ts";
import type { Block, Cell, FactRow, Section } from "./document.ts";
import type { FactDevice, HostFacts } from "./host-facts.ts";
import { count, shortened } from "./words.ts";

/** More devices or groups than this make no report; a large server has some hundred. */
const MOST_ROWS = 150;
const MOST_ITEMS = 60;

/** The machine and its firmware, kernel, IOMMU and binding, as they were; `concerned` are passed-through devices. */
export function hostSections(facts: HostFacts, concerned: readonly Bdf[]): readonly Section[] {
  const devices = concerned.map((address) => deviceAt(facts, address));
  return [
    { id: "hardware", title: "Hardware", blocks: hardwareBlocks(facts, concerned) },
    { id: "firmware", title: "Firmware", blocks: firmwareBlocks(facts) },
    { id: "kernel", title: "Kernel and parameters", blocks: kernelBlocks(facts) },
    { id: "iommu", title: "IOMMU groups and reserved regions", blocks: iommuBlocks(facts, concerned) },
    { id: "firmware-tables", title: "Firmware table entries (IVRS, DMAR)", blocks: tableBlocks(facts) },
    {
      id: "binding",
      title: "Binding to vfio-pci",
      blocks: bindingBlocks(
        facts,
        devices.filter((device) => device !== undefined),
      ),
    },
    { id: "software", title: "Software", blocks: softwareBlocks(facts) },
    { id: "unknown", title: "What is not known, and why", blocks: unknownBlocks(facts) },
  ];
}

/** A device by its address. */
export function deviceAt(facts: HostFacts, address: Bdf): FactDevice | undefined {
  return facts.devices.find((device) => device.address === address);
}

/** `NVIDIA … [10de:2805]`. */
export function describeDevice({ name, ids }: FactDevice): string {
  return `${name} [${ids}]`;
}

function hardwareBlocks(facts: HostFacts, concerned: readonly Bdf[]): readonly Block[] {
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

function firmwareBlocks(facts: HostFacts): readonly Block[] {
  const settings = facts.below("firmware.setting.");
  return [
    {
      kind: "facts",
      rows: [
        facts.row("firmware.bios.version", "BIOS version"),
        facts.row("firmware.bios.date", "BIOS date"),
        facts.row("firmware.bios.vendor", "BIOS vendor"),
        facts.row("firmware.boot-mode", "Boot mode"),
        facts.row("firmware.secure-boot", "Secure Boot"),
        facts.row("firmware.microcode", "CPU microcode"),
        ...(settings.length > 0
          ? []
          : [{ ...facts.row("firmware.setting", "BIOS settings"), value: settingsNote(facts) }]),
      ],
    },
    ...(settings.length === 0
      ? []
      : [
          {
            kind: "table",
            caption: `${count(settings.length, "BIOS setting")} that the board shows${cutNote(settings.length)}`,
            columns: ["Setting", "Value"],
            rows: settings.slice(0, MOST_ROWS).map(({ rest, fact }) => {
              const [, name = rest] = /^[^.]+\.(.+)$/.exec(rest) ?? [];
              return [{ text: nameOfKeyPart(name) }, code(facts.row(fact.key, "").value)];
            }),
            folded: true,
          } as const,
        ]),
  ];
}

/** Most boards show none; who does not know that looks for the mistake on his side. */
function settingsNote(facts: HostFacts): string {
  const setting = facts.of("firmware.setting");
  return setting.state === "unknown" ? setting.why : "this board does not show its BIOS settings to Linux";
}

function kernelBlocks(facts: HostFacts): readonly Block[] {
  const parameters = facts.below("kernel.parameter.");
  const modules = facts.below("kernel.module.").filter(({ fact }) => fact.value.state === "value");
  const loaders = facts.below("boot-loader./");
  const spelled = parameters.flatMap(({ rest, fact }) =>
    fact.value.state === "value" ? [spellParameter(nameOfKeyPart(rest), fact.value.value)] : [],
  );
  const commandLine: FactRow =
    spelled.length > 0
      ? {
          key: "kernel.parameter",
          label: "Parameters that run",
          value: spelled.join(" "),
          state: "value",
          code: true,
        }
      : facts.row("kernel.parameter", "Parameters that run");
  return [
    {
      kind: "facts",
      rows: [
        facts.row("kernel.release", "Kernel"),
        facts.row("kernel.build", "Build"),
        commandLine,
        facts.row("kernel.taint", "Taint"),
        facts.row("kernel.lockdown", "Lockdown"),
        facts.row("boot-loader.running", "Boot loader that ran"),
        ...loaders.slice(0, MOST_ITEMS).flatMap(({ rest, fact }) => loaderRow(facts, `/${rest}`, fact.key)),
        ...modules
          .slice(0, MOST_ITEMS)
          .map(({ rest, fact }) => facts.row(fact.key, `Module ${nameOfKeyPart(rest)}`)),
        ...facts
          .below("kernel.modprobe.")
          .slice(0, MOST_ITEMS)
          .map(({ rest, fact }) => facts.row(fact.key, `modprobe ${nameOfKeyPart(rest)}`)),
      ],
    },
  ];
}

function spellParameter(name: string, value: string): string {
  if (value === "set") return name;
  return value
    .split(" and ")
    .map((part) => `${name}=${part === "(empty)" ? "" : part}`)
    .join(" ");
}

function loaderRow(facts: HostFacts, rest: string, key: string): readonly FactRow[] {
  const [, file, attribute] = /^(\/.+)\.(parameters|in-effect)$/.exec(rest) ?? [];
  if (file === undefined) return [];
  return [facts.row(key, attribute === "in-effect" ? `${file} in effect` : `${file} asks for`)];
}

function iommuBlocks(facts: HostFacts, concerned: readonly Bdf[]): readonly Block[] {
  const rows = [
    facts.row("iommu.units", "IOMMU units in use"),
    facts.row("iommu.interrupt-remapping", "Interrupt remapping"),
    facts.row("iommu.default-domain", "Default domain type"),
  ];
  if (facts.groups.length === 0) {
    return [{ kind: "facts", rows: [...rows, facts.row("iommu.group", "IOMMU groups")] }];
  }
  const own = facts.groups.filter(({ members }) =>
    members.some((member) => concerned.some((bdf) => bdf === member)),
  );
  const demanding = facts.groups.filter(({ direct }) => direct !== undefined);
  const detailed = [...new Set([...own, ...demanding])].slice(0, MOST_ITEMS);
  return [
    { kind: "facts", rows },
    {
      kind: "text",
      text:
        demanding.length === 0
          ? `None of the ${count(facts.groups.length, "group")} has a direct region, so the firmware demands no 1:1 mapping.`
          : `${count(demanding.length, "group")} of ${facts.groups.length} ${demanding.length === 1 ? "has" : "have"} a direct region (a 1:1 mapping that the firmware demands): ${shortened(
              demanding.map(({ number }) => number ?? "?"),
              MOST_ITEMS,
            ).join(", ")}.`,
    },
    ...detailed.map((group): Block => {
      const row = (label: string, value: string): FactRow => ({
        key: group.key,
        label,
        value,
        state: "value",
        code: true,
      });
      return {
        kind: "facts",
        rows: [
          row(`Group ${group.number ?? "?"}`, memberText(facts, group.members)),
          row("Domain type", group.type ?? "not shown by the kernel"),
          ...group.regions.map(({ kind, addresses }) => row(`Region ${kind}`, addresses)),
        ],
      };
    }),
    {
      kind: "table",
      caption: `All ${count(facts.groups.length, "IOMMU group")}${cutNote(facts.groups.length)}`,
      columns: ["Group", "Type", "Members", "Direct regions"],
      rows: facts.groups
        .slice(0, MOST_ROWS)
        .map(({ number, type, members, direct }): readonly Cell[] => [
          code(number ?? "?"),
          code(type ?? "?"),
          code(shortened(members, 12).join(", ")),
          direct === undefined ? { text: "none" } : { text: direct, tone: "bad", code: true },
        ]),
      folded: true,
    },
  ];
}

function memberText(facts: HostFacts, members: readonly string[]): string {
  const named = members.map((member) => {
    const device = facts.devices.find(({ address }) => address === member);
    return device === undefined ? member : `${member} ${describeDevice(device)}`;
  });
  return shortened(named, 24).join("; ");
}

function tableBlocks(facts: HostFacts): readonly Block[] {
  return (["IVRS", "DMAR"] as const).flatMap((table): readonly Block[] => {
    const entries = facts.below(`firmware-tables.${table}.`);
    if (entries.length === 0) {
      const whole = facts.of(`firmware-tables.${table}`);
      // A machine has one of the two; that the other is not there is no news.
      if (whole.state === "absent" && facts.below("firmware-tables.").length > 2) return [];
      return [{ kind: "facts", rows: [facts.row(`firmware-tables.${table}`, table)] }];
    }
    return [
      {
        kind: "facts",
        rows: entries
          .slice(0, MOST_ITEMS)
          .map(({ rest, fact }) => facts.row(fact.key, `${table} ${rest.replace(".", " ")}`)),
      },
    ];
  });
}

function bindingBlocks(facts: HostFacts, devices: readonly FactDevice[]): readonly Block[] {
  return [
    {
      kind: "facts",
      rows: [
        ...devices.map(
          ({ identity, address }): FactRow => facts.row(`pci.${identity}.driver`, `Driver of ${address}`),
        ),
        ...devices
          .filter(({ identity }) => facts.value(`pci.${identity}.driver-override`) !== undefined)
          .map(({ identity, address }) =>
            facts.row(`pci.${identity}.driver-override`, `Driver override of ${address}`),
          ),
        facts.row("vfio-setup.config", "BIND in vfio-pci.cfg"),
        facts.row("vfio-setup.ids", "Parameter vfio-pci.ids"),
        facts.row("vfio-setup.modprobe-ids", "vfio-pci ids in modprobe.d"),
        ...facts
          .below("vfio-setup.device.")
          .slice(0, MOST_ITEMS)
          .map(({ rest, fact }) => facts.row(fact.key, `Binding of ${rest}`)),
        facts.row("vfio-setup.unmatched", "Bindings that fit no device"),
        facts.row("vfio-setup.errors", "Errors of Unraid's binding script"),
      ],
    },
  ];
}

function softwareBlocks(facts: HostFacts): readonly Block[] {
  const plugins = facts.below("software.plugin.").filter(({ fact }) => fact.value.state === "value");
  return [
    {
      kind: "facts",
      rows: [
        facts.row("software.os.name", "Operating system"),
        facts.row("software.os.version", "Version"),
        facts.row("software.libvirt", "libvirt"),
        facts.row("software.qemu", "QEMU"),
      ],
    },
    ...(plugins.length === 0
      ? []
      : [
          {
            kind: "table",
            caption: `${count(plugins.length, "plugin")}${cutNote(plugins.length)}`,
            columns: ["Plugin", "Version"],
            rows: plugins
              .slice(0, MOST_ROWS)
              .map(({ rest, fact }) => [{ text: nameOfKeyPart(rest) }, code(facts.row(fact.key, "").value)]),
            folded: true,
          } as const,
        ]),
  ];
}

/** Everything unknown, by the reason: a reader who misses something finds why. */
function unknownBlocks(facts: HostFacts): readonly Block[] {
  const byReason = new Map<string, string[]>();
  for (const { key, value } of facts.all) {
    if (value.state !== "unknown") continue;
    byReason.set(value.why, [...(byReason.get(value.why) ?? []), key]);
  }
  if (byReason.size === 0) return [];
  return [
    {
      kind: "list",
      ordered: false,
      items: [...byReason]
        .slice(0, MOST_ITEMS)
        .map(([why, keys]) => `${shortened(keys.map(nameOfKeyPart), 12).join(", ")}: ${why}`),
    },
  ];
}

function code(text: string): Cell {
  return { text, code: true };
}

function cutNote(length: number): string {
  return length > MOST_ROWS ? `, the first ${MOST_ROWS}` : "";
}
