import { lstatSync, readdirSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { readBytes } from "../host/read-file.ts";
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
  /** The file as far as it can be read; undefined where there is none. Adds to `notes` what could not be. */
  read(path: string): Promise<Buffer | undefined>;
  /** What could not be read so far, in sentences. */
  readonly notes: readonly string[];
}

export type OpenedBundle =
  | { readonly state: "open"; readonly bundle: FileBundle }
  | { readonly state: "refused"; readonly why: string };

const ARCHIVE_LIMIT = 256 * 1024 ** 2;
const FILE_LIMIT = 64 * 1024 ** 2;
const FILES_LIMIT = 20_000;
const DEEPEST = 4;
/** Folders of the content, never the one around it. */
const OWN_FOLDERS = /^(?:system|config|logs|qemu|xml|shares|smart)\/$/;

/** Opens a ZIP archive on disk. Nothing is ever unpacked to disk. */
export function openZipBundle(path: string): OpenedBundle {
  const bytes = readBytes(path, ARCHIVE_LIMIT);
  if (bytes.state !== "read")
    return { state: "refused", why: bytes.state === "absent" ? "It does not exist." : `It ${bytes.why}.` };
  const zip = openZip(bytes.value);
  if (zip.state === "refused") return zip;
  const notes = [...zip.damage];
  const top = commonFolder(zip.entries.map((entry) => entry.name));
  const byPath = new Map<string, ZipEntry>();
  for (const entry of zip.entries) {
    const inside = entry.name.slice(top.length);
    if (byPath.has(inside)) notes.push(`${inside} is in the archive more than once; the first was read.`);
    else byPath.set(inside, entry);
  }
  return {
    state: "open",
    bundle: {
      name: basename(path),
      modifiedAt: statSync(path).mtimeMs,
      paths: [...byPath.keys()],
      whole: zip.damage.length === 0,
      notes,
      async read(inside) {
        const entry = byPath.get(inside);
        if (entry === undefined) return undefined;
        const { bytes: content, problem } = await zip.read(entry);
        if (problem !== undefined) notes.push(`${inside}: ${problem}.`);
        return problem !== undefined && content.length === 0 ? undefined : content;
      },
    },
  };
}

/** Opens a directory that was unpacked from an archive. Links are not followed. */
export function openFolderBundle(path: string): OpenedBundle {
  const notes: string[] = [];
  const found: string[] = [];
  walk(path, "", DEEPEST, found, notes);
  const top = commonFolder(found);
  return {
    state: "open",
    bundle: {
      name: basename(path),
      modifiedAt: lstatSync(path).mtimeMs,
      paths: found.map((name) => name.slice(top.length)),
      whole: notes.length === 0,
      notes,
      async read(inside) {
        const bytes = readBytes(join(path, top, inside), FILE_LIMIT);
        if (bytes.state === "unreadable") notes.push(`${inside}: ${bytes.why}.`);
        return bytes.state === "read" ? bytes.value : undefined;
      },
    },
  };
}

function walk(root: string, below: string, depth: number, found: string[], notes: string[]): void {
  let entries: ReturnType<typeof listEntries>;
  try {
    entries = listEntries(join(root, below));
  } catch (error) {
    notes.push(`${below || root}: ${error instanceof Error ? error.message : error}.`);
    return;
  }
  for (const { name, isDirectory, isFile } of entries) {
    if (found.length >= FILES_LIMIT) return;
    const inside = below === "" ? name : `${below}/${name}`;
    if (isDirectory && depth > 1) walk(root, inside, depth - 1, found, notes);
    else if (isFile) found.push(inside);
  }
}

function listEntries(directory: string) {
  return readdirSync(directory, { withFileTypes: true })
    .map((entry) => ({ name: entry.name, isDirectory: entry.isDirectory(), isFile: entry.isFile() }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The one folder that all paths are in, with its slash; empty where there is none. */
function commonFolder(paths: readonly string[]): string {
  const [first = ""] = paths;
  const folder = first.slice(0, first.indexOf("/") + 1);
  if (folder === "" || OWN_FOLDERS.test(folder)) return "";
  return paths.every((path) => path.startsWith(folder)) ? folder : "";
}
