import assert from "node:assert/strict";
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { createFileWatch } from "../../src/store/file-watch.ts";
import { opened, withDirectory } from "./samples.ts";

test("a file that is written is the same; one that is removed or replaced is not", () =>
  withDirectory((directory) => {
    const path = join(directory, "file");
    writeFileSync(path, "a");
    const watch = createFileWatch([path]);
    writeFileSync(path, "longer");
    assert.equal(watch.areDisplaced(), false);
    writeFileSync(`${path}.new`, "b");
    renameSync(`${path}.new`, path);
    assert.equal(
      watch.areDisplaced(),
      false,
      "a number that differs once may be a network file system's whim",
    );
    assert.equal(watch.areDisplaced(), true);
    rmSync(path);
    assert.equal(watch.areDisplaced(), true);
  }));

test("a file that comes later, and a directory that cannot be looked into, prove nothing", () =>
  withDirectory((directory) => {
    const path = join(directory, "place", "file");
    const watch = createFileWatch([path]);
    assert.equal(watch.areDisplaced(), false);
    mkdirSync(join(directory, "place"));
    writeFileSync(path, "a");
    assert.equal(watch.areDisplaced(), false);
    rmSync(path);
    assert.equal(watch.areDisplaced(), true);
  }));

for (const part of ["", "-wal", ".lock"]) {
  test(`a store notices that history.db${part} was removed under it`, () =>
    withDirectory((directory) => {
      const path = join(directory, "history.db");
      const store = opened(path);
      store.meta.set("a", "b");
      assert.equal(store.isDisplaced(), false);
      rmSync(`${path}${part}`);
      assert.equal(store.isDisplaced(), true);
      store.close();
    }));
}
