import type { FactValue } from "../model/fact.ts";
import type { FactView } from "./fact-collections.ts";

const SHOWN = 240;

/** How a change of a fact is said, and how much a reader cares within its group (0 most). */
interface Wording {
  readonly keys: RegExp;
  readonly importance: number;
  /** The name of the fact for a person; `{1}`… are the parts of the key, `{device}` names the PCI device in {1}. */
  readonly label: string;
  /** The value is a list: say what was gained and lost. */
  readonly list?: RegExp;
}

const WORDINGS: readonly Wording[] = [
  { keys: /^firmware\.bios\.version$/, importance: 0, label: "BIOS version" },
  { keys: /^firmware\.bios\.(date|release|vendor)$/, importance: 1, label: "BIOS {1}" },
  { keys: /^firmware\.setting\.[^.]+\.([^.]+)$/, importance: 2, label: "BIOS setting {1}" },
  { keys: /^firmware\.microcode$/, importance: 3, label: "CPU microcode" },
  { keys: /^firmware\.secure-boot$/, importance: 2, label: "Secure Boot" },
  { keys: /^firmware\.boot-mode$/, importance: 2, label: "Boot mode" },
  { keys: /^firmware\.board\.(.+)$/, importance: 4, label: "Mainboard {1}" },
  { keys: /^firmware\.system\.(.+)$/, importance: 4, label: "System {1}" },
  {
    keys: /^firmware-tables\.IVRS\.pre-boot-dma-protection$/,
    importance: 1,
    label: "Pre-boot DMA protection in IVRS",
  },
  {
    keys: /^firmware-tables\.(\w+)\.sha256$/,
    importance: 8,
    label: "Content of the firmware table {1} (hash)",
  },
  { keys: /^firmware-tables\.list$/, importance: 4, label: "Firmware tables", list: /, / },
  { keys: /^firmware-tables\.(\w+)$/, importance: 2, label: "Firmware table {1}" },
  { keys: /^firmware-tables\.(\w+)\.(.+)$/, importance: 5, label: "{1} {2}" },
  {
    keys: /^iommu\.group\.([^.]+)\.members$/,
    importance: 1,
    label: "IOMMU group of {device}, members",
    list: /, /,
  },
  { keys: /^iommu\.group\.([^.]+)\.type$/, importance: 3, label: "IOMMU group of {device}, domain type" },
  { keys: /^iommu\.interrupt-remapping$/, importance: 1, label: "Interrupt remapping" },
  { keys: /^iommu\.units$/, importance: 1, label: "IOMMU units in use", list: /, / },
  { keys: /^iommu\.default-domain$/, importance: 3, label: "Default IOMMU domain type" },
  { keys: /^kernel\.release$/, importance: 0, label: "Kernel" },
  { keys: /^kernel\.build$/, importance: 2, label: "Kernel build" },
  { keys: /^kernel\.parameter\.([^.]+)$/, importance: 1, label: "Kernel parameter {1}" },
  { keys: /^kernel\.modprobe\.([^.]+)\.([^.]+)$/, importance: 3, label: "modprobe {1} {2}" },
  { keys: /^kernel\.module\.(.+)$/, importance: 3, label: "Module parameter {1}" },
  { keys: /^kernel\.taint$/, importance: 6, label: "Kernel taint" },
  { keys: /^kernel\.lockdown$/, importance: 4, label: "Kernel lockdown" },
  { keys: /^boot-loader\.(\/.+)\.parameters$/, importance: 1, label: "Parameters in {1}", list: / / },
  { keys: /^boot-loader\.(\/.+)\.in-effect$/, importance: 2, label: "{1} in effect" },
  { keys: /^boot-loader\.(\/.+)\.entries$/, importance: 4, label: "Boot entries in {1}" },
  { keys: /^boot-loader\.running$/, importance: 0, label: "Boot loader that ran" },
  { keys: /^boot-loader\.(\/.+)$/, importance: 3, label: "Boot loader file {1}" },
  { keys: /^vfio-setup\.config$/, importance: 1, label: "BIND in vfio-pci.cfg", list: / / },
  { keys: /^vfio-setup\.ids$/, importance: 1, label: "vfio-pci.ids", list: / / },
  { keys: /^vfio-setup\.modprobe-ids$/, importance: 1, label: "vfio-pci ids in modprobe.d", list: / / },
  { keys: /^vfio-setup\.errors$/, importance: 0, label: "Errors of Unraid's VFIO binding" },
  { keys: /^vfio-setup\.unmatched$/, importance: 0, label: "Bindings that fit no device", list: / / },
  { keys: /^vfio-setup\.device\.(.+)$/, importance: 2, label: "VFIO binding of {1}" },
  { keys: /^pci\.([^.]+)\.driver$/, importance: 2, label: "Driver of {device}" },
  { keys: /^pci\.([^.]+)\.driver-override$/, importance: 4, label: "Driver override of {device}" },
  { keys: /^pci\.([^.]+)\.group$/, importance: 6, label: "IOMMU group of {device}" },
  { keys: /^pci\.([^.]+)\.bars$/, importance: 4, label: "BARs of {device}" },
  { keys: /^pci\.([^.]+)\.resizable-bar$/, importance: 3, label: "Resizable BAR of {device}" },
  { keys: /^pci\.([^.]+)\.reset-methods$/, importance: 3, label: "Reset methods of {device}", list: / / },
  { keys: /^pci\.([^.]+)\.boot-vga$/, importance: 3, label: "Boot display {device}" },
  { keys: /^pci\.([^.]+)\.name$/, importance: 8, label: "Name of {1}" },
  { keys: /^pci\.([^.]+)\.(.+)$/, importance: 5, label: "{2} of {device}" },
  { keys: /^vm\.([^.]+)\.devices$/, importance: 1, label: "VM '{1}', passed-through devices", list: / / },
  { keys: /^vm\.([^.]+)\.device\.(.+)$/, importance: 2, label: "VM '{1}', device {2}" },
  { keys: /^vm\.([^.]+)\.(.+)$/, importance: 3, label: "VM '{1}', {2}" },
  { keys: /^software\.os\.version$/, importance: 0, label: "Operating system version" },
  { keys: /^software\.os\.name$/, importance: 0, label: "Operating system" },
  { keys: /^software\.qemu$/, importance: 1, label: "QEMU" },
  { keys: /^software\.libvirt$/, importance: 1, label: "libvirt" },
  { keys: /^software\.plugin\.([^.]+)$/, importance: 3, label: "Plugin {1}" },
  { keys: /^hardware\.cpu\.(.+)$/, importance: 1, label: "CPU {1}" },
  { keys: /^hardware\.memory\.(.+)$/, importance: 2, label: "Memory module {1}" },
];

