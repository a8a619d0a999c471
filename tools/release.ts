import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

/** What keeps a release from being made, in a sentence that says what to do. */
export class ReleaseRefused extends Error {}

const UNRELEASED = "## Unreleased\n";

/**
 * Makes the commit of a release in the checkout at `root`: "Unreleased" of the changes becomes the version with its day,
 * `package.json` and the lock file get it. Throws `ReleaseRefused` where something of that would not be right.
 */
export function commitRelease(root: string, version: string, day: string): void {
  const git = gitIn(root);
  const { version: before } = manifestOf(root);
  if (!/^\d+\.\d+\.\d+$/.test(version)) refuse(`'${version}' is no version; it has three numbers: 0.2.0`);
  // The first release may have the number that stands there already.
  if (isLower(version, before)) refuse(`${version} is lower than ${before} in package.json`);
  if (hasTag(root, version))
    refuse(`v${version} is released already; what is wrong in it is mended by the next one`);
  if (git("status", "--porcelain") !== "")
    refuse("there are changes that are not committed; commit them first");
  const file = join(root, "CHANGELOG.md");
  const changes = readFileSync(file, "utf8");
  const [, unreleased = ""] = changes.split(UNRELEASED);
  if (!/^- /m.test(unreleased.split(/^## /m)[0] ?? ""))
    refuse("CHANGELOG.md has nothing under 'Unreleased'; without a change there is nothing to release");
  writeFileSync(file, changes.replace(UNRELEASED, `## ${version} (${day})\n`));
  for (const name of ["package.json", "package-lock.json"]) {
    const path = join(root, name);
    const text = readFileSync(path, "utf8");
    // Its own version stands first; in the lock file once more, for the package itself.
    const times = name === "package.json" ? 1 : 2;
    let left = times;
    writeFileSync(
      path,
      text.replace(/"version": "[^"]*"/g, (was) => (left-- > 0 ? `"version": "${version}"` : was)),
    );
  }
  git(
    "commit",
    "--quiet",
    "--message",
    `Release ${version}`,
    "CHANGELOG.md",
    "package.json",
    "package-lock.json",
  );
}

/**
 * Tags the commit of the release that the checkout at `root` is at, and gives the tag's name. Throws `ReleaseRefused` where
 * it is at another commit, or version, changes and lock file do not agree.
 */
export function tagRelease(root: string): string {
  const git = gitIn(root);
  const { version } = manifestOf(root);
  const [, newest] = /^## (.*)$/m.exec(readFileSync(join(root, "CHANGELOG.md"), "utf8")) ?? [];
  const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
  if (git("status", "--porcelain") !== "") refuse("there are changes that are not committed");
  if (git("log", "-1", "--format=%s") !== `Release ${version}`)
    refuse(`this is not the commit 'Release ${version}'; check that out`);
  if (newest?.startsWith(`${version} (`) !== true)
    refuse(`CHANGELOG.md begins with '${newest}', not with ${version}`);
  if (lock.version !== version || lock.packages[""].version !== version)
    refuse(`package-lock.json has another version than package.json (${version})`);
  if (hasTag(root, version)) refuse(`v${version} is there already; a tag is never moved`);
  git("tag", "--annotate", `v${version}`, "--message", `vfio-watch ${version}`);
  return `v${version}`;
}

function manifestOf(root: string): { readonly version: string } {
  return JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
}

function hasTag(root: string, version: string): boolean {
  return gitIn(root)("tag", "--list", `v${version}`) !== "";
}

function gitIn(root: string): (...args: readonly string[]) => string {
  return (...args) => execFileSync("git", args, { cwd: root, encoding: "utf8" }).trim();
}

function isLower(version: string, than: string): boolean {
  const [a, b] = [version, than].map((text) => text.split(".").map(Number));
  const at = a?.findIndex((part, index) => part !== b?.[index]) ?? -1;
  return at >= 0 && (a?.[at] ?? 0) < (b?.[at] ?? 0);
}

function refuse(why: string): never {
  throw new ReleaseRefused(why);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values, positionals } = parseArgs({
    options: { tag: { type: "boolean" } },
    allowPositionals: true,
  });
  const root = fileURLToPath(new URL("..", import.meta.url));
  const [version] = positionals;
  try {
    if (values.tag === true) console.log(`${tagRelease(root)}: push it together with the commit`);
    else if (version === undefined) refuse("name the version, or --tag");
    else commitRelease(root, version, new Date().toISOString().slice(0, 10));
  } catch (error) {
    if (!(error instanceof ReleaseRefused)) throw error;
    console.error(`release: ${error.message}`);
    process.exitCode = 1;
  }
}
