import assert from "node:assert/strict";
import { isIP as ofNode } from "node:net";
import { test } from "node:test";
import { crc32 as crcOfNode, gzipSync } from "node:zlib";
import fc from "fast-check";
import { isIP } from "../../src/explain-page/node/net.ts";
import { crc32, createInflateRaw, gunzipSync } from "../../src/explain-page/node/zlib.ts";

test("what is an address is the same in the page as in Node", () => {
  const part = fc.constantFrom(
    "",
    "0",
    "1",
    "255",
    "256",
    "01",
    "ffff",
    "fe80",
    "g",
    "::",
    ":",
    ".",
    "%",
    "eth0",
    "127.0.0.1",
    "1.2.3",
  );
  const loose = fc.array(part, { maxLength: 12 }).map((parts) => parts.join(""));
  const joined = fc.array(part, { maxLength: 9 }).map((parts) => parts.join(":"));
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6(), loose, joined), (text) => {
      assert.equal(isIP(text), ofNode(text), text);
    }),
    { numRuns: 3000 },
  );
});

test("gzip and checksums are the same in the page as in Node", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 3000 }), (bytes) => {
      assert.deepEqual(new Uint8Array(gunzipSync(gzipSync(bytes))), bytes);
      assert.equal(crc32(bytes), crcOfNode(bytes));
    }),
  );
  assert.throws(() => gunzipSync(gzipSync(Buffer.alloc(300_000)), { maxOutputLength: 100_000 }), {
    code: "ERR_BUFFER_TOO_LARGE",
  });
});

test("a stream that is damaged gives what stands before the damage, and an error", () => {
  const events: string[] = [];
  const engine = createInflateRaw({});
  engine.on("data", () => events.push("data"));
  engine.on("error", () => events.push("error"));
  engine.on("end", () => events.push("end"));
  engine.end(new Uint8Array([0xff, 0xff, 0xff, 0xff]));
  assert.deepEqual(events.at(-1), "error");
});
