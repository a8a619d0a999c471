import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

/** Far more than all programs together can print. */
const LARGEST = 16 * 1024 * 1024;

/**
 * The generated messages' text out of the shipped `config` directory; empty where it is not there or cannot be read, for
 * whoever asks has an answer without it. Two megabytes of text: to be asked for when needed, and not to be kept.
 */
export function loadMessages(configDirectory: string): string {
  try {
    const packed = readFileSync(join(configDirectory, "messages", "messages.txt.gz"));
    return gunzipSync(packed, { maxOutputLength: LARGEST }).toString("utf8");
  } catch {
    return "";
  }
}
