import { nameOfKeyPart } from "../host/make-fact.ts";
import type { Bdf } from "../model/identifiers.ts";
import { deviceAt } from "./devices.ts";
import type { Block, FactRow, Section } from "./document.ts";
import { hardwareBlocks } from "./hardware-section.ts";
import type { FactDevice, HostFacts } from "./host-facts.ts";
import { iommuBlocks } from "./iommu-section.ts";
import { kernelBlocks } from "./kernel-section.ts";
import { code, cutNote, MOST_ITEMS, MOST_ROWS } from "./limits.ts";
import { count, shortened } from "./words.ts";

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
