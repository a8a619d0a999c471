import { isAscii } from "node:buffer";

/** The longest text that is kept of one kernel record, in characters; longer ones end in `…`. */
export const TEXT_LIMIT = 8192;

/** An escaped character takes four bytes, so this many bytes are enough for `TEXT_LIMIT` characters. */
export const RAW_TEXT_LIMIT = 4 * TEXT_LIMIT;

const BACKSLASH = 0x5c;
const LETTER_X = 0x78;

/**
 * Gives the text that the kernel escaped as `\xNN` (control characters, the backslash and every byte from 0x7f
 * up, so also each byte of UTF-8). `raw` holds one byte a character (latin1), as it came. What is not an escape
 * stays; what is not UTF-8 becomes U+FFFD; what is longer than the limits is cut.
 */
export function unescapeKernelText(raw: string): string {
  if (raw.length <= TEXT_LIMIT && !raw.includes("\\") && !hasHighBytes(raw)) return raw;
  const cut = raw.length > RAW_TEXT_LIMIT;
  const bytes = Buffer.from(cut ? raw.slice(0, RAW_TEXT_LIMIT) : raw, "latin1");
  return bounded(bytes.toString("utf8", 0, unescapeInPlace(bytes)), cut);
}

/** Cuts `text` to the limit, never through a character; `cut` says that something is missing already. */
export function bounded(text: string, cut = false): string {
  if (text.length <= TEXT_LIMIT) return cut ? `${text}…` : text;
  const last = text.charCodeAt(TEXT_LIMIT - 1);
  const splitsPair = last >= 0xd800 && last <= 0xdbff;
  return `${text.slice(0, splitsPair ? TEXT_LIMIT - 1 : TEXT_LIMIT)}…`;
}

/** Returns the number of bytes that remain. */
function unescapeInPlace(bytes: Buffer): number {
  let to = 0;
  for (let from = 0; from < bytes.length; from++) {
    let byte = bytes[from] ?? 0;
    if (byte === BACKSLASH && bytes[from + 1] === LETTER_X) {
      const high = hexDigit(bytes[from + 2]);
      const low = hexDigit(bytes[from + 3]);
      if (high >= 0 && low >= 0) {
        byte = high * 16 + low;
        from += 3;
      }
    }
    bytes[to++] = byte;
  }
  return to;
}

function hexDigit(code: number | undefined): number {
  if (code === undefined) return -1;
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  if (code >= 0x61 && code <= 0x66) return code - 0x61 + 10;
  if (code >= 0x41 && code <= 0x46) return code - 0x41 + 10;
  return -1;
}

/** A latin1 string of bytes above 0x7f: only recordings that passed through an editor have them. */
function hasHighBytes(raw: string): boolean {
  return !isAscii(Buffer.from(raw, "latin1"));
}
