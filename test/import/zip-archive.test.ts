import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { openZip } from "../../src/import/zip-archive.ts";
import { makeZip } from "./make-zip.ts";

const FILES = [
  { name: "top/system/lspci.txt", content: "a line of text\r\n".repeat(200) },
  { name: "top/logs/syslog.txt", content: "another line\r\n".repeat(4000) },
  { name: "top/qemu/Windows 11 – größer.txt", content: "third" },
];

async function readAll(
  bytes: Buffer,
): Promise<ReadonlyMap<string, { text: string; problem: string | undefined }>> {
  const zip = openZip(bytes);
  assert.equal(zip.state, "open", zip.state === "refused" ? zip.why : "");
  const found = new Map<string, { text: string; problem: string | undefined }>();
  if (zip.state !== "open") return found;
  for (const entry of zip.entries) {
    const { bytes: content, problem } = await zip.read(entry);
    found.set(entry.name, { text: content.toString("utf8"), problem });
  }
  return found;
}

function refusalOf(bytes: Buffer): string {
  const zip = openZip(bytes);
  return zip.state === "refused" ? zip.why : "not refused";
}

describe("reading ZIP archives", () => {
  it("gives every file as it was packed", async () => {
    const found = await readAll(makeZip(FILES));
    for (const { name, content } of FILES)
      assert.deepEqual(found.get(name), { text: content, problem: undefined });
  });

  it("gives what stands before the break of a download that broke off", async () => {
    const whole = makeZip(FILES);
    const found = await readAll(whole.subarray(0, whole.length - 200));
    assert.equal(found.get("top/system/lspci.txt")?.text, FILES[0]?.content);
    const zip = openZip(whole.subarray(0, whole.length - 200));
    assert.match(zip.state === "open" ? (zip.damage[0] ?? "") : "", /breaks off/);
  });

  it("gives the beginning of a damaged file and says that it is damaged", async () => {
    const lines = Array.from(
      { length: 5_000 },
      (_, index) => `${(index * 2_654_435_761) % 4_294_967_291}`,
    ).join("\n");
    const whole = makeZip([{ name: "a.txt", content: lines }]);
    whole.fill(0xff, whole.length - 3_000, whole.length - 1_000);
    const content = (await readAll(whole)).get("a.txt");
    assert.match(content?.problem ?? "", /damaged|breaks off|more than the archive says/);
    assert.ok((content?.text.length ?? 0) > 1_000);
    assert.ok(lines.startsWith(content?.text.slice(0, 1_000) ?? "nothing"));
  });

  it("refuses paths that lead out, whatever the slash", () => {
    for (const name of [
      "../../etc/passwd",
      "/etc/passwd",
      "a/../../b",
      "..\\..\\b",
      "C:\\windows\\x",
      "a\u0000b",
    ])
      assert.match(refusalOf(makeZip([{ name, content: "x" }])), /leads out/);
  });

  it("refuses sizes that no file of text has, and sizes that cannot be", () => {
    for (const size of [50_000_000, 0x7fffffff])
      assert.match(refusalOf(makeZip([{ name: "a", content: "x", lie: { size } }])), /impossible size/);
    assert.match(refusalOf(makeZip([{ name: "a", content: "x", lie: { size: 0xffffffff } }])), /ZIP64/);
    assert.match(
      refusalOf(makeZip([{ name: "a", content: "x", lie: { compressedSize: 9_999_999 } }])),
      /more bytes than/,
    );
  });

  it("refuses too many files, and files that share their data", () => {
    const many = makeZip(Array.from({ length: 30 }, (_, index) => ({ name: `f${index}`, content: "x" })));
    const few = openZip(many, { entries: 20, entrySize: 1e6 });
    assert.match(few.state === "refused" ? few.why : "", /30 files/);
    const overlapping = makeZip([
      { name: "kernel", content: "0".repeat(5000) },
      { name: "a", content: "0".repeat(5000), lie: { dataOfFirst: true } },
      { name: "b", content: "0".repeat(5000), lie: { dataOfFirst: true } },
    ]);
    assert.match(refusalOf(overlapping), /share the same data/);
  });

  it("stops inflating a file that holds more than it says", async () => {
    const bomb = makeZip([{ name: "a", content: Buffer.alloc(40_000_000), lie: { size: 1000 } }]);
    const [content] = [...(await readAll(bomb)).values()];
    assert.match(content?.problem ?? "", /more than the archive says/);
    assert.ok((content?.text.length ?? 0) <= 1000);
  });

  it("says which file is encrypted or packed in a strange way, and reads the others", async () => {
    const found = await readAll(
      makeZip([
        { name: "secret", content: "x", lie: { flags: 0x0801 } },
        { name: "strange", content: "x", lie: { method: 14 } },
        { name: "plain", content: "here" },
      ]),
    );
    assert.match(found.get("secret")?.problem ?? "", /encrypted/);
    assert.match(found.get("strange")?.problem ?? "", /method 14/);
    assert.equal(found.get("plain")?.text, "here");
  });

  it("refuses what is no archive", () => {
    assert.match(refusalOf(Buffer.from("just text")), /not a ZIP/);
    assert.match(refusalOf(Buffer.alloc(0)), /not a ZIP/);
  });

  it("survives any damage: no throw, no more bytes than the limit", async () => {
    const whole = makeZip(FILES);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 12 }),
        fc.option(fc.nat(whole.length)),
        async (changes, cut) => {
          const bytes = Buffer.from(whole.subarray(0, cut ?? whole.length));
          for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
          const zip = openZip(bytes, { entries: 100, entrySize: 1_000_000 });
          if (zip.state !== "open") return;
          for (const entry of zip.entries) {
            const { bytes: content } = await zip.read(entry);
            assert.ok(content.length <= 1_000_000);
          }
        },
      ),
      { numRuns: 3_000 },
    );
  });
});
