import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { fillStripped } from "./stripped-types.mjs";

// Runs the tests with the Node that runs this. Usage: test.ts [PATTERN …]; without one, all that need nothing of the
// machine. The runner of Node leaves one core idle, which on two cores would take twice as long.

const EVERY_TEST = "test/**/*.test.ts";

function main(patterns: readonly string[]): void {
  fillStripped();
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
