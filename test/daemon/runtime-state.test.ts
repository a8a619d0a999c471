import assert from "node:assert/strict";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import {
  processBeginning,
  type RuntimeState,
  readRuntimeState,
  removeRuntimeFile,
  writeRuntimeState,
} from "../../src/daemon/runtime-state.ts";

const directory = mkdtempSync(join(tmpdir(), "runtime-state-"));
after(() => rmSync(directory, { recursive: true }));
const file = join(directory, "state.json");

const STATE: RuntimeState = {
  version: "1.0.0",
  pid: process.pid,
  processBegan: processBeginning(process.pid),
  bootId: undefined,
  startedAt: 1,
  writtenAt: 2,
  database: "/history.db",
  sources: [],
  problems: [],
  lastObservationAt: undefined,
  memory: { rssBytes: 1, heapBytes: 1 },
};

test("a state is that of a running service only while the very process runs that wrote it", () => {
  writeRuntimeState(file, STATE);
  assert.equal(readRuntimeState(file)?.running, true);
  writeRuntimeState(file, { ...STATE, processBegan: `${Number(STATE.processBegan) + 1}` });
  assert.equal(readRuntimeState(file)?.running, false, "the number was given to another process");
  writeRuntimeState(file, { ...STATE, pid: 2 ** 30 });
  assert.equal(readRuntimeState(file)?.running, false);
});

test("a state of an earlier version, which did not say when its process began, is taken by its number", () => {
  const { processBegan, ...older } = STATE;
  writeRuntimeState(file, older);
  assert.notEqual(processBegan, undefined);
  assert.equal(readRuntimeState(file)?.running, true);
});

test("a state in a directory that others may write to is nobody's, and none is written through a link", () => {
  writeRuntimeState(file, STATE);
  chmodSync(directory, 0o777);
  assert.equal(readRuntimeState(file), undefined);
  assert.match(writeRuntimeState(file, STATE) ?? "", /others may write to/);
  chmodSync(directory, 0o700);
  const other = join(directory, "other");
  writeFileSync(other, "mine");
  symlinkSync(other, `${file}.new`);
  assert.equal(writeRuntimeState(file, STATE), undefined);
  assert.equal(readFileSync(other, "utf8"), "mine");
  assert.equal(readRuntimeState(file)?.running, true);
  assert.equal(statSync(file).mode & 0o777, 0o600);
});

test("what no service wrote is no state", () => {
  for (const text of [
    "",
    "null",
    '{"pid":1}',
    '"state"',
    "\u0000\u0001",
    JSON.stringify({ ...STATE, sources: 1 }),
  ]) {
    writeFileSync(file, text);
    assert.equal(readRuntimeState(file), undefined, text);
  }
});

test("a directory in its place is told when it is written and does not disturb the end", () => {
  const blocked = join(directory, "blocked");
  mkdirSync(join(blocked, "in it"), { recursive: true });
  assert.match(writeRuntimeState(blocked, STATE) ?? "", /EISDIR|ENOTEMPTY/);
  removeRuntimeFile(blocked);
  assert.equal(readRuntimeState(blocked), undefined);
});
