import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { newestChanges } from "../../tools/package-unraid.ts";
import { commitRelease, tagRelease } from "../../tools/release.ts";
import { temporaryDirectory } from "../helpers/recorded-tree.ts";

const directory = temporaryDirectory();
after(() => directory.remove());
let made = 0;

/** A checkout with what a release touches. */
function checkout() {
  made += 1;
  const root = join(directory.path, `checkout-${made}`);
  mkdirSync(root);
  const git = (...args: readonly string[]) =>
    execFileSync("git", args, { cwd: root, encoding: "utf8" }).trim();
  const write = (name: string, text: string) => writeFileSync(join(root, name), text);
  write("package.json", '{\n  "name": "vfio-watch",\n  "version": "0.1.0"\n}\n');
  const other = '"node_modules/pg": {\n      "version": "0.1.0"\n    }';
  write(
    "package-lock.json",
    `{\n  "version": "0.1.0",\n  "packages": {\n    "": {\n      "version": "0.1.0"\n    },\n    ${other}\n  }\n}\n`,
  );
  write(
    "CHANGELOG.md",
    "# Changes\n\n## Unreleased\n\n- It does more.\n\n## 0.0.9 (2026-01-02)\n\n- It did.\n",
  );
  git("init", "--quiet", "--initial-branch", "main");
  git("config", "user.name", "somebody");
  git("config", "user.email", "somebody@example.org");
  git("add", ".");
  git("commit", "--quiet", "--message", "Begin");
  return { root, git, text: (name: string) => readFileSync(join(root, name), "utf8") };
}

describe("a release", () => {
  it("is one commit with the version everywhere, and a tag on it", () => {
    const { root, git, text } = checkout();
    commitRelease(root, "0.2.0", "2026-12-01");
    assert.equal(git("log", "-1", "--format=%s"), "Release 0.2.0");
    assert.equal(git("status", "--porcelain"), "");
    assert.match(
      text("CHANGELOG.md"),
      /^# Changes\n\n## 0\.2\.0 \(2026-12-01\)\n\n- It does more\.\n\n## 0\.0\.9/,
    );
    assert.equal(JSON.parse(text("package.json")).version, "0.2.0");
    const { version, packages } = JSON.parse(text("package-lock.json"));
    assert.deepEqual(
      [version, packages[""].version, packages["node_modules/pg"].version],
      ["0.2.0", "0.2.0", "0.1.0"],
    );
    assert.equal(newestChanges(text("CHANGELOG.md"), "0.2.0"), "###0.2.0\n- It does more.");
    assert.equal(tagRelease(root), "v0.2.0");
    assert.equal(git("cat-file", "-t", "v0.2.0"), "tag");
    assert.equal(git("rev-list", "-1", "v0.2.0"), git("rev-parse", "HEAD"));
    assert.throws(() => tagRelease(root), /v0\.2\.0 is there already; a tag is never moved/);
    assert.throws(() => commitRelease(root, "0.2.0", "2026-12-02"), /v0\.2\.0 is released already/);
    assert.throws(() => commitRelease(root, "0.3.0", "2026-12-02"), /nothing under 'Unreleased'/);
  });

  it("may have the number that stands there, where that was never released", () => {
    const { root } = checkout();
    commitRelease(root, "0.1.0", "2026-12-01");
    assert.equal(tagRelease(root), "v0.1.0");
  });

  it("is not made of what is not whole", () => {
    const { root, git } = checkout();
    assert.throws(() => tagRelease(root), /this is not the commit 'Release 0\.1\.0'/);
    for (const version of ["0.2", "v0.2.0", "0.2.0-rc1"])
      assert.throws(() => commitRelease(root, version, "2026-12-01"), /is no version/);
    assert.throws(() => commitRelease(root, "0.0.10", "2026-12-01"), /0\.0\.10 is lower than 0\.1\.0/);
    appendFileSync(join(root, "CHANGELOG.md"), "\n");
    assert.throws(() => commitRelease(root, "0.2.0", "2026-12-01"), /not committed/);
    git("checkout", "--quiet", ".");
    commitRelease(root, "0.2.0", "2026-12-01");
    writeFileSync(join(root, "package.json"), '{ "version": "0.2.1" }\n');
    git("commit", "--quiet", "--all", "--message", "Release 0.2.1");
    assert.throws(
      () => tagRelease(root),
      /CHANGELOG\.md begins with '0\.2\.0 \(2026-12-01\)', not with 0\.2\.1/,
    );
  });
});

it("has this checkout's version in package.json, lock file and, once released, in the changes", () => {
  const here = (name: string) =>
    readFileSync(fileURLToPath(new URL(`../../${name}`, import.meta.url)), "utf8");
  const { version } = JSON.parse(here("package.json"));
  const lock = JSON.parse(here("package-lock.json"));
  assert.deepEqual([lock.version, lock.packages[""].version], [version, version]);
  const [newest = ""] = /^## \d.*$/m.exec(here("CHANGELOG.md")) ?? [];
  assert.ok(newest === "" || newest.startsWith(`## ${version} (`), newest);
});
