import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { createMatcher } from "../../src/diagnosis/matcher.ts";
import { textOfStream } from "../../src/import/given-file.ts";
import { catalogue } from "../helpers/shipped-catalogue.ts";
import { makeZip } from "./make-zip.ts";

const matcher = createMatcher(catalogue);
const REFUSAL =
  "vfio-pci 0000:01:00.0: Firmware has requested this device have a 1:1 IOMMU mapping, rejecting configuring the device without a 1:1 mapping. Contact your platform vendor.";

/** What comes through a pipe, in pieces of this many bytes. */
function piped(bytes: Buffer, piece = 4_000) {
  let given = 0;
  async function* chunks() {
    for (let at = 0; at < bytes.length; at += piece) {
      given = at + piece;
      yield bytes.subarray(at, at + piece);
    }
  }
  return {
    text: () => textOfStream(chunks(), "standard input", () => matcher),
    given: () => given,
  };
}

async function textOf(bytes: Buffer, piece?: number): Promise<string> {
  const given = await piped(bytes, piece).text();
  return given.state === "text" ? given.text : given.why;
}

test("what comes through a pipe is read as a file is: plain, packed, in UTF-16, or an archive", async () => {
  const text = `first\n${REFUSAL}\n`;
  const utf16 = Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(text, "utf16le")]);
  for (const bytes of [Buffer.from(text), gzipSync(text), utf16])
    for (const piece of [1, 3, 4_000]) assert.equal((await textOf(bytes, piece)).trim(), text.trim());
  const archive = makeZip([{ name: "logs/kernel.log", content: text }]);
  assert.match(await textOf(archive, 7), /Firmware has requested/);
  assert.equal(await textOf(Buffer.alloc(0)), "");
  assert.match(await textOf(Buffer.from("fd377a585a000000ff", "hex")), /^is packed with xz/);
});

test("of a long text through a pipe what is known is kept, whatever else comes", async () => {
  const noise = `${"nothing that anybody knows ".repeat(3)}\n`.repeat(60_000);
  const given = await piped(Buffer.from(`${noise}${REFUSAL}\n${noise}`), 64_000).text();
  assert.ok(given.state === "text" && given.text.length < 10_000);
  assert.match(given.text, /Firmware has requested/);
});

test("a packed text through a pipe that breaks off is read as far as it goes", async () => {
  const packed = gzipSync(Array.from({ length: 9_000 }, (_, index) => `${index} ${REFUSAL}\n`).join(""));
  const given = await piped(packed.subarray(0, packed.length - 20)).text();
  assert.ok(given.state === "text");
  assert.match(given.text, /Firmware has requested/);
  assert.match(given.notes.join(), /what came before was read/);
});

test("an archive through a pipe is taken up to a size, and the rest of a longer one is not waited for", async () => {
  const long = Buffer.concat([Buffer.from([0x50, 0x4b, 3, 4]), Buffer.alloc(40 * 1024 ** 2)]);
  const pipe = piped(long, 1024 ** 2);
  const given = await pipe.text();
  assert.ok(given.state === "refused");
  assert.match(given.why, /more than 32 MB; name its file instead/);
  assert.ok(pipe.given() < 34 * 1024 ** 2);
});

test("of one endless line the beginning is looked at, and that it was cut is said", async () => {
  const line = `${REFUSAL} `.repeat(30_000);
  const given = await piped(Buffer.from(line), 64 * 1024).text();
  assert.ok(given.state === "text");
  assert.match(given.text, /Firmware has requested/);
  assert.match(given.notes.join(), /1 overlong line was cut, and only the beginning looked at/);
  assert.ok(given.unread > 0);
});
