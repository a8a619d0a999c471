import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { createXdrWriter, decodeXdr } from "../../src/libvirt/xdr.ts";

describe("XDR", () => {
  it("is written as RFC 4506 has it", () => {
    const writer = createXdrWriter();
    writer
      .int(-2)
      .string("vm é")
      .optional("a", (text) => writer.string(text))
      .optional(undefined, () => assert.fail("nothing to write"))
      .unsignedHyper(11_003_000n)
      .fixedOpaque(Buffer.from([1, 2, 3]));
    assert.equal(
      writer.bytes().toString("hex"),
      ["fffffffe", "00000005", "766d20c3", "a9000000", "00000001", "00000001", "61000000"].join("") +
        ["00000000", "0000000000a7e478", "01020300"].join(""),
    );
  });

  it("reads back whatever was written", () => {
    const value = fc.record(
      {
        int: fc.integer({ min: -0x80000000, max: 0x7fffffff }),
        unsigned: fc.integer({ min: 0, max: 0xffffffff }),
        hyper: fc.bigInt({ min: 0n, max: 0xffffffffffffffffn }),
        text: fc.string({ unit: "grapheme" }),
        maybe: fc.option(fc.string(), { nil: undefined }),
        opaque: fc.uint8Array({ minLength: 0, maxLength: 40 }),
        list: fc.array(fc.string()),
      },
      { noNullPrototype: true },
    );
    fc.assert(
      fc.property(value, (written) => {
        const writer = createXdrWriter();
        writer
          .int(written.int)
          .unsigned(written.unsigned)
          .unsignedHyper(written.hyper)
          .string(written.text)
          .optional(written.maybe, (text) => writer.string(text))
          .fixedOpaque(written.opaque)
          .array(written.list, (text) => writer.string(text));
        assert.equal(writer.bytes().length % 4, 0);
        const back = decodeXdr(writer.bytes(), (reader) => ({
          int: reader.int(),
          unsigned: reader.unsigned(),
          hyper: reader.unsignedHyper(),
          text: reader.string(10_000),
          maybe: reader.optional(() => reader.string(10_000)),
          opaque: new Uint8Array(reader.fixedOpaque(written.opaque.length)),
          list: reader.array(1000, () => reader.string(10_000)),
        }));
        assert.deepEqual(back, { ok: true, value: written });
      }),
    );
  });

  it("never throws and never reads beyond the end, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        const result = decodeXdr(Buffer.from(bytes), (reader) => [
          reader.optional(() => reader.string(100)),
          reader.array(10, () => reader.string(100)),
          reader.unsignedHyper(),
        ]);
        assert.equal(typeof result.ok, "boolean");
      }),
    );
  });

  it("refuses every cut of a good message", () => {
    const writer = createXdrWriter();
    const whole = writer
      .string("Windows 11")
      .fixedOpaque(Buffer.alloc(16, 7))
      .array([1, 2], (n) => writer.int(n))
      .bytes();
    for (let length = 0; length <= whole.length; length += 1) {
      const result = decodeXdr(whole.subarray(0, length), (reader) => {
        reader.string(100);
        reader.fixedOpaque(16);
        return reader.array(5, () => reader.int());
      });
      assert.equal(result.ok, length === whole.length, `${length} of ${whole.length} bytes`);
    }
  });

  it("refuses lengths beyond their limit before it looks at the content", () => {
    const huge = Buffer.from("ffffffff", "hex");
    const string = decodeXdr(huge, (reader) => reader.string(4096));
    assert.deepEqual(string, { ok: false, why: "string of 4294967295, at most 4096 are allowed" });
    const array = decodeXdr(huge, (reader) => reader.array(20, () => assert.fail("read an item")));
    assert.deepEqual(array, { ok: false, why: "array of 4294967295, at most 20 are allowed" });
    const option = decodeXdr(huge, (reader) => reader.optional(() => assert.fail("read an item")));
    assert.equal(option.ok, false);
  });
});
