import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { createVirtualClock, type VirtualClock } from "../../src/clock.ts";
import { createMatcher } from "../../src/diagnosis/matcher.ts";
import { unknownHost } from "../../src/host/host-reading.ts";
import { hostStateOf } from "../../src/host/host-state.ts";
import { vmName } from "../../src/model/identifiers.ts";
import type { Observation } from "../../src/model/observation.ts";
import { PIPELINE_DEFAULTS } from "../../src/pipeline/options.ts";
import { createPipeline, type Pipeline } from "../../src/pipeline/pipeline.ts";
import { StoreRefusal, type StoreTrouble } from "../../src/store/refusal.ts";
import type { Store } from "../../src/store/store.ts";
import { catalogue } from "../helpers/shipped-catalogue.ts";
import { BOOT, opened, START, withDirectory } from "../store/samples.ts";

const { savePositionsEveryMs } = PIPELINE_DEFAULTS;
const trouble: StoreTrouble = {
  ...{ kind: "disk-full", since: START, until: undefined, times: 1 },
  ...{ why: "The disk is full.", remedy: "Make room." },
};

let lines = 0;
function line(at: number, text = "something"): Observation {
  lines += 1;
  return {
    ...{ kind: "kernel-record", source: "kernel-log", at, exactTime: true, bootId: BOOT, level: 3, text },
    ...{ identity: `kernel:${lines}`, sequence: lines, resume: { key: "kernel", value: `${lines}` } },
  };
}
const failure = (at: number, id: string): Observation => ({
  ...{ kind: "domain-log-end", source: "domain-logs", at, exactTime: true, bootId: BOOT },
  ...{ identity: id, vm: vmName(id), reason: "failed", resume: { key: "log", value: id } },
});

interface Bench {
  readonly clock: VirtualClock;
  readonly store: Store;
  readonly pipeline: Pipeline;
  /** Transactions so far. */
  writes(): number;
  /** The next save of a start is refused by the disk, or fails by a bug. */
  failing: "disk" | "bug" | undefined;
  readonly said: string[];
}

async function withPipeline(use: (bench: Bench) => void): Promise<void> {
  await withDirectory((directory) => {
    const clock = createVirtualClock(START);
    const store = opened(join(directory, "history.sqlite"), { clock });
    let writes = 0;
    const said: string[] = [];
    const counted: Store = {
      ...store,
      durable(work) {
        writes += 1;
        return store.durable(work);
      },
      batched(work) {
        writes += 1;
        return store.batched(work);
      },
      attempts: {
        ...store.attempts,
        save(...given) {
          const how = bench.failing;
          if (how === "disk") throw new StoreRefusal(trouble);
          if (how === "bug") throw new TypeError("a bug");
          return store.attempts.save(...given);
        },
      },
    };
    const pipeline = createPipeline({
      ...{ clock, store: counted, matcher: createMatcher(catalogue), signatures: () => undefined },
      ...{ bootId: BOOT, settings: PIPELINE_DEFAULTS, origin: "live" },
      readHost: () => hostStateOf(unknownHost("nobody looked")),
      takeSnapshot: () => undefined,
      onSettled: ({ vm }, number) => said.push(`${vm} #${number}`),
      afterSettled: () => {},
      askState: () => {},
      onTrouble: ({ kind }) => said.push(kind),
      onFault: (doing, error) => said.push(`${doing}: ${error}`),
    });
    const bench: Bench = { clock, store, pipeline, writes: () => writes, failing: undefined, said };
    pipeline.release();
    clock.moveTo(START + 1_000);
    use(bench);
    store.close();
  });
}

test("positions after ordinary lines are written once in ten minutes, and nothing while nothing is said", () =>
  withPipeline(({ clock, store, pipeline, writes }) => {
    const before = writes();
    const begun = clock.now();
    for (const _ of [1, 2, 3]) pipeline.observe(line(clock.now()));
    clock.moveTo(begun + savePositionsEveryMs - 1);
    assert.equal(writes(), before);
    clock.moveTo(begun + savePositionsEveryMs);
    assert.equal(writes(), before + 1);
    assert.equal(store.resumePoints.load().get("kernel"), `${lines}`);
    clock.moveTo(begun + 10 * savePositionsEveryMs);
    pipeline.flush();
    assert.equal(writes(), before + 1);
    pipeline.observe(line(clock.now()));
    pipeline.flush();
    assert.equal(store.resumePoints.load().get("kernel"), `${lines}`);
    clock.moveTo(clock.now() + 2 * savePositionsEveryMs);
    assert.equal(writes(), before + 2);
  }));

test("what the disk refuses is written again ten seconds later, and no bug is made of it", () =>
  withPipeline((bench) => {
    const { clock, store, pipeline, said } = bench;
    bench.failing = "disk";
    pipeline.observe(failure(clock.now(), "a"));
    clock.moveTo(START + 4_000);
    assert.deepEqual([...new Set(said)], ["disk-full"]);
    assert.equal(store.resumePoints.load().get("log"), undefined);
    const refusals = said.length;
    bench.failing = undefined;
    clock.moveTo(START + 10_000);
    assert.equal(said.length, refusals);
    clock.moveTo(START + 15_000);
    assert.deepEqual(said.slice(refusals), ["a #1"]);
    assert.equal(store.resumePoints.load().get("log"), "a");
  }));

test("a start that a bug keeps from being stored keeps no other", () =>
  withPipeline((bench) => {
    const { clock, store, pipeline, said } = bench;
    bench.failing = "bug";
    pipeline.observe(failure(clock.now(), "a"));
    clock.moveTo(START + 20_000);
    assert.ok(said.length > 0 && said.every((text) => text === "storing a start: TypeError: a bug"));
    bench.failing = undefined;
    pipeline.observe(failure(clock.now(), "b"));
    clock.moveTo(START + 60_000);
    assert.deepEqual(
      store.attempts.list({}).map(({ vm }) => vm),
      ["b"],
    );
    assert.equal(store.resumePoints.load().get("log"), "b");
  }));

test("more starts at once than one transaction takes are stored one after the other, each told once", () =>
  withPipeline(({ clock, store, pipeline, said }) => {
    const vms = Array.from({ length: 60 }, (_, index) => `vm ${index}`);
    for (const vm of vms) pipeline.observe(failure(clock.now(), vm));
    assert.deepEqual([...pipeline.underWay()].sort(), [...vms].sort());
    clock.moveTo(START + 60_000);
    assert.equal(store.attempts.list({}).length, 60);
    assert.deepEqual(said.map((text) => text.replace(/ #\d+$/, "")).sort(), [...vms].sort());
    assert.deepEqual([...pipeline.underWay()], []);
  }));
