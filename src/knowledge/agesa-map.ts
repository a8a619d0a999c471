import { isSameBoard } from "./board-names.ts";

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

/** The map's entries for one board. */
export function entriesOfBoard(
  map: readonly AgesaEntry[],
  { vendor, board }: { readonly vendor: string | undefined; readonly board: string | undefined },
): readonly AgesaEntry[] {
  return board === undefined
    ? []
    : map.filter((entry) => isSameBoard(entry.board, board) && isSameBoard(entry.vendor, vendor ?? ""));
}
