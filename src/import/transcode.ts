import { StringDecoder } from "node:string_decoder";

/** Turns the bytes of a text file into UTF-8, piece by piece. */
export interface Transcoder {
  push(bytes: Buffer): Buffer;
  end(): Buffer;
}

const MARK_LENGTH = 3;

/**
 * Makes the transcoder of one file. Windows writes UTF-16 where a log is copied over or redirected into a file, with a
 * mark in front that says in which order its bytes stand; it also marks UTF-8. Everything else is taken as UTF-8.
 */
export function createTranscoder(): Transcoder {
  let head: Buffer | undefined = Buffer.alloc(0);
  let decode: ((bytes: Buffer) => Buffer) | undefined;

  function begin(bytes: Buffer): Buffer {
    head = undefined;
    if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return bytes.subarray(3);
    const isLittle = bytes[0] === 0xff && bytes[1] === 0xfe;
    const isBig = bytes[0] === 0xfe && bytes[1] === 0xff;
    if (!isLittle && !isBig) return bytes;
    decode = isLittle ? fromLittleEndian() : fromBigEndian();
    return decode(bytes.subarray(2));
  }

  return {
    push(bytes) {
      if (head === undefined) return decode === undefined ? bytes : decode(bytes);
      head = Buffer.concat([head, bytes]);
      return head.length < MARK_LENGTH ? Buffer.alloc(0) : begin(head);
    },
    // Half a character at the end is nothing.
    end: () => (head === undefined ? Buffer.alloc(0) : begin(head)),
  };
}

function fromLittleEndian(): (bytes: Buffer) => Buffer {
  const decoder = new StringDecoder("utf16le");
  return (bytes) => Buffer.from(decoder.write(bytes));
}

function fromBigEndian(): (bytes: Buffer) => Buffer {
  const little = fromLittleEndian();
  let odd: Buffer = Buffer.alloc(0);
  return (bytes) => {
    const all = Buffer.concat([odd, bytes]);
    odd = Buffer.from(all.subarray(all.length & ~1));
    return little(all.subarray(0, all.length & ~1).swap16());
  };
}
