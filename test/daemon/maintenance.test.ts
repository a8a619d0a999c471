import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { loadConfigText } from "../../src/config.ts";
import { createServiceLog } from "../../src/daemon/log.ts";
import { createMaintenance } from "../../src/daemon/maintenance.ts";
import type { Store } from "../../src/store/store.ts";

const NOTHING = {
  attempts: 0,
  evidence: 0,
  sightings: 0,
  gaps: 0,
  hotPlugs: 0,
  boots: 0,
  snapshots: 0,
  incidents: 0,
};

/** A history over its cap, of which each run drops three times two starts. */
function overfull() {
  const lines: string[] = [];
  let left = 0;
  const state = { steps: 0, runs: 0 };
  const store = {
    bytes: () => 1e12,
    prune() {
      if (left === 0) {
        state.runs += 1;
        left = 3;
      }
      left -= 1;
      state.steps += 1;
      return { done: left === 0, dropped: { ...NOTHING, attempts: 2 }, bytes: 1e12 };
    },
  } as Partial<Store> as Store;
  const { config } = loadConfigText("PRUNE_SCHEDULE=\nSNAPSHOT_SCHEDULE=\n", {
    where: "test",
    unraid: false,
  });
  const maintenance = createMaintenance({
    ...{ config, store, now: () => 0, snapshot: () => {} },
    log: createServiceLog({
      ...{ level: "info", format: "text", journal: true, write: (line: string) => lines.push(line) },
    }),
  });
  return { maintenance, state, lines };
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await nextTurn();
}

test("retention takes a step a turn, one run at a time, and tells at its end what went", async () => {
  const { maintenance, state, lines } = overfull();
  maintenance.guardSize();
  maintenance.guardSize();
  assert.deepEqual(state, { steps: 1, runs: 1 });
  await turns(6);
  assert.deepEqual(state, { steps: 3, runs: 1 });
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? "", /old history removed.*6/);
  maintenance.guardSize();
  assert.equal(state.runs, 2);
  maintenance.stop();
});

test("a run stops where older material is taken in, and goes on after that", async () => {
  const { maintenance, state } = overfull();
  maintenance.guardSize();
  maintenance.hold(true);
  await turns(6);
  assert.equal(state.steps, 1);
  maintenance.hold(false);
  await turns(6);
  assert.equal(state.steps, 3);
  maintenance.stop();
});

test("nothing touches the history once the service has stopped", async () => {
  const { maintenance, state } = overfull();
  maintenance.guardSize();
  maintenance.stop();
  await turns(6);
  assert.equal(state.steps, 1);
});
