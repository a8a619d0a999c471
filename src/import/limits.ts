/** What one import may take, whatever its files hold. Honest logs stay far below; what is beyond is counted and said. */
export interface ImportLimits {
  /** Bytes of one file, unpacked. */
  readonly fileBytes: number;
  /** Bytes of all files of one archive or folder, unpacked. */
  readonly archiveBytes: number;
  /** Lines of one file, and of all files of one source. */
  readonly fileLines: number;
  readonly sourceLines: number;
  /** A longer line is passed over (bytes). */
  readonly lineBytes: number;
  /** Boots of one log, the newest. */
  readonly boots: number;
  /** VM starts of one source, the newest. */
  readonly starts: number;
  /** Characters that one source keeps in memory, with `COST_OF_A_RECORD` for each thing that was said. */
  readonly keptText: number;
  /** Bytes of a file that is no log: lists of devices, definitions of VMs. */
  readonly smallFileBytes: number;
}

export const IMPORT_LIMITS: ImportLimits = {
  fileBytes: 256 * 1024 ** 2,
  archiveBytes: 512 * 1024 ** 2,
  fileLines: 4_000_000,
  sourceLines: 8_000_000,
  lineBytes: 64 * 1024,
  boots: 1_000,
  starts: 5_000,
  keptText: 16_000_000,
  smallFileBytes: 512 * 1024,
};

/** What keeping one record costs besides its text, as characters. */
export const COST_OF_A_RECORD = 300;

/** Notes of one source beyond these are counted. */
const NOTES_SHOWN = 200;

/** Sentences about one source, of which a hostile archive may cause very many. */
export interface Notes {
  add(sentence: string): void;
  /** All of them, and how many there were besides. */
  list(): readonly string[];
}

/** Makes an empty list of notes. */
export function createNotes(): Notes {
  const kept: string[] = [];
  let more = 0;
  return {
    add(sentence) {
      if (kept.length < NOTES_SHOWN) kept.push(sentence);
      else more += 1;
    },
    list: () => (more === 0 ? kept : [...kept, `And ${more} more of these notes.`]),
  };
}

/** `1 line`, `2 lines`, `1 234 567 lines`. */
export function counted(number: number, thing: string): string {
  return `${String(number).replace(/\B(?=(\d{3})+$)/g, " ")} ${thing}${number === 1 ? "" : "s"}`;
}
