import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

/** Far more than all programs together can print. */
const LARGEST = 16 * 1024 * 1024;
const ONE_PIECE = 2 * 1024 * 1024;

/**
 * The generated messages out of the shipped `config` directory; empty where they are not there or cannot be read, for
 * whoever asks has an answer without them. More than a megabyte: to be asked for when needed, and not to be kept.
 */
export function loadMessages(configDirectory: string): Uint8Array {
  try {
    const packed = readFileSync(join(configDirectory, "messages", "messages.txt.gz"));
    // In one piece: many small ones leave the heap of a service full of holes.
    return gunzipSync(packed, { maxOutputLength: LARGEST, chunkSize: ONE_PIECE });
  } catch {
    return new Uint8Array();
  }
}
