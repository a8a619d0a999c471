import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Frame } from "../../src/libvirt/frame.ts";
import { createFrameReader, encodeFrame } from "../../src/libvirt/frame.ts";

const authList: Frame = {
  program: 0x20008086,
  version: 1,
  procedure: 66,
  type: 0,
  serial: 1,
  status: 0,
  payload: Buffer.alloc(0),
};

describe("libvirt frames", () => {
  it("look on the wire as libvirt expects them", () => {
    assert.equal(
      encodeFrame(authList).toString("hex"),
      ["0000001c", "20008086", "00000001", "00000042", "00000000", "00000001", "00000000"].join(""),
    );
  });

  it("are the same however the stream is cut", () => {
    const frame = fc.record(
      {
        program: fc.nat(),
        version: fc.nat(),
        procedure: fc.nat(),
        type: fc.nat(5),
        serial: fc.nat(),
        status: fc.nat(2),
        payload: fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
      },
      { noNullPrototype: true },
    );
    fc.assert(
      fc.property(
        fc.array(frame, { maxLength: 5 }),
        fc.array(fc.integer({ min: 1, max: 30 })),
        (frames, cuts) => {
          const stream = Buffer.concat(frames.map(encodeFrame));
          const reader = createFrameReader();
          const seen: Frame[] = [];
          let position = 0;
          for (const cut of [...cuts, stream.length]) {
            const result = reader.push(stream.subarray(position, position + cut));
            assert.equal(result.malformed, undefined);
            seen.push(...result.frames);
            position += cut;
          }
          assert.deepEqual(seen, frames);
        },
      ),
    );
  });

  it("of impossible length are refused at their first word", () => {
    for (const length of [0, 4, 27, 33_554_437, 0xffffffff]) {
      const word = Buffer.alloc(4);
      word.writeUInt32BE(length);
      assert.match(createFrameReader().push(word).malformed ?? "", new RegExp(`${length} bytes`));
    }
  });

  it("of unknown type or status are refused, those before them are not", () => {
    for (const wrong of [{ type: 6 }, { status: 3 }, { type: 0xffffffff }]) {
      const result = createFrameReader().push(
        Buffer.concat([encodeFrame(authList), encodeFrame({ ...authList, ...wrong })]),
      );
      assert.equal(result.frames.length, 1);
      assert.match(result.malformed ?? "", /type/);
    }
  });

  it("never make the reader throw, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 })), (chunks) => {
        const reader = createFrameReader();
        for (const chunk of chunks) if (reader.push(Buffer.from(chunk)).malformed !== undefined) break;
      }),
    );
  });
});
