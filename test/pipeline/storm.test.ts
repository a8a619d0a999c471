import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { createVirtualClock } from "../../src/clock.ts";
import { createMatcher } from "../../src/diagnosis/matcher.ts";
import { vmName } from "../../src/model/identifiers.ts";
import { PIPELINE_DEFAULTS } from "../../src/pipeline/options.ts";
import { createPipeline } from "../../src/pipeline/pipeline.ts";
import { FIRST_SNAPSHOT } from "../../src/replay/recording.ts";
import type { Store } from "../../src/store/store.ts";
import { recordedHost, recordingPath } from "../helpers/recorded-tree.ts";
import { catalogue } from "../helpers/shipped-catalogue.ts";
import { BOOT, opened, START, withDirectory } from "../store/samples.ts";

const VMS = 20;
/** What the answer for a start takes here (ms). */
const ANSWER = 10;
const MOST_IN_A_TURN = 3;

test("in a storm few starts are stored and answered in one turn, and each is told once", (context) =>
  withDirectory((directory) => {
    const clock = createVirtualClock(START);
    const real = opened(join(directory, "history.sqlite"), { clock });
    let passed = 0;
    context.mock.method(performance, "now", () => passed);
    const told: string[] = [];
    const turns: number[] = [];
    const store: Store = {
      ...real,
      durable(work) {
        const before = told.length;
        const written = real.durable(work);
        if (told.length > before) turns.push(told.length - before);
        return written;
      },
    };
    const host = recordedHost(recordingPath("good-amd", FIRST_SNAPSHOT));
    const pipeline = createPipeline({
      ...{ clock, store, matcher: createMatcher(catalogue), signatures: () => undefined, bootId: BOOT },
      ...{ settings: PIPELINE_DEFAULTS, origin: "live", readHost: () => host },
      ...{ takeSnapshot: () => undefined, afterSettled: () => {}, askState: () => {} },
      onSettled({ vm }) {
        passed += ANSWER;
        told.push(vm);
      },
      onTrouble: ({ why }) => assert.fail(why),
    });
    pipeline.release();
    for (let vm = 0; vm < VMS; vm += 1)
      pipeline.observe({
        ...{ kind: "domain-log-end", source: "domain-logs", at: START, exactTime: true, bootId: BOOT },
        ...{ identity: `log:${vm}`, vm: vmName(`VM ${vm}`), reason: "failed" },
      });
    clock.moveTo(START + 60_000);
    assert.equal(new Set(told).size, VMS);
    assert.equal(told.length, VMS);
    assert.ok(turns.every((starts) => starts <= MOST_IN_A_TURN));
    real.close();
  }));
