/** The classes that one meets in passthrough; the first four digits of a class code. */
const NAMES: Readonly<Record<string, string>> = {
  "0100": "SCSI controller",
  "0101": "IDE controller",
  "0104": "RAID controller",
  "0106": "SATA controller",
  "0107": "SAS controller",
  "0108": "NVMe controller",
  "0200": "Ethernet controller",
  "0280": "network controller",
  "0300": "graphics (VGA)",
  "0302": "graphics (3D)",
  "0380": "graphics",
  "0401": "audio device",
  "0403": "audio device",
  "0480": "multimedia device",
  "0500": "memory",
  "0600": "host bridge",
  "0601": "ISA bridge",
  "0604": "PCI bridge",
  "0806": "IOMMU",
  "0c03": "USB controller",
  "0c05": "SMBus",
  "0d11": "Bluetooth controller",
  "1080": "encryption controller",
};

/** A class code of six hexadecimal digits in words; `device of class 1180` where nobody needs a word for it. */
export function describePciClass(classCode: string): string {
  const short = classCode.slice(0, 4);
  return NAMES[short] ?? `device of class ${short}`;
}

/** Base class 03: what firmware and kernel treat as a display. */
export function isDisplay(classCode: string): boolean {
  return classCode.startsWith("03");
}

export function isUsbController(classCode: string): boolean {
  return classCode.startsWith("0c03");
}

/** The IOMMU's own PCI function; it is not behind itself. */
export function isIommu(classCode: string): boolean {
  return classCode.startsWith("0806");
}
