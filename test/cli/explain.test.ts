import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { gzipSync } from "node:zlib";
import { EXIT } from "../../src/cli/command.ts";
import { runProgram } from "../helpers/command-io.ts";
import { makeZip } from "../import/make-zip.ts";

const directory = mkdtempSync(join(tmpdir(), "explain-"));
after(() => rmSync(directory, { recursive: true }));
const env = { VFIO_WATCH_ROOT: directory };

const FAILURE =
  "qemu-system-x86_64: vfio 0000:01:00.0: failed to setup container for group 8: Failed to set group container: Invalid argument\n";

function explain(content: string | Uint8Array, name = "log") {
  const file = join(directory, name);
  writeFileSync(file, content);
  return runProgram(["explain", file], env);
}

test("a log is explained alike as text, packed with gzip, in UTF-16 and from standard input", async () => {
  const { code, out } = await explain(FAILURE);
  assert.equal(code, EXIT.findings);
  assert.match(out, /0000:01:00\.0/);
  const utf16 = Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(FAILURE, "utf16le")]);
  assert.equal((await explain(gzipSync(FAILURE), "log.gz")).out, out);
  assert.equal((await explain(utf16)).out, out);
  assert.equal((await runProgram(["explain"], env, { input: FAILURE })).out, out);
});

test("what is packed otherwise is named with its remedy, and never called free of errors", async () => {
  for (const [magic, said] of [
    ["fd377a585a00", /packed with xz \(unpack it with 'xz -dk'\)/],
    ["28b52ffd", /zstd/],
    ["425a6839", /bzip2/],
    ["04224d18", /lz4/],
    ["504b0304", /is a ZIP archive without any log/],
  ] as const) {
    const { code, out, err } = await explain(Buffer.concat([Buffer.from(magic, "hex"), Buffer.alloc(100)]));
    assert.equal(code, EXIT.failure);
    assert.equal(out, "");
    assert.match(err, said);
  }
});

test("of a long log all that is known is explained, wherever it stands", async () => {
  const calm = "Jan  1 00:00:00 tower kernel: all is well\n".repeat(60_000);
  const { code, out, err } = await explain(`${calm}${FAILURE}${calm}`);
  assert.equal(code, EXIT.findings);
  assert.match(out, /0000:01:00\.0/);
  assert.doesNotMatch(out, /were not looked at/);
  assert.equal(err, "");
});

test("of a log without end the beginning is read, from a file and through a pipe", async () => {
  const input = "x\n".repeat(4_100_000);
  const piped = await runProgram(["explain"], env, { input: `${FAILURE}${input}` });
  assert.equal(piped.code, EXIT.findings);
  assert.match(piped.err, /100 \d{3} lines left out behind the first 4 000 000 lines/);
  const { code, out, err } = await explain(`${FAILURE}${input}`);
  assert.equal(code, EXIT.findings);
  assert.match(out, /0000:01:00\.0/);
  assert.match(err, /100 \d{3} lines left out behind the first 4 000 000 lines/);
  assert.doesNotMatch((await explain(input)).err, /is empty/);
});

test("a log that unpacks to much more than it is stays bounded, packed with gzip or in an archive", async () => {
  const calm = Buffer.alloc(24 * 1024 * 1024, "Jan  1 00:00:00 tower kernel: all is well\n");
  const log = Buffer.concat([Buffer.from(FAILURE), calm]);
  for (const bytes of [gzipSync(log), makeZip([{ name: "logs/syslog.txt", content: log }])]) {
    assert.ok(bytes.length < 100_000);
    const { code, out } = await explain(bytes);
    assert.equal(code, EXIT.findings);
    assert.match(out, /0000:01:00\.0/);
  }
});
