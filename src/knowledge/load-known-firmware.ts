import { join } from "node:path";
import { type AgesaEntry, parseAgesaMap } from "./agesa-map.ts";
import { type DataFileProblem, listDataFiles, readDataFile } from "./data-files.ts";
import { type FirmwareRecord, readKnownFirmwareFile } from "./known-firmware-file.ts";

/** What is known of the world's firmware. To be asked for when needed, and not to be kept. */
export interface KnownFirmware {
  readonly records: readonly FirmwareRecord[];
  readonly agesa: readonly AgesaEntry[];
}

const MAP = "agesa.txt";

/**
 * Reads the shipped records and map, then the owner's `*.json` beside the settings, which need not exist. A file that is
 * not JSON is left out whole, a bad record alone; each is named in `problems`. Never throws.
 */
export function loadKnownFirmware(directories: {
  /** `config/known-firmware`. */
  readonly shipped: string;
  readonly own?: string;
}): { readonly known: KnownFirmware; readonly problems: readonly DataFileProblem[] } {
  const problems: DataFileProblem[] = [];
  const records: FirmwareRecord[] = [];
  for (const directory of [directories.shipped, directories.own]) {
    if (directory === undefined) continue;
    for (const file of listDataFiles(directory, directory === directories.shipped, problems)) {
      const text = readDataFile(file, problems);
      if (text === undefined) continue;
      const content = readKnownFirmwareFile(text);
      records.push(...content.records);
      problems.push(...content.problems.map((problem) => ({ file, ...problem })));
    }
  }
  const map = readDataFile(join(directories.shipped, MAP), problems);
  return { known: { records, agesa: map === undefined ? [] : parseAgesaMap(map) }, problems };
}
