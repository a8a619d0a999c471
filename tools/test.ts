import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { availableParallelism } from "node:os";
import { keepStripped, withStrippedTypes } from "./keep-stripped.ts";

// Runs the tests with the Node that runs this. Usage: test.ts [PATTERN …]; without one, all that need nothing of the
// machine. Node's runner leaves one core idle, which on two cores takes twice as long.

const EVERY_TEST = "test/**/*.test.ts";

function main(patterns: readonly string[]): void {
  keepStripped();
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
      env: withStrippedTypes(process.env),
    },
  );
  process.exitCode = status ?? 1;
}

main(process.argv.slice(2));
