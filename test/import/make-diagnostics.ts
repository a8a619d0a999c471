import { makeZip, type ZipFile } from "./make-zip.ts";

/** A server whose diagnostics are made up, in the layout that Unraid 7.2 writes. Times are UTC. */
export interface MadeUpBoot {
  readonly bios: string;
  readonly biosDate?: string;
  /** When the syslog begins, UTC epoch milliseconds, whole seconds. */
  readonly startedAt: number;
  /** When the diagnostics are made. */
  readonly madeAt: number;
  /** Starts of the VM: when, and whether it works. */
  readonly starts: readonly { readonly at: number; readonly works: boolean }[];
  readonly kernel?: string;
  readonly timeZone?: string;
  /** Files of the archive (below its top folder) that are left out or replaced. */
  readonly change?: (files: Map<string, string>) => void;
  /** Lines of the syslog, before they are collapsed. */
  readonly moreSyslog?: readonly string[];
}

export const VM = "Windows 11";
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** `Nov 23 08:49:10`. */
export function stamp(at: number): string {
  const date = new Date(at);
  const two = (number: number) => String(number).padStart(2, "0");
  const day = String(date.getUTCDate()).padStart(2, " ");
  const time = [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()].map(two).join(":");
  return `${MONTHS[date.getUTCMonth()]} ${day} ${time}`;
}

/** A syslog of the boot as a daemon writes it, with plain line ends. */
export function makeSyslog(boot: MadeUpBoot): string {
  const { startedAt, kernel = "6.12.54-Unraid", bios, biosDate = "08/12/2025" } = boot;
  const at = (seconds: number) => stamp(startedAt + seconds * 1000);
  const lines = [
    `${at(0)} Tower kernel: Linux version ${kernel} (root@Develop-612) (gcc (GCC) 15.2.0, GNU ld version 2.45) #1 SMP PREEMPT_DYNAMIC Mon Oct 27 01:22:03 PDT 2025`,
    `${at(0)} Tower kernel: Command line: BOOT_IMAGE=/bzimage initrd=/bzroot iommu=pt`,
    `${at(0)} Tower kernel: BIOS-provided physical RAM map:`,
    `${at(0)} Tower kernel: DMI: Micro-Star International Co., Ltd. MS-7E49/MPG X870E CARBON WIFI (MS-7E49), BIOS ${bios} ${biosDate}`,
    `${at(1)} Tower kernel: iommu: Default domain type: Passthrough (set via kernel command line)`,
    `${at(1)} Tower kernel: AMD-Vi: Interrupt remapping enabled`,
    `${at(2)} Tower kernel: Run /init as init process`,
    `${at(20)} Tower emhttpd: Starting services...`,
    ...(boot.moreSyslog ?? []),
  ];
  for (const { at: when, works } of boot.starts) {
    lines.push(
      `${stamp(when)} Tower kernel: vfio-pci 0000:01:00.0: vgaarb: VGA decodes changed: olddecodes=io+mem,decodes=none:owns=none`,
    );
    if (!works) {
      lines.push(
        `${stamp(when + 1000)} Tower kernel: vfio-pci 0000:01:00.0: Firmware has requested this device have a 1:1 IOMMU mapping, rejecting configuring the device without a 1:1 mapping. Contact your platform vendor.`,
      );
    }
  }
  return `${lines.join("\n")}\n`;
}

/** The VM's log for these starts; those that work run for ten minutes. */
export function makeDomainLog(starts: MadeUpBoot["starts"]): string {
  const libvirt = (at: number) => `${new Date(at).toISOString().slice(0, 23).replace("T", " ")}+0000`;
  return starts
    .map(({ at, works }) => {
      const begin = [
        `${libvirt(at)}: starting up libvirt version: 11.7.0, qemu version: 9.2.3, kernel: 6.12.54-Unraid, hostname: Tower`,
        "LC_ALL=C \\",
        "/usr/local/sbin/qemu \\",
        `-name 'guest=${VM},debug-threads=on' \\`,
        "-machine pc-q35-9.2,usb=off \\",
        `-device '{"driver":"vfio-pci","host":"0000:01:00.0","id":"hostdev0","bus":"pci.4","addr":"0x0"}' \\`,
        "-msg timestamp=on",
      ];
      const qemu = new Date(at + 1300).toISOString().replace("Z", "000Z");
      const end = works
        ? [`${libvirt(at + 600_000)}: shutting down, reason=shutdown`]
        : [
            `${qemu} qemu-system-x86_64: -device {"driver":"vfio-pci","host":"0000:01:00.0","id":"hostdev0","bus":"pci.4","addr":"0x0"}: vfio 0000:01:00.0: failed to setup container for group 14: Failed to set group container: Invalid argument`,
            `${libvirt(at + 1500)}: shutting down, reason=failed`,
          ];
      return [...begin, ...end].join("\n");
    })
    .join("\n")
    .concat("\n");
}

