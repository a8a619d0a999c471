import assert from "node:assert/strict";
import { test } from "node:test";
import { bootId, vmName } from "../../src/model/identifiers.ts";
import { parseUpid, type Task } from "../../src/proxmox/task.ts";
import { createTaskMemory, type TaskMemory } from "../../src/sources/proxmox-resume.ts";

const BOOT = bootId("boot-1");
const T0 = 1_800_000_000;
function task(seconds: number, vmid = 101): Task {
  const upid = `UPID:pve:00001000:00000000:${(T0 + seconds).toString(16).toUpperCase()}:qmstart:${vmid}:root@pam:`;
  const parsed = parseUpid(upid);
  assert.ok(parsed);
  return parsed;
}
const restarted = (memory: TaskMemory, open: readonly Task[] = [], boot = BOOT) => {
  const { key, value } = memory.resume(open.map(({ upid }) => upid));
  return createTaskMemory(boot, new Map([[key, value]]));
};

test("what was read to its end is done after a restart, what was open is not", () => {
  const memory = createTaskMemory(BOOT, new Map());
  for (const seconds of [100, 115, 120]) memory.done(task(seconds));
  const again = restarted(memory, [task(50), task(116)]);
  const done = [49, 50, 100, 109, 110, 115, 116, 120, 121].filter((seconds) => again.isDone(task(seconds)));
  // Within ten seconds of the youngest only those that were read; what is older was, unless it is open.
  assert.deepEqual(done, [49, 100, 109, 115, 120]);
  again.done(task(50));
  assert.equal(again.isDone(task(50)), true);
  again.done(task(10));
  assert.equal(again.isDone(task(121)), false, "an old one that ends late moves nothing back");
  assert.equal(restarted(again).isDone(task(109)), true);
});

test("the VMs that run are known after a restart; of another boot, or of nonsense, nothing is", () => {
  const memory = createTaskMemory(BOOT, new Map());
  memory.running.set("101", vmName("101 (win11)"));
  memory.done(task(0));
  assert.deepEqual([...restarted(memory).running], [["101", "101 (win11)"]]);
  const other = restarted(memory, [], bootId("boot-2"));
  assert.deepEqual([[...other.running], other.isDone(task(-100))], [[], false]);
  const { key } = memory.resume([]);
  for (const value of [
    "{",
    "null",
    "[]",
    JSON.stringify({ boot: BOOT, through: "x", recent: 7, open: [3], running: [["101"], "x", 5] }),
  ]) {
    const made = createTaskMemory(BOOT, new Map([[key, value]]));
    assert.deepEqual([[...made.running], made.isDone(task(0))], [[], false], value);
  }
});