/** How much a reader cares about a fact within its group: 0 most. */
export function importanceOf(key: string): number {
  if (/^iommu\.group\.[^.]+\.direct$/.test(key) || /^firmware-tables\.\w+\.(?:ivmd|rmrr)\./.test(key))
    return 0;
  if (/^pci\.[^.]+(?:\.address)?$/.test(key)) return 1;
  return WORDINGS.find(({ keys }) => keys.test(key))?.importance ?? 5;
}

/** The sentence for one changed fact; `view` is the newer snapshot, `older` the one before it. */
export function sentenceOf(
  key: string,
  before: FactValue,
  after: FactValue,
  view: FactView,
  older: FactView,
): string {
  const device = (identity: string) =>
    deviceLabel(identity, view) ?? deviceLabel(identity, older) ?? identity;
  const region = /^iommu\.group\.([^.]+)\.(direct|direct-relaxable|reserved|msi)$/.exec(key);
  if (region !== null) return regionSentence(device(region[1] ?? ""), region[2] ?? "", before, after);
  const entry = /^firmware-tables\.(IVRS|DMAR)\.(?:ivmd|rmrr|finding)\.\d+$/.exec(key);
  if (entry !== null) return entrySentence(entry[1] ?? "", /\.finding\./.test(key), before, after);
  const address = /^pci\.([^.]+)\.address$/.exec(key);
  if (address !== null && before.state === "value" && after.state === "value") {
    const name = deviceName(address[1] ?? "", view) ?? address[1] ?? "";
    return `${name.charAt(0).toUpperCase()}${name.slice(1)} moved ${before.value} → ${after.value}`;
  }
  const wording = WORDINGS.find(({ keys }) => keys.test(key));
  const parts = wording?.keys.exec(key) ?? [];
  const label = (wording?.label ?? key).replace(/\{(\w+)\}/g, (_whole, name: string) => {
    const part = parts[name === "device" ? 1 : Number(name)] ?? "";
    return name === "device" ? device(part) : part.replaceAll("%2e", ".").replaceAll("%25", "%");
  });
  const { list } = wording ?? {};
  if (list !== undefined && before.state === "value" && after.state === "value") {
    const said = listDifference(before.value.split(list), after.value.split(list), device);
    if (said !== "") return `${label}: ${said}`;
  }
  return `${label}: ${show(before)} → ${show(after)}`;
}

