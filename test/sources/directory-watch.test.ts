import assert from "node:assert/strict";
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { createVirtualClock } from "../../src/clock.ts";
import {
  type ChangeWatcher,
  createDirectoryWatch,
  describeWatch,
} from "../../src/sources/directory-watch.ts";
import { atEnd, temporaryDirectory, until } from "./observed.ts";

test("where inotify is used up it polls instead, and says so", async (context) => {
  const directory = temporaryDirectory(context);
  const opened: boolean[] = [];
  const openWatcher = async (_path: string, options: { usePolling?: boolean }): Promise<ChangeWatcher> => {
    const polling = options.usePolling === true;
    opened.push(polling);
    return {
      on(event, listener) {
        const error = Object.assign(new Error("no space left"), { code: "ENOSPC" });
        if (event === "error" && !polling) setImmediate(() => listener(error));
        if (event === "ready" && polling) setImmediate(() => listener());
      },
      close: async () => {},
    };
  };
  const clock = createVirtualClock(0);
  const watch = createDirectoryWatch({ directory, clock, onWake: () => {}, openWatcher });
  await watch.start();
  atEnd(context, () => watch.stop());
  assert.deepEqual(opened, [false, true]);
  assert.deepEqual(watch.state(), { state: "watching", polling: true });
  assert.match(describeWatch(watch), /max_user_watches/);
});

test("a directory that is swapped for another is watched in its place", async (context) => {
  const root = temporaryDirectory(context, "logs");
  const directory = join(root, "logs");
  let wakes = 0;
  const watch = createDirectoryWatch({ directory, clock: createVirtualClock(0), onWake: () => void wakes++ });
  await watch.start();
  atEnd(context, () => watch.stop());
  renameSync(directory, join(root, "old"));
  await until(() => watch.state().state === "missing", "the watch has noticed that it went");
  mkdirSync(directory);
  await until(() => watch.state().state === "watching", "the new one is watched");
  const before = wakes;
  writeFileSync(join(directory, "a"), "");
  await until(() => wakes > before, "a change in the new one is noticed");
});

test("a directory that is made anew at once, or whose parent is, is watched in its place", async (context) => {
  const root = temporaryDirectory(context, "above", "logs");
  const above = join(root, "above");
  const directory = join(above, "logs");
  let wakes = 0;
  const watch = createDirectoryWatch({ directory, clock: createVirtualClock(0), onWake: () => void wakes++ });
  await watch.start();
  atEnd(context, () => watch.stop());
  const changes: readonly (() => void)[] = [
    () => rmSync(directory, { recursive: true }),
    () => rmSync(above, { recursive: true }),
    () => renameSync(directory, join(above, "old")),
    () => renameSync(above, join(root, "old")),
  ];
  for (const [index, remove] of changes.entries()) {
    let before = wakes;
    remove();
    // A file system gives the number of what was just removed to what is made next.
    mkdirSync(directory, { recursive: true });
    await until(() => wakes > before, `the new one is noticed (${index})`);
    await until(() => watch.state().state === "watching", `the new one is watched (${index})`);
    before = wakes;
    // Once it is watched; a watch that is being set up looks again when it is.
    await until(() => {
      writeFileSync(join(directory, "a"), "x");
      return wakes > before + 1;
    }, `a change in the new one is noticed (${index})`);
  }
});

test("without any event it looks now and then", async (context) => {
  const directory = temporaryDirectory(context);
  const clock = createVirtualClock(0);
  let wakes = 0;
  const watch = createDirectoryWatch({ directory, clock, onWake: () => void wakes++ });
  await watch.start();
  atEnd(context, () => watch.stop());
  clock.moveTo(59_999);
  assert.equal(wakes, 0);
  clock.moveTo(60_000);
  await until(() => wakes === 1, "it has looked");
});
