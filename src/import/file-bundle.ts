import { lstatSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { createNotes, type Notes } from "./limits.ts";
import { streamFile } from "./text-files.ts";
import { commonFolder, type OpenedBundle, zipBundle } from "./zip-bundle.ts";

/** Diagnostics have a few megabytes, and an archive lies in memory while it is read. */
const ARCHIVE_LIMIT = 32 * 1024 ** 2;
const FILES_LIMIT = 20_000;
const DEEPEST = 4;
/** Opens a ZIP archive on disk. Nothing is ever unpacked to disk. */
export function openZipBundle(path: string): OpenedBundle {
  try {
    const { size, mtimeMs } = statSync(path);
    if (size > ARCHIVE_LIMIT)
      return {
        state: "refused",
        why: `It is larger than ${ARCHIVE_LIMIT / 1024 ** 2} MB. Unpack it and give the folder instead.`,
      };
    return zipBundle(readFileSync(path), { name: basename(path), modifiedAt: mtimeMs });
  } catch (error) {
    return {
      state: "refused",
      why: `It cannot be read: ${error instanceof Error ? error.message : error}.`,
    };
  }
}

/** Opens a directory that was unpacked from an archive. Links are not followed. */
export function openFolderBundle(path: string): OpenedBundle {
  const notes = createNotes();
  const found: string[] = [];
  walk(path, "", DEEPEST, found, notes);
  const top = commonFolder(found);
  return {
    state: "open",
    bundle: {
      name: basename(path),
      modifiedAt: lstatSync(path).mtimeMs,
      paths: found.map((name) => name.slice(top.length)),
      whole: notes.list().length === 0,
      notes,
      stream: (inside, take) => streamFile(join(path, top, inside), take),
      async read(inside, most) {
        const parts: Buffer[] = [];
        let length = 0;
        const problem = await streamFile(join(path, top, inside), (part) => {
          parts.push(part.subarray(0, most - length));
          length += part.length;
          return length <= most;
        });
        if (problem !== undefined) notes.add(`${inside}: ${problem}.`);
        else if (length > most)
          notes.add(`${inside}: it is longer than ${most} bytes; only its beginning was read.`);
        return problem !== undefined && length === 0 ? undefined : Buffer.concat(parts);
      },
    },
  };
}

function walk(root: string, below: string, depth: number, found: string[], notes: Notes): void {
  let entries: ReturnType<typeof listEntries>;
  try {
    entries = listEntries(join(root, below));
  } catch (error) {
    notes.add(`${below || root}: ${error instanceof Error ? error.message : error}.`);
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
