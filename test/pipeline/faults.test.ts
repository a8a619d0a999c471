import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { createVirtualClock } from "../../src/clock.ts";
import { loadCatalogue } from "../../src/diagnosis/catalogue.ts";
import { createMatcher } from "../../src/diagnosis/matcher.ts";
import { vmName } from "../../src/model/identifiers.ts";
import type { Observation } from "../../src/model/observation.ts";
import { PIPELINE_DEFAULTS } from "../../src/pipeline/options.ts";
import { createPipeline } from "../../src/pipeline/pipeline.ts";
import { shippedConfigDirectory } from "../../src/places.ts";
import { FIRST_SNAPSHOT } from "../../src/replay/recording.ts";
import { recordedHost, recordingPath } from "../helpers/recorded-tree.ts";
import { BOOT, opened, START, withDirectory } from "../store/samples.ts";

const { catalogue } = loadCatalogue({ shippedDirectory: join(shippedConfigDirectory(), "signatures") });
const PARTS = ["the matcher", "the facts", "the host's state", "the alert", "what comes after"] as const;

const ended: Observation = {
  ...{ kind: "domain-log-end", source: "domain-logs", at: START, exactTime: true, bootId: BOOT },
  ...{ identity: "log:1", vm: vmName("Windows 11"), reason: "failed", resume: { key: "log", value: "77" } },
};
const record: Observation = {
  ...{ kind: "kernel-record", source: "kernel-log", at: START, exactTime: true, bootId: BOOT, level: 3 },
  ...{ identity: "kernel:1", sequence: 1, text: "something", resume: { key: "kernel", value: "88" } },
};

for (const broken of PARTS) {
  test(`a bug in ${broken} costs only that part: the start is stored, and no observation is read again`, () =>
    withDirectory((directory) => {
      const clock = createVirtualClock(START);
      const store = opened(join(directory, "history.sqlite"), { clock });
      const faults: string[] = [];
      const failing = (part: (typeof PARTS)[number]) => {
        if (part === broken) throw new TypeError(`bug in ${part}`);
      };
      const matcher = createMatcher(catalogue);
      const host = recordedHost(recordingPath("good-amd", FIRST_SNAPSHOT));
      const pipeline = createPipeline({
        ...{ clock, store, signatures: () => undefined, bootId: BOOT, origin: "live" },
        settings: PIPELINE_DEFAULTS,
        matcher: {
          ...matcher,
          match(layer, text) {
            failing("the matcher");
            return matcher.match(layer, text);
          },
        },
        readHost() {
          failing("the host's state");
          return host;
        },
        takeSnapshot: () => {
          failing("the facts");
          return undefined;
        },
        onSettled: () => failing("the alert"),
        afterSettled: () => failing("what comes after"),
        askState: () => {},
        onTrouble: ({ why }) => assert.fail(why),
        onFault: (_doing, error) => faults.push(String(error)),
      });
      pipeline.release();
      pipeline.observe(record);
      pipeline.observe(ended);
      clock.moveTo(START + 60_000);
      pipeline.flush();
      assert.ok(faults.length > 0);
      assert.ok(faults.every((fault) => fault === `TypeError: bug in ${broken}`));
      assert.deepEqual(
        store.attempts.list({}).map(({ vm, outcome }) => [vm, outcome]),
        [["Windows 11", "failed"]],
      );
      assert.deepEqual([...store.resumePoints.load()].sort(), [
        ["kernel", "88"],
        ["log", "77"],
      ]);
      store.close();
    }));
}
