import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import fc from "fast-check";
import { createEndingClock, createVirtualClock } from "../../src/clock.ts";
import { loadCatalogue } from "../../src/diagnosis/catalogue.ts";
import { createMatcher } from "../../src/diagnosis/matcher.ts";
import { matchesOf } from "../../src/diagnosis/speakers.ts";
import type { Observation, ResumePoint } from "../../src/model/observation.ts";
import { read } from "../../src/model/reading.ts";
import { PIPELINE_DEFAULTS } from "../../src/pipeline/options.ts";
import { createPipeline, type Pipeline } from "../../src/pipeline/pipeline.ts";
import { shippedConfigDirectory } from "../../src/places.ts";
import { FIRST_SNAPSHOT, type RecordedBoot, readRecordings } from "../../src/replay/recording.ts";
import { openStore } from "../../src/store/open.ts";
import { recordedHost } from "../helpers/recorded-tree.ts";

const RECORDINGS = join(import.meta.dirname, "..", "fixtures", "recordings");
const { catalogue } = loadCatalogue({ shippedDirectory: join(shippedConfigDirectory(), "signatures") });
const matcher = createMatcher(catalogue);
const byId = new Map(catalogue.signatures.map((signature) => [signature.id, signature]));
const REST = 600_000;
/** A process that is killed leaves its files as they are, written out or not; in memory a thousand take seconds. */
const MEMORY = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

const places: string[] = [];
after(() => {
  for (const place of places) rmSync(place, { recursive: true, force: true });
});

/** The service ends `afterMs` after the observation of this number, and is started again `downMs` later. */
interface End {
  readonly at: number;
  readonly afterMs: number;
  readonly downMs: number;
  /** Told to end, it stores what it has; killed, it does not. */
  readonly how: "killed" | "stopped";
}

/** One recording, without the hundreds of kernel records that mean nothing to anybody. */
function recording(name: string): RecordedBoot {
  const boots = readRecordings(join(RECORDINGS, name));
  if ("problem" in boots) assert.fail(boots.problem);
  const boot = boots.at(-1);
  assert.ok(boot);
  const observations = boot.observations.filter(
    (observation) => observation.kind !== "kernel-record" || matchesOf(observation, matcher).length > 0,
  );
  return { ...boot, observations };
}

/** Every source but libvirt can be read again from a stored position on; one a log file. */
function keyOf(observation: Observation): string | undefined {
  if (observation.source === "libvirt") return undefined;
  return "vm" in observation ? `${observation.source}:${observation.vm}` : observation.source;
}

/** How every start of the recording went, with what the history says of it in the end. */
function outcomes(
  { bootId, bootedAt, directory, observations }: RecordedBoot,
  ends: readonly End[],
  order: readonly string[] = [],
): readonly string[] {
  const place = mkdtempSync(join(MEMORY, "vfio-watch-killed-"));
  places.push(place);
  const path = join(place, "history.db");
  const clock = createVirtualClock(bootedAt);
  const host = recordedHost(join(directory, FIRST_SNAPSHOT));
  const numbered = observations.map((observation, number) => ({ observation, number }));
  let said = 0;
  let kill = () => {};

  /** Starts the service: it reads again what its sources still have, and asks libvirt for the VMs. */
  function start(): Pipeline {
    const opened = openStore({ path, clock });
    assert.equal(opened.state, "open");
    const { store } = opened;
    const ending = createEndingClock(clock);
    const pipeline = createPipeline({
      ...{ clock: ending, store, matcher, bootId, settings: PIPELINE_DEFAULTS, origin: "live" },
      signatures: (id) => byId.get(id),
      readHost: (vms) => ({ ...host, vms: read(vms) }),
      takeSnapshot: () => undefined,
      onSettled: () => {},
      afterSettled: () => {},
      askState: () => {},
      onTrouble: (trouble) => assert.fail(trouble.why),
    });
    kill = () => {
      ending.end();
      store.close();
    };
    const resume = store.resumePoints.load();
    const backlog = numbered
      .slice(0, said)
      .filter(({ observation, number }) => number > Number(resume.get(keyOf(observation) ?? "") ?? -1));
    // Source by source, as they are read at a start; libvirt tells nothing twice but which VMs there are.
    const rank = ({ observation }: (typeof backlog)[number]) => order.indexOf(observation.source);
    for (const { observation, number } of backlog.toSorted((a, b) => rank(a) - rank(b))) {
      if (observation.kind === "vm-inventory")
        pipeline.observe({ ...observation, at: clock.now(), identity: `inventory:${clock.now()}` });
      else if (keyOf(observation) !== undefined) pipeline.observe(withPosition(observation, number));
    }
    pipeline.release();
    return pipeline;
  }

  let pipeline = start();
  for (const { observation, number } of numbered) {
    clock.moveTo(Math.max(clock.now(), observation.at));
    said = number + 1;
    pipeline.observe(withPosition(observation, number));
    for (const end of ends.filter(({ at }) => at === number)) {
      clock.moveTo(clock.now() + end.afterMs);
      if (end.how === "stopped") pipeline.flush();
      kill();
      clock.moveTo(clock.now() + end.downMs);
      pipeline = start();
    }
  }
  clock.moveTo(clock.now() + REST);
  pipeline.flush();
  kill();
  const opened = openStore({ path, clock, readOnly: true });
  assert.equal(opened.state, "open");
  // Without what libvirt tells once and to nobody later: its events are lost to a service that is killed with them.
  const starts = opened.store.attempts.list({ first: "oldest" }).map((row) => {
    const attempt = opened.store.attempts.full(row.number, (id) => byId.get(id));
    const [cause] = attempt?.diagnosis?.causes ?? [];
    const known = attempt?.evidence.filter(
      ({ observation, matches }) => keyOf(observation) && matches.length > 0,
    );
    return [
      ...[row.vm, row.outcome, cause?.class, cause?.signature, cause?.devices],
      ...(known ?? []).map(
        ({ observation, count }) => `${observation.source} ${observation.identity} ${count}`,
      ),
    ].join(" ");
  });
  opened.store.close();
  return starts;
}

