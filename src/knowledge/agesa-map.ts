import { isPlaceholder, isSameBoard, isSameVendor } from "./board-names.ts";

/** A BIOS version of a board, and the AGESA that it carries. */
export interface AgesaEntry {
  readonly vendor: string;
  readonly board: string;
  readonly bios: string;
  readonly agesa: string;
}

/** Reads the map's text (docs/known-firmware.md has its form); lines that do not fit are left out. */
export function parseAgesaMap(text: string): readonly AgesaEntry[] {
  let vendor = "";
  return text.split("\n").flatMap((line): readonly AgesaEntry[] => {
    if (line === "" || line.startsWith("#")) return [];
    if (line.startsWith("=")) {
      vendor = line.slice(1);
      return [];
    }
    const [board = "", ...parts] = line.split(" | ");
    return parts.flatMap((part) => {
      const [agesa = "", versions = ""] = part.split(": ");
      return versions.split(", ").map((bios) => ({ vendor, board, bios, agesa }));
    });
  });
}

/** The map's entries for one board, as SMBIOS names it. A board whose vendor says nothing is one of such a vendor. */
export function entriesOfBoard(
  map: readonly AgesaEntry[],
  names: {
    readonly vendor: string | undefined;
    readonly board: string | undefined;
    readonly systemVendor?: string | undefined;
    readonly product?: string | undefined;
  },
): readonly AgesaEntry[] {
  const board = names.board ?? names.product;
  if (board === undefined) return [];
  const vendors = [names.vendor, names.systemVendor].filter((vendor) => vendor !== undefined);
  const isVendor = (vendor: string) =>
    vendors.some((own) => isSameVendor(own, vendor)) || (names.vendor === undefined && isPlaceholder(vendor));
  return map.filter((entry) => isSameBoard(entry.board, board) && isVendor(entry.vendor));
}
