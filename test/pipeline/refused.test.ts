import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { createEndingClock, createVirtualClock } from "../../src/clock.ts";
import { loadCatalogue } from "../../src/diagnosis/catalogue.ts";
import { createMatcher } from "../../src/diagnosis/matcher.ts";
import { type BootId, bootId, vmName } from "../../src/model/identifiers.ts";
import { PIPELINE_DEFAULTS } from "../../src/pipeline/options.ts";
import { createPipeline } from "../../src/pipeline/pipeline.ts";
import { shippedConfigDirectory } from "../../src/places.ts";
import { FIRST_SNAPSHOT } from "../../src/replay/recording.ts";
import type { StoreTrouble } from "../../src/store/refusal.ts";
import type { Store } from "../../src/store/store.ts";
import { recordedHost, recordingPath } from "../helpers/recorded-tree.ts";
import { BOOT, opened, START, withDirectory } from "../store/samples.ts";

const { catalogue } = loadCatalogue({ shippedDirectory: join(shippedConfigDirectory(), "signatures") });

test("a failure while the disk is full is told within seconds, and stored without being told again", () =>
  withDirectory((directory) => {
    const clock = createVirtualClock(START);
    const real = opened(join(directory, "history.sqlite"), { clock });
    const trouble: StoreTrouble = {
      ...{ kind: "disk-full", since: START, until: undefined, times: 1 },
      ...{ why: "The disk is full.", remedy: "Make room." },
    };
    let isFull = true;
    const refuse = { state: "refused", trouble } as const;
    const store: Store = {
      ...real,
      durable: (work) => (isFull ? refuse : real.durable(work)),
      batched: (work) => (isFull ? refuse : real.batched(work)),
    };
    const told: string[] = [];
    const troubles: string[] = [];
    const host = recordedHost(recordingPath("good-amd", FIRST_SNAPSHOT));
    const pipeline = createPipeline({
      ...{ clock, store, matcher: createMatcher(catalogue), signatures: () => undefined, bootId: BOOT },
      ...{ settings: PIPELINE_DEFAULTS, origin: "live", readHost: () => host },
      ...{ takeSnapshot: () => undefined, afterSettled: () => {}, askState: () => {} },
      onSettled: (attempt, number, _snapshot, how) => told.push(`${attempt.vm} #${number} ${how}`),
      onUnrecorded: (what, { kind }) =>
        told.push(what.kind === "start" ? `${what.attempt.vm} ${kind}` : what.kind),
      onTrouble: ({ kind }) => troubles.push(kind),
    });
    pipeline.release();
    pipeline.observe({
      ...{ kind: "domain-log-end", source: "domain-logs", at: START, exactTime: true, bootId: BOOT },
      ...{ identity: "log:1", vm: vmName("Windows 11"), reason: "failed" },
    });
    clock.moveTo(START + 4_000);
    assert.deepEqual(told, []);
    assert.ok(troubles.includes("disk-full"));
    clock.moveTo(START + 60_000);
    assert.deepEqual(told, ["Windows 11 disk-full"]);
    isFull = false;
    clock.moveTo(START + 120_000);
    assert.deepEqual(told, ["Windows 11 disk-full", "Windows 11 #1 told"]);
    assert.equal(real.attempts.list({})[0]?.outcome, "failed");
    clock.moveTo(START + 1_000_000);
    pipeline.flush();
    assert.equal(told.length, 2);
    real.close();
  }));

test("a start that had failed when the host was reset is judged in the next boot, and told once", () =>
  withDirectory((directory) => {
    const clock = createVirtualClock(START);
    const store = opened(join(directory, "history.sqlite"), { clock });
    const told: string[] = [];
    const host = recordedHost(recordingPath("good-amd", FIRST_SNAPSHOT));
    const run = (id: BootId) => {
      const ending = createEndingClock(clock);
      const pipeline = createPipeline({
        ...{
          clock: ending,
          store,
          matcher: createMatcher(catalogue),
          signatures: () => undefined,
          bootId: id,
        },
        ...{ settings: PIPELINE_DEFAULTS, origin: "live", readHost: () => host },
        ...{ takeSnapshot: () => undefined, afterSettled: () => {}, askState: () => {} },
        onSettled: ({ vm, outcome }, number) => told.push(`${vm} #${number} ${outcome}`),
        onTrouble: ({ why }) => assert.fail(why),
      });
      pipeline.release();
      return { pipeline, reset: () => ending.end() };
    };
    const first = run(BOOT);
    first.pipeline.observe({
      ...{ kind: "domain-log-end", source: "domain-logs", at: START, exactTime: true, bootId: BOOT },
      ...{ identity: "log:1", vm: vmName("Windows 11"), reason: "failed" },
    });
    clock.moveTo(START + PIPELINE_DEFAULTS.saveWithinMs);
    first.reset();
    assert.deepEqual([told.length, store.attempts.open(() => undefined).length], [0, 1]);
    clock.moveTo(START + 60_000);
    run(bootId("the-boot-after"));
    clock.moveTo(START + 120_000);
    assert.deepEqual(told, ["Windows 11 #1 failed"]);
    const [row] = store.attempts.list({});
    assert.deepEqual([row?.outcome, row?.bootId], ["failed", BOOT]);
    run(bootId("one-more"));
    clock.moveTo(START + 240_000);
    assert.equal(told.length, 1);
    store.close();
  }));