export const DOMAIN_XML = `<domain type='kvm'>
  <name>${VM}</name>
  <uuid>8e2f6a3c-0000-4000-8000-000000000001</uuid>
  <memory unit='KiB'>16777216</memory>
  <os><type arch='x86_64' machine='pc-q35-9.2'>hvm</type><loader readonly='yes' type='pflash'>/usr/share/qemu/ovmf-x64/OVMF_CODE-pure-efi.fd</loader></os>
  <devices>
    <hostdev mode='subsystem' type='pci' managed='yes'>
      <source><address domain='0x0000' bus='0x01' slot='0x00' function='0x0'/></source>
      <address type='pci' domain='0x0000' bus='0x04' slot='0x00' function='0x0'/>
    </hostdev>
  </devices>
</domain>
`;

const LSPCI = `00:00.0 Host bridge [0600]: Advanced Micro Devices, Inc. [AMD] Raphael/Granite Ridge Root Complex [1022:14d8]
	Subsystem: Micro-Star International Co., Ltd. [MSI] Device [1462:7e49]
01:00.0 VGA compatible controller [0300]: NVIDIA Corporation AD106 [GeForce RTX 4060 Ti 16GB] [10de:2805] (rev a1)
	Subsystem: Micro-Star International Co., Ltd. [MSI] Device [1462:5174]
	Kernel driver in use: vfio-pci
	Kernel modules: nvidia_drm, nvidia
01:00.1 Audio device [0403]: NVIDIA Corporation AD106M High Definition Audio Controller [10de:22bd] (rev a1)
	Subsystem: Micro-Star International Co., Ltd. [MSI] Device [1462:5174]
	Kernel driver in use: vfio-pci
	Kernel modules: snd_hda_intel
`;

/** `tower-diagnostics-20261123-1422`. */
export function diagnosticsName(madeAt: number): string {
  const text = new Date(madeAt).toISOString();
  return `tower-diagnostics-${text.slice(0, 10).replaceAll("-", "")}-${text.slice(11, 16).replace(":", "")}`;
}

/** The files of the archive by their path below the top folder; generated text has CRLF, as `todos` makes it. */
export function diagnosticsFiles(boot: MadeUpBoot): Map<string, string> {
  const { bios, biosDate = "08/12/2025", timeZone = "UTC" } = boot;
  const generated = new Map([
    ["unraid-7.2.3.txt", "7.2.3\n==> /boot/bzimage.sha256 <==\nabc\n\nNo Previous Version Found\n"],
    ["system/vars.txt", `var\n(\n    [NAME] => Tower\n    [timeZone] => ${timeZone}\n)\n`],
    ["system/lspci.txt", LSPCI],
    [
      "system/iommu_groups.txt",
      "/sys/kernel/iommu_groups/0/devices/0000:00:00.0\n/sys/kernel/iommu_groups/14/devices/0000:01:00.0\n/sys/kernel/iommu_groups/14/devices/0000:01:00.1\n",
    ],
    ["system/cmdline.txt", "BOOT_IMAGE=/bzimage initrd=/bzroot iommu=pt\n"],
    [
      "system/motherboard.txt",
      ` Micro-Star International Co., Ltd. - MPG X870E CARBON WIFI (MS-7E49)\nBIOS Information\n\tVendor: American Megatrends International, LLC.\n\tVersion: ${bios}\n\tRelease Date: ${biosDate}\n\tAddress: 0xF0000\n\tROM Size: 32 MB\n\tBIOS Revision: 5.35\n\n`,
    ],
    [
      "system/plugins.txt",
      "community.applications.plg - 2025.10.27  (Up to date)\nunRAIDServer.plg - 7.2.3\n",
    ],
    ["logs/syslog.txt", collapsed(makeSyslog(boot))],
    ["logs/libvirt.txt", "2026-01-01 00:00:00.000+0000: 4321: info : libvirt version: 11.7.0\n"],
    ["logs/vfio-pci.txt", "vfio-pci binding complete\n"],
    ...(boot.starts.length > 0
      ? [[`qemu/${VM}.txt`, makeDomainLog(boot.starts)] as const]
      : [["qemu/no qemu log files", ""] as const]),
  ]);
  const files = new Map([...generated].map(([name, text]) => [name, text.replaceAll("\n", "\r\n")]));
  files.set("config/ident.cfg", 'NAME="Tower"\n');
  files.set("config/vfio-pci.cfg", "BIND=0000:01:00.0|10de:2805 0000:01:00.1|10de:22bd");
  files.set(`xml/${VM}.xml`, DOMAIN_XML);
  boot.change?.(files);
  return files;
}

/** The archive. */
export function makeDiagnostics(boot: MadeUpBoot): { readonly name: string; readonly bytes: Buffer } {
  const name = diagnosticsName(boot.madeAt);
  const files: ZipFile[] = [...diagnosticsFiles(boot)].map(([path, content]) => ({
    name: `${name}/${path}`,
    content,
  }));
  return { name: `${name}.zip`, bytes: makeZip([{ name: `${name}/`, content: "" }, ...files]) };
}

/** Consecutive lines that are equal behind their time stamps are replaced by a mark. */
function collapsed(text: string): string {
  const lines: string[] = [];
  let last = "";
  let times = 0;
  const flush = () => {
    if (times > 0) lines.push(`### [PREVIOUS LINE REPEATED ${times} TIMES] ###`);
    times = 0;
  };
  for (const line of text.trimEnd().split("\n")) {
    if (line.slice(16) === last) times += 1;
    else {
      flush();
      lines.push(line);
    }
    last = line.slice(16);
  }
  flush();
  return `${lines.join("\n")}\n`;
}