function withPosition(observation: Observation, number: number): Observation {
  const key = keyOf(observation);
  const resume: ResumePoint | undefined = key === undefined ? undefined : { key, value: String(number) };
  return resume === undefined ? observation : { ...observation, resume };
}

/** One of each way in which a start fails: refused by the kernel, by libvirt with and without a word, by QEMU. */
const EVERYWHERE = ["rmrr-intel", "group-not-viable", "no-vfio-module", "negative-controls"];
const FAILURES = [
  ...EVERYWHERE,
  ...["ivmd-amd", "in-use", "busy-outside", "not-bound", "no-vfio-node", "iommu-off", "intremap-off"],
  ...["memlock", "wrong-address", "bios-update"],
];
const MOMENTS: readonly Omit<End, "at">[] = [
  // Before anything is stored, in the middle of what is read in one go, and when all is quiet.
  { how: "killed", afterMs: 0, downMs: 0 },
  { how: "killed", afterMs: 25, downMs: 2_000 },
  { how: "killed", afterMs: 140, downMs: 45_000 },
  { how: "stopped", afterMs: 0, downMs: 3_000 },
];

describe("a service that is ended at any moment of a failure that was recorded", () => {
  for (const name of EVERYWHERE) {
    it(`explains ${name} as one that was never ended, whichever was the last observation`, () => {
      const boot = recording(name);
      const undisturbed = outcomes(boot, []);
      for (const moment of MOMENTS)
        for (let at = 0; at < boot.observations.length; at += 1)
          assert.deepEqual(
            outcomes(boot, [{ at, ...moment }]),
            undisturbed,
            JSON.stringify({ at, ...moment }),
          );
    });
  }

  it("does so however often it is ended, in whatever order its sources are read again", () => {
    const boots = FAILURES.map(recording);
    const alone = boots.map((boot) => outcomes(boot, []));
    const end = fc.record({
      at: fc.nat(60),
      afterMs: fc.constantFrom(0, 5, 25, 120, 170, 1_000, 5_000, 20_000),
      downMs: fc.constantFrom(0, 500, 10_000, 60_000),
      how: fc.constantFrom("killed" as const, "stopped" as const),
    });
    const sources = ["kernel-log", "domain-logs", "libvirtd-log", "libvirt"];
    fc.assert(
      fc.property(
        fc.nat(boots.length - 1),
        fc.array(end, { minLength: 1, maxLength: 8 }),
        fc.shuffledSubarray(sources, { minLength: sources.length }),
        (which, ends, order) => {
          const boot = boots[which];
          assert.ok(boot);
          assert.deepEqual(outcomes(boot, ends, order), alone[which], boot.name);
        },
      ),
      { numRuns: 80 },
    );
  });

  it("diagnoses late evidence again that it stored as it was stopped", () => {
    const boot = recording("iommu-off");
    const last = boot.observations.length - 1;
    const ends = [
      { at: last - 2, afterMs: 5_000, downMs: 0, how: "killed" },
      { at: last, afterMs: 0, downMs: 0, how: "stopped" },
    ] as const;
    assert.deepEqual(outcomes(boot, ends), outcomes(boot, []));
  });

  it("keeps a refusal that only the kernel tells, ended within the time that others have to speak of it", () => {
    const boot = recording("rmrr-intel");
    const observations = boot.observations.filter(
      ({ kind }) => kind === "kernel-record" || kind === "vm-inventory",
    );
    const lone = { ...boot, observations };
    const undisturbed = outcomes(lone, []);
    assert.equal(undisturbed.length, 1);
    const last = observations.length - 1;
    for (const how of ["killed", "stopped"] as const)
      for (const afterMs of [25, 1_000, 10_000, 29_000])
        for (const downMs of [0, 5_000, 60_000, 600_000])
          assert.deepEqual(
            outcomes(lone, [{ at: last, afterMs, downMs, how }]),
            undisturbed,
            `${how} ${afterMs} ms after it, for ${downMs} ms`,
          );
  });
});
