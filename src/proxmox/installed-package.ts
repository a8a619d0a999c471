import { closeSync, constants, openSync, readSync } from "node:fs";
import type { HostPaths } from "../host-paths.ts";

const STATUS = "/var/lib/dpkg/status";
const CHUNK_BYTES = 64 * 1024;
/** No paragraph's version stands further down than this. */
const PARAGRAPH_BYTES = 8 * 1024;

/**
 * The version of an installed package, by dpkg's own list; undefined where it is not in it or cannot be read. The list
 * is read piece by piece, for it has some megabytes.
 */
export function installedVersion(paths: HostPaths, name: string): string | undefined {
  const head = `\nPackage: ${name}\n`;
  let file: number | undefined;
  try {
    file = openSync(paths.at(STATUS), constants.O_RDONLY | constants.O_NONBLOCK);
    const piece = Buffer.allocUnsafe(CHUNK_BYTES);
    let text = "\n";
    for (let length = 1; length > 0; ) {
      length = readSync(file, piece, 0, CHUNK_BYTES, null);
      text += piece.toString("latin1", 0, length);
      const begin = text.indexOf(head);
      if (begin >= 0 && (length === 0 || text.length - begin >= PARAGRAPH_BYTES)) {
        const [paragraph = ""] = text.slice(begin + 1, begin + PARAGRAPH_BYTES).split("\n\n");
        return /^Version: (\S{1,64})$/m.exec(paragraph)?.[1];
      }
      if (begin < 0) text = text.slice(-head.length);
    }
    return undefined;
  } catch {
    return undefined;
  } finally {
    if (file !== undefined) closeSync(file);
  }
}
