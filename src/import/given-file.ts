import { basename } from "node:path";
import { type Condensed, createCondenser } from "../diagnosis/explain/long-text.ts";
import type { Matcher } from "../diagnosis/matcher.ts";
import { decodeText } from "./decode-text.ts";
import { openZipBundle } from "./file-bundle.ts";
import { type GivenText, logsIn } from "./given-text.ts";
import { createNotes, IMPORT_LIMITS } from "./limits.ts";
import { createLogReader, type LogFile } from "./log-text.ts";
import { fileIsPackedWith, isZipFile, streamFile } from "./text-files.ts";

/** What is shorter is taken as it stands; of longer texts only parts are looked at anyway (bytes). */
const TAKEN_WHOLE = 3 * 1024 ** 2;
/** Of an endless line the beginning is looked at; a line that is longer than this is none (bytes). */
const LONGEST_LINE = 1024 ** 2;

/** Of a file, its text or what is to be looked at of it. */
export type TextOfFile =
  | (Extract<GivenText, { state: "text" }> & { readonly unread: number })
  | Extract<GivenText, { state: "refused" }>;

/**
 * Makes text of a log file on disk, as `textOfGiven` does of bytes, but reads it piece by piece: of a long one only what
 * `matcher` knows is kept, with the lines around it. Throws what the file system throws.
 */
export async function textOfFile(path: string, matcher: () => Matcher): Promise<TextOfFile> {
  const packed = fileIsPackedWith(path);
  if (packed !== undefined) return { state: "refused", why: `is packed with ${packed}.` };
  const found = logsOf(path);
  if (typeof found === "string") return { state: "refused", why: found };
  const notes = createNotes();
  const reader = createLogReader({
    limits: { ...IMPORT_LIMITS, lineBytes: LONGEST_LINE, archiveBytes: IMPORT_LIMITS.fileBytes },
    notes,
  });
  const condenser = createCondenser(matcher);
  const whole: Buffer[][] = [];
  let length = 0;
  for (const file of found) {
    const parts: Buffer[] = [];
    whole.push(parts);
    const kept: LogFile = {
      ...file,
      read: (take) =>
        file.read((part) => {
          length += part.length;
          if (length > TAKEN_WHOLE) whole.splice(0);
          // A copy, because what was unpacked together lies in one piece of memory.
          else parts.push(Buffer.from(part));
          return take(part);
        }),
    };
    await reader.read(kept, condenser.line);
    // An empty line keeps the last line of one file from going on in the next.
    condenser.line("");
  }
  const files = found.length === 1 && found[0]?.shown === path ? [] : found.map(({ shown }) => shown);
  if (length <= TAKEN_WHOLE)
    return { state: "text", text: textOfAll(whole), files, notes: problemsIn(notes.list()), unread: 0 };
  const condensed: Condensed = condenser.finish();
  return { state: "text", ...condensed, files, notes: notes.list() };
}

function textOfAll(files: readonly (readonly Buffer[])[]): string {
  return files.map((parts) => decodeText(Buffer.concat(parts))).join("\n\n");
}

/** Nothing is passed over of what is taken whole. */
function problemsIn(notes: readonly string[]): readonly string[] {
  return notes.filter((note) => !/overlong lines? (?:was|were) passed over/.test(note));
}

function logsOf(path: string): readonly LogFile[] | string {
  if (!isZipFile(path))
    return [{ name: basename(path), shown: path, read: (take) => streamFile(path, take) }];
  const opened = openZipBundle(path);
  if (opened.state === "refused") return `is a ZIP archive that is not read: ${opened.why}`;
  const { bundle } = opened;
  const wanted = logsIn(bundle);
  if (wanted.length === 0)
    return "is a ZIP archive without any log: neither Unraid's diagnostics nor *.txt or *.log.";
  return wanted.map((shown) => ({ name: shown, shown, read: (take) => bundle.stream(shown, take) }));
}
