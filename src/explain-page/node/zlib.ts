import { Buffer } from "buffer";
import { Gunzip, Inflate } from "fflate";

/*
 * What the bundled rooms ask of Node's `zlib`: unpacking in one go up to a limit, and as a stream that gives what stands
 * before damage.
 */

export const constants = { Z_SYNC_FLUSH: 2 };

/** Unpacks gzip; more than `maxOutputLength` bytes is an error as Node throws it. */
export function gunzipSync(bytes: Uint8Array, options: { readonly maxOutputLength?: number } = {}): Buffer {
  const parts: Uint8Array[] = [];
  let length = 0;
  const engine = new Gunzip((part) => {
    length += part.length;
    if (length > (options.maxOutputLength ?? Number.POSITIVE_INFINITY))
      throw Object.assign(new RangeError("too large"), { code: "ERR_BUFFER_TOO_LARGE" });
    parts.push(part);
  });
  for (let at = 0; at < bytes.length; at += CHUNK)
    engine.push(bytes.subarray(at, at + CHUNK), at + CHUNK >= bytes.length);
  return Buffer.concat(parts);
}

/** So much is unpacked before a limit is looked at. */
const CHUNK = 64 * 1024;

type Listener = (part: Buffer) => void;

/** A stream of raw deflate with those parts of Node's interface that are used. */
export function createInflateRaw(_options: object): {
  on(event: "data" | "error" | "end", listener: Listener): void;
  removeAllListeners(event: string): void;
  destroy(): void;
  end(bytes: Uint8Array): void;
} {
  const listeners = new Map<string, Listener>();
  let isDestroyed = false;
  const tell = (event: string, part = Buffer.alloc(0)) => listeners.get(event)?.(part);
  return {
    on(event, listener) {
      listeners.set(event, listener);
    },
    removeAllListeners(event) {
      listeners.delete(event);
    },
    destroy() {
      isDestroyed = true;
    },
    end(bytes) {
      const engine = new Inflate((part) => tell("data", Buffer.from(part)));
      try {
        // Never said to be the last: data that break off are no error, as with Z_SYNC_FLUSH.
        for (let at = 0; at < bytes.length && !isDestroyed; at += CHUNK)
          engine.push(bytes.subarray(at, at + CHUNK), false);
      } catch {
        if (!isDestroyed) tell("error");
        return;
      }
      if (!isDestroyed) tell("end");
    },
  };
}

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/** The checksum of ZIP archives; `before` is that of what stands in front. */
export function crc32(bytes: Uint8Array, before = 0): number {
  let value = (before ^ 0xffffffff) >>> 0;
  for (const byte of bytes) value = (TABLE[(value ^ byte) & 0xff] ?? 0) ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}
