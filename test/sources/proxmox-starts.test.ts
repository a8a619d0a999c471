import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { bootId } from "../../src/model/identifiers.ts";
import type { Observation } from "../../src/model/observation.ts";
import type { RunningQemu } from "../../src/proxmox/read-vms.ts";
import type { Task } from "../../src/proxmox/task.ts";
import { createTaskMemory } from "../../src/sources/proxmox-resume.ts";
import { createProxmoxStarts } from "../../src/sources/proxmox-starts.ts";
import type { TaskNews } from "../../src/sources/proxmox-tasks.ts";
import { definition, GPU } from "../attempts/bench.ts";
import { told } from "./proxmox-bench.ts";

const T0 = Date.UTC(2026, 0, 21, 12);
const BEGINS = "101 (win11) starts with 0000:01:00.0";
const upidOf = (seconds: number, kind = "qmstart") =>
  `UPID:pve:00001000:00000000:${(T0 / 1000 + seconds).toString(16).toUpperCase()}:${kind}:101:root@pam:`;
const task = (seconds: number, kind = "qmstart"): Task => ({
  ...{ upid: upidOf(seconds, kind), pid: 4096, kind, id: "101" },
  startedAt: T0 + seconds * 1000,
});
const line = (text: string, seconds: number, offset = 0) => ({ text, offset, at: T0 + seconds * 1000 });
const said = (...texts: readonly string[]): TaskNews => ({
  lines: texts.map((text, index) => line(text, 1, index)),
  result: undefined,
  isLost: false,
});
const ended = (text: string, seconds: number, failed = true): TaskNews => ({
  lines: [],
  result: { failed, line: line(text, seconds), at: T0 + seconds * 1000 },
  isLost: false,
});
const LOST: TaskNews = { lines: [], result: undefined, isLost: true };

function bench() {
  const seen: Observation[] = [];
  const state = { now: T0, qemu: undefined as RunningQemu | undefined };
  const memory = createTaskMemory(bootId("boot-1"), new Map());
  const starts = createProxmoxStarts({
    ...{ memory, bootId: bootId("boot-1"), now: () => state.now, qemuOf: () => state.qemu },
    qemuVersion: () => "9.0.2",
    give: (observation) => seen.push(observation),
  });
  starts.learn(new Map([["101", definition("101 (win11)", [GPU])]]));
  const news = new Map<string, TaskNews>();
  return {
    ...{ seen, state, memory, starts },
    add: (one: Task) => starts.add({ task: one, read: () => Promise.resolve(news.get(one.upid) ?? said()) }),
    /** Reads on in this task, whose log says so by now. */
    async follow(one: Task, what: TaskNews) {
      news.set(one.upid, what);
      const open = starts.open().find((entry) => entry.task.upid === one.upid);
      assert.ok(open);
      await starts.follow(open);
    },
    told: () => told(seen),
    runs: (seconds: number) => {
      state.qemu = { pid: 5000, since: T0 + seconds * 1000 };
    },
  };
}

describe("while a start of a VM is under way", () => {
  it("another task of it is none until the first has ended", async () => {
    const { add, follow, told } = bench();
    const [first, second] = [task(0), task(1)];
    for (const one of [first, second]) add(one);
    await follow(first, said());
    await follow(second, said("trying to acquire lock..."));
    assert.deepEqual(told(), [BEGINS]);
    await follow(first, ended("TASK ERROR: no", 5));
    await follow(second, said());
    assert.deepEqual(told(), [
      BEGINS,
      "TASK ERROR: no",
      "101 (win11) failed",
      BEGINS,
      "trying to acquire lock...",
    ]);
  });

  it("the VM neither ends nor is found running by itself", async () => {
    const { add, follow, told, starts, state, memory, runs } = bench();
    add(task(0));
    await follow(task(0), said());
    memory.running.set("101", definition("101 (win11)", []).name);
    assert.equal(starts.settleRuns(), false);
    assert.deepEqual([told(), starts.isRunning("101")], [[BEGINS], true]);
    memory.running.delete("101");
    runs(0);
    state.now = T0 + 1_000_000;
    assert.equal(starts.settleRuns(), false);
    assert.equal(starts.isRunning("101"), false);
  });

  it("what was started by another is no failure of this", async () => {
    for (const [since, failed] of [
      [4, false],
      [9, false],
      [10, true],
    ] as const) {
      const { add, follow, told, memory, runs } = bench();
      const one = task(1);
      add(one);
      memory.running.set("101", definition("101 (win11)", []).name);
      runs(since);
      await follow(one, said());
      assert.deepEqual(told(), []);
      await follow(one, ended("TASK ERROR: got timeout", 9));
      assert.equal(told().at(-1), failed ? "101 (win11) failed" : undefined, `${since}`);
    }
  });
});

