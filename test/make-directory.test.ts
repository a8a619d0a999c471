import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { makeDirectory } from "../src/make-directory.ts";

test("a directory is made with those above it, and made again without a word", (context) => {
  const root = mkdtempSync(join(tmpdir(), "vfio-watch-directory-"));
  context.after(() => rmSync(root, { recursive: true, force: true }));
  makeDirectory(join(root, "a", "b"), 0o700);
  makeDirectory(join(root, "a", "b"), 0o700);
  assert.equal(statSync(join(root, "a", "b")).mode & 0o777, 0o700);
});

test("a place where nothing can be made is refused instead of tried for ever", {
  skip: !existsSync("/proc/self") && "there is no /proc",
}, () => {
  assert.throws(() => makeDirectory("/proc/vfio-watch/state", 0o700), /ENOENT|EACCES|EPERM/);
});
