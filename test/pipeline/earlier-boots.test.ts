import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it, type TestContext } from "node:test";
import { createEndingClock, createVirtualClock, type VirtualClock } from "../../src/clock.ts";
import { beginBoot } from "../../src/daemon/boots.ts";
import { createMatcher } from "../../src/diagnosis/matcher.ts";
import { unknownHost } from "../../src/host/host-reading.ts";
import { hostStateOf } from "../../src/host/host-state.ts";
import type { StartAttempt } from "../../src/model/attempt.ts";
import { bootId } from "../../src/model/identifiers.ts";
import type { Observation } from "../../src/model/observation.ts";
import { PIPELINE_DEFAULTS } from "../../src/pipeline/options.ts";
import { createPipeline, type Pipeline } from "../../src/pipeline/pipeline.ts";
import { openStore } from "../../src/store/open.ts";
import type { Store } from "../../src/store/store.ts";
import { GPU, kernel, lifecycle, logStart, T0 } from "../attempts/bench.ts";
import { catalogue } from "../helpers/shipped-catalogue.ts";

const REFUSED =
  "vfio-pci 0000:01:00.0: Firmware has requested this device have a 1:1 IOMMU mapping, rejecting configuring the device without a 1:1 mapping. Contact your platform vendor.";

interface Host {
  readonly clock: VirtualClock;
  readonly store: Store;
  readonly told: StartAttempt[];
  /** The service in the boot of this number, on what the one before left. */
  boot(number: number): Pipeline;
  say(pipeline: Pipeline, observation: Observation): void;
  /** Number, outcome, how long it took and what is said of each start. */
  starts(): readonly unknown[];
}

function host(context: TestContext): Host {
  const clock = createVirtualClock(T0);
  const directory = mkdtempSync(join(tmpdir(), "vfio-watch-earlier-boots-"));
  const opened = openStore({ path: join(directory, "history.db"), clock });
  assert.equal(opened.state, "open");
  const { store } = opened;
  context.after(() => {
    store.close();
    rmSync(directory, { recursive: true, force: true });
  });
  const told: StartAttempt[] = [];
  let ofBoot = bootId("boot-1");
  let goDown = () => {};
  return {
    ...{ clock, store, told },
    boot(number) {
      ofBoot = bootId(`boot-${number}`);
      goDown();
      const ending = createEndingClock(clock);
      goDown = ending.end;
      beginBoot(store, ofBoot, clock.now(), clock.now());
      const pipeline = createPipeline({
        ...{ clock: ending, store, bootId: ofBoot, settings: PIPELINE_DEFAULTS, origin: "live" },
        matcher: createMatcher(catalogue),
        signatures: (id) => catalogue.signatures.find((signature) => signature.id === id),
        readHost: () => hostStateOf(unknownHost("nobody looked")),
        takeSnapshot: () => undefined,
        onSettled: (attempt) => told.push(attempt),
        afterSettled: () => {},
        askState: () => {},
        onTrouble: ({ why }) => assert.fail(why),
      });
      pipeline.release();
      clock.moveTo(clock.now() + 100);
      return pipeline;
    },
    say(pipeline, observation) {
      clock.moveTo(Math.max(clock.now(), observation.at));
      pipeline.observe({ ...observation, bootId: ofBoot });
    },
    starts: () =>
      store.attempts
        .list({ first: "oldest", cutShortToo: true })
        .map(({ number, outcome, openedAt, closedAt, summary }) => [
          number,
          outcome,
          closedAt === undefined ? undefined : closedAt - openedAt,
          summary,
        ]),
  };
}

it("a start that was under way when the host went down is closed at the next boot, and told to nobody", (context) => {
  const { clock, store, told, boot, say, starts } = host(context);
  const first = boot(1);
  say(first, logStart("Windows 11", 1000, [GPU]));
  clock.moveTo(T0 + 5_000);
  store.boots.touch(bootId("boot-1"), T0 + 4_000);
  clock.moveTo(T0 + 60_000);
  boot(2);
  clock.moveTo(T0 + 120_000);
  const cut = [[1, undefined, 3_000, "The host went down while it was starting."]];
  assert.deepEqual(starts(), cut);
  assert.equal(store.attempts.full(1, () => undefined)?.diagnosis?.deviceRelated, false);
  assert.deepEqual(
    store.attempts.open(() => undefined),
    [],
  );
  assert.equal(store.stats().rows.openAttempts, 0);
  clock.moveTo(T0 + 200_000);
  boot(3);
  clock.moveTo(T0 + 300_000);
  assert.deepEqual(starts(), cut, "it is closed once");
  assert.deepEqual(told, []);
});

it("a VM that had not run for long when the host went down is neither a good start nor a bad one", (context) => {
  const { clock, told, boot, say, starts } = host(context);
  const first = boot(1);
  say(first, logStart("Windows 11", 1000, [GPU]));
  say(first, lifecycle("Windows 11", 1500, "started", "booted"));
  clock.moveTo(T0 + 30_000);
  boot(2);
  clock.moveTo(T0 + 60_000);
  assert.deepEqual(starts(), [
    [1, undefined, 500, "The host went down soon after it had started, too soon to call it a good start."],
  ]);
  assert.deepEqual(told, []);
});

it("a start that the kernel had refused when the host went down has failed", (context) => {
  const { clock, told, boot, say } = host(context);
  const first = boot(1);
  say(first, logStart("Windows 11", 1000, [GPU]));
  say(first, kernel(1200, GPU, REFUSED));
  clock.moveTo(T0 + 1300);
  boot(2);
  clock.moveTo(T0 + 60_000);
  assert.deepEqual(
    told.map(({ outcome, diagnosis }) => [outcome, diagnosis?.causes[0]?.class]),
    [["failed", "iommu-direct-mapping-required"]],
  );
});

it("a refusal that only the kernel told has failed, though the service was ended before it said so", (context) => {
  const { clock, told, boot, say } = host(context);
  const first = boot(1);
  say(first, kernel(1200, GPU, REFUSED));
  // The attempt is made when nobody else has spoken for half a minute, and told a moment later.
  clock.moveTo(T0 + 1200 + 30_050);
  assert.deepEqual(told, []);
  boot(2);
  clock.moveTo(T0 + 60_000);
  assert.deepEqual(
    told.map(({ outcome, vm }) => [outcome, vm]),
    [["failed", "unknown VM (0000:01:00.0)"]],
  );
});
