import { createNotes, type Notes } from "./limits.ts";
import type { TakeBytes } from "./log-text.ts";
import { openZip, type ZipEntry } from "./zip-archive.ts";

/** Files that belong together, packed or not: what a support archive holds. */
export interface FileBundle {
  /** What to call it. */
  readonly name: string;
  /** UTC epoch milliseconds. */
  readonly modifiedAt: number;
  /** Paths below the bundle's one top folder, with `/`. */
  readonly paths: readonly string[];
  /** Nothing is known to be missing. */
  readonly whole: boolean;
  /**
   * The file as far as it can be read, at most `most` bytes of it; undefined where there is none. Adds to `notes` what
   * could not be.
   */
  read(path: string, most: number): Promise<Buffer | undefined>;
  /** Gives a file piece by piece, for what may be long. Resolves to what went wrong. Never rejects. */
  stream(path: string, take: TakeBytes): Promise<string | undefined>;
  /** What could not be read so far, in sentences. */
  readonly notes: Notes;
}

export type OpenedBundle =
  | { readonly state: "open"; readonly bundle: FileBundle }
  | { readonly state: "refused"; readonly why: string };

/** Folders of the content, never the one around it. */
const OWN_FOLDERS = /^(?:system|config|logs|qemu|xml|shares|smart)\/$/;

/** Opens a ZIP archive that lies in memory. */
export function zipBundle(
  bytes: Buffer,
  { name, modifiedAt }: Pick<FileBundle, "name" | "modifiedAt">,
): OpenedBundle {
  const zip = openZip(bytes);
  if (zip.state === "refused") return zip;
  const notes = createNotes();
  zip.damage.forEach(notes.add);
  const top = commonFolder(zip.entries.map((entry) => entry.name));
  const byPath = new Map<string, ZipEntry>();
  for (const entry of zip.entries) {
    const inside = entry.name.slice(top.length);
    if (byPath.has(inside)) notes.add(`${inside} is in the archive more than once; the first was read.`);
    else byPath.set(inside, entry);
  }
  return {
    state: "open",
    bundle: {
      name,
      modifiedAt,
      paths: [...byPath.keys()],
      whole: zip.damage.length === 0,
      notes,
      async stream(inside, take) {
        const entry = byPath.get(inside);
        return entry === undefined ? "it is not in the archive" : await zip.stream(entry, take);
      },
      async read(inside, most) {
        const entry = byPath.get(inside);
        if (entry === undefined) return undefined;
        const { bytes: content, problem } = await zip.read(entry, most);
        if (problem !== undefined) notes.add(`${inside}: ${problem}.`);
        return problem !== undefined && content.length === 0 ? undefined : content;
      },
    },
  };
}

/** The one folder that all paths are in, with its slash; empty where there is none. */
export function commonFolder(paths: readonly string[]): string {
  const [first = ""] = paths;
  const folder = first.slice(0, first.indexOf("/") + 1);
  if (folder === "" || OWN_FOLDERS.test(folder)) return "";
  return paths.every((path) => path.startsWith(folder)) ? folder : "";
}
