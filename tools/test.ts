import { spawnSync } from "node:child_process";
import { existsSync, globSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { availableParallelism } from "node:os";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { placeOf } from "./stripped-types.mjs";

// Runs the tests with the Node that runs this. Usage: test.ts [PATTERN …]; without one, all that need nothing of the
// machine. Node's runner leaves one core idle, which on two cores takes twice as long.

const EVERY_TEST = "test/**/*.test.ts";

/** Keeps every source without its types; what has not changed is kept already. */
function keepStripped(): void {
  for (const path of globSync(["src/**/*.ts", "test/**/*.ts", "tools/**/*.ts"])) {
    const source = readFileSync(path, "utf8");
    const place = placeOf(source);
    if (existsSync(place)) continue;
    mkdirSync(dirname(place), { recursive: true });
    const unfinished = `${place}.${process.pid}`;
    writeFileSync(unfinished, stripTypeScriptTypes(source));
    renameSync(unfinished, place);
  }
}

function main(patterns: readonly string[]): void {
  keepStripped();
  const hook = fileURLToPath(new URL("stripped-types.mjs", import.meta.url));
  const given = process.env.NODE_OPTIONS;
  const { status } = spawnSync(
    process.execPath,
    [
      "--test",
      "--test-reporter=spec",
      `--test-concurrency=${availableParallelism()}`,
      ...globSync(patterns.length > 0 ? patterns : [EVERY_TEST]),
    ],
    {
      stdio: "inherit",
      env: {
        ...process.env,
        TZ: "UTC",
        NODE_OPTIONS: `${given === undefined ? "" : `${given} `}--import="${hook}"`,
      },
    },
  );
  process.exitCode = status ?? 1;
}

main(process.argv.slice(2));
