/** Cuts a byte stream into lines. */
export interface LineSplitter {
  push(bytes: Buffer): void;
  /** Bytes of the line that has begun but not ended. */
  pending(): number;
}

const NEWLINE = 0x0a;

/**
 * Makes a splitter that gives each line without its newline and with its length in bytes, newline included.
 * A line longer than `limit` bytes is not kept; `overlong` hears of it with its length.
 */
export function createLineSplitter(options: {
  readonly limit: number;
  readonly line: (text: string, bytes: number) => void;
  readonly overlong: (bytes: number) => void;
}): LineSplitter {
  const { limit, line, overlong } = options;
  let begun: Buffer[] = [];
  let length = 0;
  const add = (bytes: Buffer) => {
    length += bytes.length;
    if (length <= limit) begun.push(bytes);
    else begun = [];
  };
  return {
    push(bytes) {
      let at = 0;
      for (;;) {
        const end = bytes.indexOf(NEWLINE, at);
        if (end < 0) break;
        add(bytes.subarray(at, end));
        if (length > limit) overlong(length + 1);
        else line(Buffer.concat(begun).toString("utf8"), length + 1);
        begun = [];
        length = 0;
        at = end + 1;
      }
      // A copy, because the caller may use its buffer again.
      if (at < bytes.length) add(Buffer.from(bytes.subarray(at)));
    },
    pending: () => length,
  };
}
