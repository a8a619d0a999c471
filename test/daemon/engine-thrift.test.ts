import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { createVirtualClock } from "../../src/clock.ts";
import { createFloodGear } from "../../src/daemon/engine-thrift.ts";

function gearOfLines() {
  const clock = createVirtualClock(0);
  const flags: string[] = [];
  const gear = createFloodGear({ clock, setFlags: (flag) => flags.push(flag) });
  const read = (lines: number, milliseconds: number) => {
    for (let line = 0; line < lines; line++) {
      if (line % 1000 === 999) clock.moveTo(clock.now() + (milliseconds * 1000) / lines);
      gear.lineRead();
    }
  };
  return { clock, flags, gear, read };
}

test("only a flood brings the optimizing compiler in, once, and it goes when the flood is over", () => {
  const { clock, flags, gear, read } = gearOfLines();
  read(200_000, 10_000);
  gear.look();
  assert.deepEqual(flags, []);
  read(200_000, 1_000);
  assert.deepEqual(flags, ["--opt"]);
  gear.look();
  assert.deepEqual(flags, ["--opt"]);
  clock.moveTo(clock.now() + 15_000);
  gear.look();
  gear.look();
  assert.deepEqual(flags, ["--opt", "--no-opt"]);
  read(100_000, 500);
  assert.deepEqual(flags, ["--opt", "--no-opt", "--opt"]);
});

test("the flags are ones that this Node understands, and take effect while it runs", () => {
  // V8 ignores a flag that it does not know, and says so on standard error.
  const module = join(import.meta.dirname, "../../src/daemon/engine-thrift.ts");
  const program = `
    import { makeEngineThrifty, createFloodGear } from ${JSON.stringify(module)};
    import { setFlagsFromString } from "node:v8";
    makeEngineThrifty();
    const isOptimized = () => {
      setFlagsFromString("--allow-natives-syntax");
      const f = new Function("n", "let s = 0; for (let i = 0; i < n; i++) s = (s * 31 + i) | 0; return s;");
      const state = new Function("f", "return %GetOptimizationStatus(f)");
      for (let i = 0; i < 20_000; i++) f(1_000);
      return (state(f) & (1 << 6)) !== 0;
    };
    const before = isOptimized();
    const gear = createFloodGear({ clock: { now: () => 0, after: () => () => {} } });
    for (let i = 0; i < 20_000; i++) gear.lineRead();
    console.log(before, isOptimized());`;
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
    encoding: "utf8",
  });
  assert.equal(stdout, "false true\n", stderr);
  assert.doesNotMatch(stderr, /flag/i);
});
