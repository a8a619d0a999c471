import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { readBytes, readLink, readNames, readText, readValue } from "../../src/host/read-file.ts";

let directory = "";
before(() => {
  directory = mkdtempSync(join(tmpdir(), "vfio-watch-read-"));
});
after(() => rmSync(directory, { recursive: true, force: true }));

test("a file that is not there is absent, also below something that is no directory", () => {
  writeFileSync(join(directory, "plain"), "x");
  assert.deepEqual(readText(join(directory, "missing")), { state: "absent" });
  assert.deepEqual(readText(join(directory, "plain", "below")), { state: "absent" });
  assert.deepEqual(readNames(join(directory, "missing")), { state: "absent" });
  assert.deepEqual(readLink(join(directory, "missing")), { state: "absent" });
});

test("a file that may not be read says what it would take", { skip: process.getuid?.() === 0 }, () => {
  const path = join(directory, "secret");
  writeFileSync(path, "x");
  chmodSync(path, 0);
  assert.deepEqual(readText(path), { state: "unreadable", why: "needs root" });
});

test("a directory, a plain file for a link and an oversized file are unreadable, never absent", () => {
  mkdirSync(join(directory, "folder"));
  writeFileSync(join(directory, "large"), "x".repeat(101));
  assert.equal(readText(join(directory, "folder")).state, "unreadable");
  assert.equal(readLink(join(directory, "folder")).state, "unreadable");
  assert.deepEqual(readText(join(directory, "large"), 100), {
    state: "unreadable",
    why: "larger than 100 bytes",
  });
  assert.equal(readText(join(directory, "large"), 101).state, "read");
});

test("files of any length come back whole", () => {
  const path = join(directory, "sized");
  for (const size of [0, 1, 4095, 4096, 4097, 16_384, 100_000]) {
    const content = Buffer.alloc(size, 0xa5);
    writeFileSync(path, content);
    const reading = readBytes(path);
    assert.ok(reading.state === "read" && content.equals(reading.value), `${size} bytes`);
  }
});

test("a file of the kernel without a true size is read to its end", () => {
  const reading = readText("/proc/self/status");
  assert.ok(reading.state === "read" && reading.value.includes("VmRSS"));
});

test("a FIFO in the place of a file does not hang the reader", () => {
  const path = join(directory, "fifo");
  execFileSync("mkfifo", [path]);
  assert.deepEqual(readText(path), { state: "read", value: "" });
});

test("values come without the white space around them, links as written", () => {
  writeFileSync(join(directory, "value"), "0x10de\n");
  symlinkSync("../../bus/pci/drivers/vfio-pci", join(directory, "driver"));
  assert.deepEqual(readValue(join(directory, "value")), { state: "read", value: "0x10de" });
  assert.deepEqual(readLink(join(directory, "driver")), {
    state: "read",
    value: "../../bus/pci/drivers/vfio-pci",
  });
});
