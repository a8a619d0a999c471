import type { HostPaths } from "../../src/host-paths.ts";
import { buildHostTree } from "../../src/replay/recorded-tree.ts";
import { acpiTable, deviceEntry, ivhd, ivmd, ivrsInfo } from "./acpi-tables.ts";
import { bdf, type SyntheticDevice, syntheticDevice } from "./recorded-tree.ts";

/** What a test changes on the host of the forum report. */
export interface ForumHostOptions {
  readonly bios?: string;
  /** Whether the firmware demands the 1:1 mapping; default yes. */
  readonly demand?: boolean;
  readonly commandLine?: string;
  readonly machine?: string;
  readonly managed?: boolean;
  readonly files?: Readonly<Record<string, string>>;
  readonly devices?: readonly SyntheticDevice[];
  /** Addresses that the VM asks for. */
  readonly wanted?: readonly string[];
  readonly withoutIommu?: boolean;
  /** Names in /sys/module. */
  readonly modules?: readonly string[];
}

const PARAMETERS =
  "pcie_acs_override=downstream,multifunction amd_iommu=on iommu.passthrough=1 vfio-pci.ids=10de:2805,10de:22bd video=efifb:off";
const START = 0xa5a32000;

export const FORUM_DEVICES: readonly SyntheticDevice[] = [
  { bdf: "0000:00:00.0", id: "1022:14d8", classCode: "060000", group: 0 },
  { bdf: "0000:00:01.1", id: "1022:14db", classCode: "060400", driver: "pcieport", group: 1, buses: [1, 1] },
  {
    bdf: "0000:01:00.0",
    id: "10de:2805",
    subsystem: "1462:5174",
    classCode: "030000",
    driver: "vfio-pci",
    group: 14,
  },
  {
    bdf: "0000:01:00.1",
    id: "10de:22bd",
    subsystem: "1462:5174",
    classCode: "040300",
    driver: "vfio-pci",
    group: 14,
  },
  { bdf: "0000:02:00.0", id: "144d:a80c", classCode: "010802", driver: "nvme", group: 15 },
];

/** The host of the forum report (MSI MPG X870E Carbon WiFi, Unraid 7.2.3) as files below `directory`. */
export function buildForumHost(directory: string, options: ForumHostOptions = {}): HostPaths {
  const { demand = true, devices = FORUM_DEVICES, withoutIommu = false } = options;
  const region = (kind: string) =>
    `0x${START.toString(16).padStart(16, "0")} 0x${(START + 0xfff).toString(16).padStart(16, "0")} ${kind}\n`;
  const groups = new Map<number, string[]>();
  for (const { group, bdf: address } of devices)
    if (group !== undefined) groups.set(group, [...(groups.get(group) ?? []), address]);
  const table = acpiTable(
    "IVRS",
    ivrsInfo(0x00203041),
    ivhd(0x11, { entries: [deviceEntry(3, 0x0008), deviceEntry(4, 0xffff)] }),
    ...(demand ? [ivmd(0x22, 0x08, { deviceId: 0, auxiliary: 0x0fff, start: START, length: 0x1000 })] : []),
  );
  return buildHostTree(directory, {
    devices: devices.map(syntheticDevice),
    groups: withoutIommu
      ? []
      : [...groups].map(([id, members]) => ({
          id,
          type: "identity",
          members: members.map(bdf),
          reservedRegions: `${demand ? region("direct") : ""}0x00000000fee00000 0x00000000feefffff msi\n`,
        })),
    units: withoutIommu ? [] : ["ivhd0"],
    dmi: new Map([
      ["bios_vendor", "American Megatrends International, LLC."],
      ["bios_version", options.bios ?? "E7E49AMSI.1A7D"],
      ["board_vendor", "Micro-Star International Co., Ltd."],
      ["board_name", "MPG X870E CARBON WIFI (MS-7E49)"],
    ]),
    commandLine: `${options.commandLine ?? PARAMETERS}\n`,
    version: "Linux version 6.12.54-Unraid (root@Develop) #1 SMP PREEMPT_DYNAMIC Mon Oct 20 2025",
    tables: new Map([["IVRS", table]]),
    vfioNodes: ["vfio", "14"],
    modules: options.modules ?? ["vfio", "vfio_pci", "vfio_iommu_type1", "kvm", "kvm_amd"],
    files: {
      "/etc/unraid-version": 'version="7.2.3"\n',
      "/proc/interrupts": "  24:  1  0  IR-PCI-MSI-0000:01:00.0  0-edge  vfio\n",
      "/proc/sys/kernel/bootloader_type": "240\n",
      "/boot/syslinux/syslinux.cfg":
        "default menu.c32\nlabel Unraid OS\n  menu default\n  kernel /bzimage\n  append vfio-pci.ids=10de:2805,10de:22bd amd_iommu=on iommu=pt initrd=/bzroot\n",
      "/boot/limine.conf": `timeout: 3\n/Unraid OS\n    protocol: linux\n    kernel_path: boot():/bzimage\n    module_path: boot():/bzroot\n    cmdline: ${options.commandLine ?? PARAMETERS}\n`,
      "/boot/config/vfio-pci.cfg": "BIND=0000:01:00.0|10de:2805 0000:01:00.1|10de:22bd\r\n",
      "/boot/config/domain.cfg": 'SERVICE="enable"\nDISABLE="no"\n',
      "/etc/libvirt/qemu/Windows 11.xml": vmXml("Windows 11", options),
      ...options.files,
    },
  });
}

/** A VM's definition as libvirt keeps it. */
export function vmXml(
  name: string,
  options: Pick<ForumHostOptions, "machine" | "managed" | "wanted"> = {},
): string {
  const { machine = "pc-q35-9.2", managed = true, wanted = ["0000:01:00.0", "0000:01:00.1"] } = options;
  const devices = wanted.map((address) => {
    const [domain = "0000", bus = "00", rest = "00.0"] = address.split(":");
    const [slot = "00", fn = "0"] = rest.split(".");
    return `<hostdev mode='subsystem' type='pci' managed='${managed ? "yes" : "no"}'><driver name='vfio'/><source><address domain='0x${domain}' bus='0x${bus}' slot='0x${slot}' function='0x${fn}'/></source></hostdev>`;
  });
  return `<domain type='kvm'><name>${name}</name><uuid>6a9a0c3c-0000-4000-8000-000000000001</uuid><memory unit='KiB'>16777216</memory><os><type arch='x86_64' machine='${machine}'>hvm</type></os><devices>${devices.join("")}</devices></domain>`;
}
