import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { createVirtualClock } from "../../src/clock.ts";
import { createHostPaths } from "../../src/host-paths.ts";
import { type BootId, bootId } from "../../src/model/identifiers.ts";
import type { Observation, VfioNodeChange } from "../../src/model/observation.ts";
import type { Source } from "../../src/model/source.ts";
import { createVfioNodesSource } from "../../src/sources/vfio-nodes.ts";
import { observe, temporaryDirectory, until } from "./observed.ts";

const BOOT = bootId("f0000000-0000-4000-8000-00000000000f");
const RECORDING = join(import.meta.dirname, "../fixtures/recordings/good-intel/inotify-dev-vfio.txt");

function sourceOf(root: string, boot: BootId = BOOT): Source {
  return createVfioNodesSource({
    paths: createHostPaths(root),
    clock: createVirtualClock(Date.now()),
    bootId: boot,
  });
}

function nodes(observations: readonly Observation[]): string[] {
  return observations.map((one) => `${(one as VfioNodeChange).change} ${(one as VfioNodeChange).node}`);
}

/** A device node where that is allowed, else a file: both are entries whose mode and coming and going count. */
function makeNode(path: string): void {
  try {
    execFileSync("mknod", ["-m", "0600", path, "c", "10", "196"], { stdio: "ignore" });
  } catch {
    writeFileSync(path, "", { mode: 0o600 });
  }
}

function setUp(context: TestContext): { root: string; vfio: string } {
  const root = temporaryDirectory(context, "dev/vfio");
  const vfio = join(root, "dev/vfio");
  makeNode(join(vfio, "vfio"));
  return { root, vfio };
}

test("nodes come, change and go, and each is told with its group and access", async (context) => {
  const { root, vfio } = setUp(context);
  const source = sourceOf(root);
  const observer = await observe(context, source);
  assert.deepEqual(nodes(observer.observations), ["added vfio"]);
  const told = (count: number) => observer.until((all) => all.length >= count, `${count} changes are told`);
  makeNode(join(vfio, "14"));
  await told(2);
  chmodSync(join(vfio, "14"), 0o666);
  await told(3);
  rmSync(join(vfio, "14"));
  await told(4);
  mkdirSync(join(vfio, "devices"));
  makeNode(join(vfio, "devices/vfio0"));
  await told(5);
  rmSync(join(vfio, "devices/vfio0"));
  await told(6);
  makeNode(join(vfio, "noiommu-0"));
  await told(7);
  assert.deepEqual(nodes(observer.observations).slice(1), [
    "added 14",
    "permissions 14",
    "removed 14",
    "added devices/vfio0",
    "removed devices/vfio0",
    "added noiommu-0",
  ]);
  const [, added, changed, removed, cdev, , unsafe] = observer.observations as VfioNodeChange[];
  assert.deepEqual([added?.group, removed?.group, cdev?.group, unsafe?.group], [14, 14, undefined, 0]);
  assert.deepEqual([added?.access?.mode, changed?.access?.mode, removed?.access], [0o600, 0o666, undefined]);
  assert.match(JSON.stringify(source.health().state), /1 group nodes in/);
});

test("a change of owner is told", { skip: process.getuid?.() !== 0 && "needs root" }, async (context) => {
  const { root, vfio } = setUp(context);
  const observer = await observe(context, sourceOf(root));
  chownSync(join(vfio, "vfio"), 107, 36);
  await observer.until((all) => all.length === 2, "the owner is told");
  const { uid, gid } = (observer.observations[1] as VfioNodeChange).access ?? {};
  assert.deepEqual([uid, gid], [107, 36]);
});

test("a restart tells what is there under the same identities, and what changed meanwhile", async (context) => {
  const { root, vfio } = setUp(context);
  for (const name of ["7", "8", "9"]) makeNode(join(vfio, name));
  const first = sourceOf(root);
  const before = await observe(context, first);
  await first.stop();
  chmodSync(join(vfio, "7"), 0o660);
  rmSync(join(vfio, "8"));
  const after = await observe(context, sourceOf(root), new Map(before.resume));
  const known = new Set(before.observations.map((one) => one.identity));
  const news = after.observations.filter((one) => !known.has(one.identity));
  assert.deepEqual(nodes(news), ["removed 8", "permissions 7"]);
  const third = await observe(context, sourceOf(root), new Map(after.resume));
  assert.deepEqual(nodes(third.observations), ["added 7", "added 9", "added vfio"]);
});

test("another boot's nodes are its own", async (context) => {
  const { root } = setUp(context);
  const first = await observe(context, sourceOf(root));
  const second = await observe(context, sourceOf(root, bootId("another")), new Map(first.resume));
  assert.deepEqual(nodes(second.observations), ["added vfio"]);
  assert.notEqual(second.observations[0]?.identity, first.observations[0]?.identity);
});

test("/dev/vfio may come late, go, and come again", async (context) => {
  const root = temporaryDirectory(context, "dev");
  const source = sourceOf(root);
  const observer = await observe(context, source);
  assert.equal(source.health().state.state, "waiting");
  for (const count of [1, 3]) {
    mkdirSync(join(root, "dev/vfio"));
    makeNode(join(root, "dev/vfio/vfio"));
    await observer.until((all) => all.length === count, "the node is told");
    await until(() => source.health().state.state === "live", "the source is live");
    rmSync(join(root, "dev/vfio"), { recursive: true });
    await until(() => source.health().state.state === "waiting", "the source waits again");
  }
  assert.deepEqual(nodes(observer.observations), [
    "added vfio",
    "removed vfio",
    "added vfio",
    "removed vfio",
  ]);
});

test("the recorded life of the nodes is told as it was", async (context) => {
  const root = temporaryDirectory(context, "dev/vfio");
  const vfio = join(root, "dev/vfio");
  const observer = await observe(context, sourceOf(root));
  const expected: string[] = [];
  for (const line of readFileSync(RECORDING, "utf8").split("\n")) {
    const [, path, event] = /\/dev\/vfio\/(\S+) (CREATE|DELETE)$/.exec(line) ?? [];
    if (path === undefined) continue;
    if (event === "CREATE") makeNode(join(vfio, path));
    else rmSync(join(vfio, path));
    expected.push(`${event === "CREATE" ? "added" : "removed"} ${path}`);
    await observer.until((all) => all.length === expected.length, `${line} is told`);
  }
  assert.ok(expected.length >= 4);
  assert.deepEqual(nodes(observer.observations), expected);
});
