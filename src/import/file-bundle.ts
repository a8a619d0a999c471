import { lstatSync, readdirSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { readBytes } from "../host/read-file.ts";
import { commonFolder, type OpenedBundle, zipBundle } from "./zip-bundle.ts";

const ARCHIVE_LIMIT = 256 * 1024 ** 2;
const FILE_LIMIT = 64 * 1024 ** 2;
const FILES_LIMIT = 20_000;
const DEEPEST = 4;
/** Opens a ZIP archive on disk. Nothing is ever unpacked to disk. */
export function openZipBundle(path: string): OpenedBundle {
  const bytes = readBytes(path, ARCHIVE_LIMIT);
  if (bytes.state !== "read")
    return { state: "refused", why: bytes.state === "absent" ? "It does not exist." : `It ${bytes.why}.` };
  return zipBundle(bytes.value, { name: basename(path), modifiedAt: statSync(path).mtimeMs });
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
