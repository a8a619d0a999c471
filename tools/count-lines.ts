/**
 * Counts the lines of code, without comments and blank ones, of the rooms that say what a host is and what broke it: at
 * a revision, and in the work tree. Usage: `node tools/count-lines.ts [REVISION]`; the revision is HEAD where none is
 * named.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** Whole rooms, and of others the files that belong to the question, whatever release they are of. */
const ROOMS: Readonly<Record<string, RegExp>> = {
  "src/history": /^src\/history\//,
  "src/host": /^src\/host\//,
  "src/facts": /^src\/facts\//,
  "src/answer": /^src\/answer\//,
  "src/store, snapshots":
    /^src\/store\/(?:snapshots|snapshot-store|fact-sets|varying-facts|series|spans|fact-values|unpack-fact-sets)\.ts$/,
  "src/report, host sections":
    /^src\/report\/(?:host-facts|host-sections|hardware-section|iommu-section|kernel-section)\.ts$/,
  "src/import, past host":
    /^src\/import\/(?:known-host|past-host-state|past-boot|diagnostics-host|lspci)\.ts$/,
};

function git(...parameters: readonly string[]): string {
  return execFileSync("git", parameters, { encoding: "utf8", maxBuffer: 64 * 1024 ** 2 });
}

/** The formatter leaves every comment on lines of its own, or behind code on the same line. */
function codeLines(text: string): number {
  let lines = 0;
  let isComment = false;
  for (const line of text.split("\n").map((one) => one.trim())) {
    if (isComment) {
      isComment = !line.endsWith("*/");
      continue;
    }
    if (line.startsWith("/*")) isComment = !line.endsWith("*/");
    else if (line !== "" && !line.startsWith("//")) lines += 1;
  }
  return lines;
}

function count(files: readonly string[], read: (path: string) => string): ReadonlyMap<string, number> {
  const counts = new Map<string, number>([["all of src", 0]]);
  for (const path of files.filter((file) => /^src\/.*\.ts$/.test(file))) {
    const lines = codeLines(read(path));
    counts.set("all of src", (counts.get("all of src") ?? 0) + lines);
    for (const [room, pattern] of Object.entries(ROOMS))
      if (pattern.test(path)) counts.set(room, (counts.get(room) ?? 0) + lines);
  }
  return counts;
}

const [, , revision = "HEAD"] = process.argv;
const then = count(git("ls-tree", "-r", "--name-only", revision).split("\n"), (path) =>
  git("show", `${revision}:${path}`),
);
const now = count(
  git("ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate").split("\n"),
  (path) => {
    try {
      return readFileSync(path, "utf8");
    } catch {
      // Deleted and not committed yet.
      return "";
    }
  },
);
const sum = (counts: ReadonlyMap<string, number>) =>
  Object.keys(ROOMS).reduce((all, room) => all + (counts.get(room) ?? 0), 0);
const row = (name: string, before: number, after: number) =>
  console.log(
    `${name.padEnd(28)} ${String(before).padStart(7)} ${String(after).padStart(7)} ${String(after - before).padStart(7)}`,
  );
console.log(`${"lines of code".padEnd(28)} ${revision.slice(0, 7).padStart(7)}     now  change`);
for (const room of Object.keys(ROOMS)) row(room, then.get(room) ?? 0, now.get(room) ?? 0);
row("together", sum(then), sum(now));
row("all of src", then.get("all of src") ?? 0, now.get("all of src") ?? 0);
