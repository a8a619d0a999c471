import assert from "node:assert/strict";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { runProgram } from "../helpers/command-io.ts";
import { damagesOf, place, wholeHistory } from "../helpers/damaged-histories.ts";
import { withDirectory } from "../store/samples.ts";

const COMMANDS: readonly (readonly string[])[] = [
  ["status"],
  ["starts"],
  ["show", "12"],
  ["blame"],
  ["blame", "--device", "0000:01:00.0"],
  ["history"],
  ["boots"],
  ["diff", "b20", "b60"],
  ["facts"],
  ["check"],
  ["report"],
  ["report", "--format", "json"],
  ["alerts"],
];
/** More of them, and other ones, for a machine that has the time: DAMAGES=40 DAMAGE_SEED=2. */
const COUNT = Number(process.env.DAMAGES ?? 2);
const SEED = Number(process.env.DAMAGE_SEED ?? 1);

test("every command says of a damaged history that it is damaged, in one document where that is asked for", () =>
  withDirectory(async (directory) => {
    const whole = wholeHistory(directory);
    const told = new Set<string>();
    for (const damage of damagesOf(whole, COUNT, SEED)) {
      for (const command of COMMANDS) {
        const path = join(directory, "damaged.db");
        for (const name of readdirSync(directory))
          if (name.startsWith("damaged.db")) rmSync(join(directory, name));
        place(damage, path);
        const what = `${command.join(" ")} of a history with ${damage.name} (seed ${SEED})`;
        const asJson = command.includes("json") ? [] : ["--json"];
        const { code, out, err } = await runProgram([...command, ...asJson, "--database", path], {
          VFIO_WATCH_ROOT: directory,
        });
        assert.doesNotMatch(err, /please report|^\s+at /m, what);
        assert.doesNotThrow(() => JSON.parse(out), `${what}: ${out.slice(0, 80)}`);
        // It says by 1 that no service runs.
        if (code === 1 && command[0] !== "status") {
          assert.match(err, /damaged|no history|has version|another program|could not be read/, what);
          assert.ok("error" in JSON.parse(out), what);
          told.add(command.join(" "));
        }
      }
    }
    if (COUNT > 1) assert.ok(told.size > 6, [...told].join(", "));
  }));