/** `gained a, b; lost c`; empty where the lists hold the same. */
function listDifference(
  before: readonly string[],
  after: readonly string[],
  device: (identity: string) => string,
): string {
  const gained = after.filter((item) => !before.includes(item)).map(device);
  const lost = before.filter((item) => !after.includes(item)).map(device);
  return [
    ...(gained.length === 0 ? [] : [`gained ${cut(gained.join(", "))}`]),
    ...(lost.length === 0 ? [] : [`lost ${cut(lost.join(", "))}`]),
  ].join("; ");
}

const REGION_WORDS: Readonly<Record<string, string>> = {
  direct: "direct region",
  "direct-relaxable": "relaxable direct region",
  reserved: "reserved region",
  msi: "MSI region",
};

function regionSentence(device: string, kind: string, before: FactValue, after: FactValue): string {
  const older = before.state === "value" ? before.value.split(", ") : [];
  const newer = after.state === "value" ? after.value.split(", ") : [];
  const word = REGION_WORDS[kind] ?? kind;
  const say = (verb: string, regions: readonly string[]) =>
    regions.length === 0
      ? []
      : [
          `${verb} ${regions.length === 1 ? `a ${word}` : `${regions.length} ${word}s`} ${cut(regions.join(", "))}`,
        ];
  const said = [
    ...say(
      "gained",
      newer.filter((region) => !older.includes(region)),
    ),
    ...say(
      "lost",
      older.filter((region) => !newer.includes(region)),
    ),
  ];
  return `IOMMU group of ${device} ${said.length > 0 ? said.join(" and ") : `has its ${word}s in another order`}`;
}

function entrySentence(table: string, finding: boolean, before: FactValue, after: FactValue): string {
  const what = finding ? "a fault" : "a 1:1 demand";
  if (before.state !== "value") return `${table} now contains ${what}: ${show(after)}`;
  if (after.state !== "value") return `${table} no longer contains ${what}: ${show(before)}`;
  return `${table} contains ${what} that changed: ${show(before)} → ${show(after)}`;
}

function show(value: FactValue): string {
  return value.state === "value" ? cut(value.value) : "none";
}

function cut(text: string): string {
  return text.length > SHOWN ? `${text.slice(0, SHOWN - 1)}…` : text;
}

/** `NVIDIA … (0000:01:00.0)`; undefined where the snapshot does not know the device. */
export function deviceLabel(identity: string, view: FactView): string | undefined {
  const address = view.facts.get(`pci.${identity}.address`)?.value;
  if (address?.state !== "value") return undefined;
  return `${deviceName(identity, view) ?? identity} (${address.value})`;
}

function deviceName(identity: string, view: FactView): string | undefined {
  const name = view.facts.get(`pci.${identity}.name`)?.value;
  if (name?.state === "value") return cut(name.value);
  const kind = view.facts.get(`pci.${identity}.class`)?.value;
  const ids = identity.split("/")[0] ?? identity;
  // The class fact is `030000 VGA controller`.
  return kind?.state === "value" ? `${kind.value.replace(/^[0-9a-f]{6} /, "")} ${ids}` : undefined;
}
