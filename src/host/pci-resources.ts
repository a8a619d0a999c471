/** One base address register in use. */
export interface PciBar {
  readonly kind: "memory" | "io";
  /** Physical address and bytes; x86 has 52 address bits, which a number holds exactly. */
  readonly start: number;
  readonly size: number;
  readonly prefetchable: boolean;
}

/** Flags of the kernel's `struct resource` (include/linux/ioport.h), stable because sysfs shows them. */
const IO = 0x100n;
const MEMORY = 0x200n;
const PREFETCHABLE = 0x2000n;

/** Lines 0 to 5 are the BARs; then come the ROM, the BARs of virtual functions and a bridge's windows. */
const BAR_LINES = 6;
const FOUR_GIB = 2 ** 32;
const LINE = /^(0x[0-9a-f]{1,16}) (0x[0-9a-f]{1,16}) (0x[0-9a-f]{1,16})$/i;

/** Reads the BARs from the text of a device's `resource` file; lines that are none are left out. */
export function parsePciResource(text: string): readonly PciBar[] {
  const bars: PciBar[] = [];
  for (const line of text.split("\n", BAR_LINES)) {
    const [, first, last, bits] = LINE.exec(line.trim()) ?? [];
    if (first === undefined || last === undefined || bits === undefined) continue;
    const start = BigInt(first);
    const end = BigInt(last);
    const flags = BigInt(bits);
    if ((flags & (IO | MEMORY)) === 0n || end < start) continue;
    bars.push({
      kind: (flags & MEMORY) === 0n ? "io" : "memory",
      start: Number(start),
      size: Number(end - start + 1n),
      prefetchable: (flags & PREFETCHABLE) !== 0n,
    });
  }
  return bars;
}

/**
 * Sizes that a resizable BAR can take, in bytes, from a `resourceN_resize` file: bit n stands for 2^n MiB
 * (kernel ABI sysfs-bus-pci). Undefined when the text is no such mask.
 */
export function largestResize(text: string): number | undefined {
  if (!/^[0-9a-f]{1,16}$/i.test(text)) return undefined;
  const mask = BigInt(`0x${text}`);
  return mask === 0n ? undefined : 2 ** (mask.toString(2).length - 1 + 20);
}

/** A BAR as a reader compares it: where exactly it lies is left out, only whether that is above 4 GB. */
export function describeBar(bar: PciBar): string {
  const words = [formatSize(bar.size)];
  if (bar.kind === "io") words.push("I/O");
  if (bar.prefetchable) words.push("prefetchable");
  if (bar.start >= FOUR_GIB) words.push("above 4 GB");
  return words.join(" ");
}

/** Bytes in the largest binary unit that divides them, e.g. `256 MiB`. */
export function formatSize(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (unit < units.length - 1 && value >= 1024 && value % 1024 === 0) {
    value /= 1024;
    unit += 1;
  }
  return `${value} ${units[unit]}`;
}