describe("a start of a VM", () => {
  it("is none of one that runs, by its QEMU or by the task's own word", async () => {
    for (const [isThere, end] of [
      [true, ended("TASK OK", 5, false)],
      [true, ended("TASK ERROR: VM is locked", 5)],
      [false, ended("TASK ERROR: VM 101 already running", 5)],
    ] as const) {
      const { add, follow, told, runs } = bench();
      if (isThere) runs(-1);
      add(task(0));
      if (isThere) await follow(task(0), said("trying"));
      await follow(task(0), end);
      assert.deepEqual(told(), []);
    }
  });

  it("ends the run before it, and has the QEMU and the devices of now", async () => {
    const { add, follow, told, seen, memory } = bench();
    memory.running.set("101", definition("101 (old name)", []).name);
    add(task(3));
    await follow(task(3), ended("TASK OK", 5, false));
    assert.deepEqual(told(), ["101 (old name) stopped, shutdown", BEGINS, "101 (win11) started, booted"]);
    assert.deepEqual(
      seen.map(({ at }) => (at - T0) / 1000),
      [3, 3, 5],
    );
    assert.deepEqual(
      seen.flatMap((one) => (one.kind === "domain-log-start" ? [one.qemuVersion, one.isWhole] : [])),
      ["9.0.2", true],
    );
    assert.equal(new Set(seen.map(({ identity }) => identity)).size, 3);
  });

  it("of a VM that is not configured here is none", async () => {
    const { add, follow, told, starts } = bench();
    starts.learn(new Map());
    add(task(0));
    await follow(task(0), ended("TASK ERROR: no such VM", 1));
    assert.deepEqual([told(), starts.open()], [[], []]);
  });

  it("succeeded though its worker is gone, where the VM runs, and failed where it does not", async () => {
    for (const isThere of [true, false]) {
      const { add, follow, told, runs } = bench();
      add(task(0));
      await follow(task(0), said());
      if (isThere) runs(1);
      await follow(task(0), {
        lines: [],
        result: { failed: true, line: undefined, at: T0 + 9_000 },
        isLost: false,
      });
      assert.deepEqual(told(), [BEGINS, isThere ? "101 (win11) started, booted" : "101 (win11) failed"]);
    }
  });

  it("from the disk is one, and resuming what runs is none", async () => {
    for (const [text, isStart] of [
      ["Resuming suspended VM", true],
      ["something else", false],
    ] as const) {
      const { add, follow, told } = bench();
      const one = task(0, "qmresume");
      add(one);
      await follow(one, said(text, "and more"));
      await follow(one, ended("TASK OK", 2, false));
      assert.equal(told().includes(BEGINS), isStart, text);
    }
  });

  it("is told of no more once its log is lost or its end was read", async () => {
    const { add, follow, starts, memory } = bench();
    for (const [one, last] of [
      [task(0), LOST],
      [task(1), ended("TASK ERROR: no", 2)],
    ] as const) {
      add(one);
      assert.deepEqual([starts.open().length, memory.isDone(one)], [1, false]);
      await follow(one, last);
      assert.deepEqual([starts.open().length, memory.isDone(one)], [0, true]);
    }
  });
});

describe("a run of a VM", () => {
  it("ends with the task that stops it, unless that fails", async () => {
    for (const [kind, detail] of [
      ["qmstop", "destroyed"],
      ["qmreboot", "shutdown"],
      ["qmsuspend", "saved"],
      ["qmigrate", "migrated"],
    ] as const) {
      const { add, follow, told, memory, starts } = bench();
      memory.running.set("101", definition("101 (win11)", []).name);
      for (const [seconds, failed] of [
        [1, true],
        [2, false],
        [3, false],
      ] as const) {
        const one = task(seconds, kind);
        add(one);
        await follow(one, ended(failed ? "TASK ERROR: no" : "TASK OK", seconds, failed));
        assert.equal(starts.isRunning("101"), failed);
      }
      assert.deepEqual(told(), [`101 (win11) stopped, ${detail}`]);
    }
  });

  it("is found a minute after QEMU began, and over when QEMU is gone", () => {
    const { starts, state, runs, told } = bench();
    runs(0);
    state.now = T0 + 59_999;
    assert.equal(starts.settleRuns(), false);
    state.now = T0 + 60_000;
    assert.equal(starts.settleRuns(), true);
    assert.equal(starts.settleRuns(), false);
    starts.learn(new Map([["101", definition("101 (renamed)", [GPU])]]));
    assert.equal(starts.definitions().get("101")?.name, "101 (win11)");
    state.qemu = undefined;
    assert.equal(starts.settleRuns(), false);
    assert.deepEqual(told(), ["101 (win11) stopped, shutdown"]);
    assert.equal(starts.definitions().get("101")?.name, "101 (renamed)");
  });
});
