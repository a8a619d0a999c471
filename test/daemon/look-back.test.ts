import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../src/clock.ts";
import { lookBack } from "../../src/daemon/look-back.ts";
import { createHostPaths } from "../../src/host-paths.ts";
import { bootId } from "../../src/model/identifiers.ts";
import { createWorkbench } from "../import/importing.ts";

test("a history that is closed under the look at the boot before is told, but not by a service that ends", async (context) => {
  const bench = createWorkbench(context);
  const told: string[] = [];
  const tell = (line: string) => void told.push(line);
  const log = { error: tell, warn: tell, info: tell, debug: tell, setLevel: () => {}, setFormat: () => {} };
  const options = {
    ...bench.parts,
    paths: createHostPaths(bench.directory),
    clock: systemClock,
    bootId: bootId("now"),
    bootedAt: 0,
  };
  bench.store.close();
  await lookBack(options, log).ended;
  assert.deepEqual(told, ["what the boot before left behind could not be taken in"]);
  const look = lookBack(options, log);
  look.stop();
  await look.ended;
  assert.equal(told.length, 1);
});
