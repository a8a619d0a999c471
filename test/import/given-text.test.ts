import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { textOfGiven } from "../../src/import/given-text.ts";
import { makeZip } from "./make-zip.ts";

const LIMIT = 1_000_000;

async function textOf(bytes: Buffer, limit = LIMIT) {
  const given = await textOfGiven(bytes, "given", limit);
  assert.equal(given.state, "text", given.state === "refused" ? given.why : "");
  return given.state === "text" ? given : { text: "", files: [], notes: [] };
}

async function refusalOf(bytes: Buffer, limit = LIMIT): Promise<string> {
  const given = await textOfGiven(bytes, "given", limit);
  return given.state === "refused" ? given.why : "not refused";
}

test("text is text, in the encodings that people have and packed with gzip", async () => {
  assert.equal((await textOf(Buffer.from("größer\n"))).text, "größer\n");
  assert.equal((await textOf(gzipSync("größer\n"))).text, "größer\n");
  const utf16 = Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from("größer\n", "utf16le")]);
  assert.equal((await textOf(utf16)).text, "größer\n");
});

test("of Unraid's diagnostics what was said is taken, the older boot first, and nothing else", async () => {
  const zip = makeZip([
    { name: "tower-diagnostics-20261123-1422/qemu/Windows 11.txt", content: "said by QEMU" },
    { name: "tower-diagnostics-20261123-1422/logs/syslog.txt", content: "this boot" },
    { name: "tower-diagnostics-20261123-1422/logs/syslog.1.txt", content: "earlier in this boot" },
    { name: "tower-diagnostics-20261123-1422/logs/syslog-previous.txt", content: "the boot before" },
    { name: "tower-diagnostics-20261123-1422/system/lspci.txt", content: "a list of devices" },
    { name: "tower-diagnostics-20261123-1422/config/ident.cfg", content: "NAME=x" },
  ]);
  const { text, files } = await textOf(zip);
  assert.deepEqual(text.split("\n").filter(Boolean), [
    "the boot before",
    "earlier in this boot",
    "this boot",
    "said by QEMU",
  ]);
  assert.deepEqual(files, [
    "logs/syslog-previous.txt",
    "logs/syslog.1.txt",
    "logs/syslog.txt",
    "qemu/Windows 11.txt",
  ]);
});

test("of any other archive the logs are taken; one without any is refused", async () => {
  const zip = makeZip([
    { name: "photo.jpg", content: "no log" },
    { name: "a/dmesg", content: "said by the kernel" },
    { name: "a/vm.log", content: "said by QEMU" },
  ]);
  assert.deepEqual((await textOf(zip)).files, ["a/dmesg", "a/vm.log"]);
  assert.match(await refusalOf(makeZip([{ name: "photo.jpg", content: "no log" }])), /without any log/);
});

test("what unpacks to more than anybody reads is refused, or left out and said", async () => {
  assert.match(await refusalOf(gzipSync(Buffer.alloc(20_000)), 10_000), /too large when it is unpacked/);
  const zip = makeZip([
    { name: "a.log", content: "x".repeat(900) },
    { name: "b.log", content: "y".repeat(900) },
  ]);
  const { files, notes } = await textOf(zip, 1_000);
  assert.deepEqual(files, ["a.log"]);
  assert.match(notes.join(), /b\.log and what comes after it were not read/);
  assert.match(await refusalOf(Buffer.from("1f8b0800deadbeef", "hex")), /damaged/);
});
