import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createVirtualClock } from "../clock.ts";
import { beginBoot } from "../daemon/boots.ts";
import { tellsOfRemapping } from "../daemon/kernel-text-filter.ts";
import { createSnapshots } from "../daemon/snapshots.ts";
import type { Catalogue } from "../diagnosis/catalogue.ts";
import { createMatcher } from "../diagnosis/matcher.ts";
import { collectFacts } from "../facts/facts-of-host.ts";
import { readHostState } from "../host/host-state.ts";
import type { StartAttempt } from "../model/attempt.ts";
import { read } from "../model/reading.ts";
import { createMessageFinder } from "../pipeline/message-finder.ts";
import { PIPELINE_DEFAULTS, type SettledHandler } from "../pipeline/options.ts";
import { createPipeline } from "../pipeline/pipeline.ts";
import { shippedConfigDirectory } from "../places.ts";
import { openStore } from "../store/open.ts";
import type { Store } from "../store/store.ts";
import { readRecordedSnapshot } from "./recorded-snapshot.ts";
import { buildHostTree } from "./recorded-tree.ts";
import { FIRST_SNAPSHOT, type RecordedBoot } from "./recording.ts";

/** After the last observation of a boot its starts still settle (ms). */
const REST = 600_000;

/** What is done with each settled attempt, with the history as it was then. */
export type ReplayHandler = (
  boot: RecordedBoot,
  attempt: StartAttempt,
  number: number,
  store: Store,
  snapshotId: string | undefined,
) => void;

/** Orders replayed starts as they happened, whatever the wall clock showed: one clock that nobody sets goes through all. */
export function asTheyHappened(one: StartAttempt, other: StartAttempt): number {
  return (one.steady ?? one.openedAt) - (other.steady ?? other.openedAt);
}

/**
 * Runs recorded boots through the pipeline of the live service as fast as it goes, into a history of its own in
 * a temporary directory. `use` gets that history before it is removed.
 */
export async function replay<T>(
  boots: readonly RecordedBoot[],
  catalogue: Catalogue,
  options: { readonly onSettled?: ReplayHandler; readonly use: (store: Store) => T | Promise<T> },
): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), "vfio-watch-replay-"));
  const clock = createVirtualClock(boots[0]?.bootedAt ?? 0);
  const opened = openStore({ path: join(directory, "history.db"), clock });
  if (opened.state === "refused") {
    rmSync(directory, { recursive: true, force: true });
    throw new Error(`${opened.why} ${opened.remedy}`);
  }
  const { store } = opened;
  try {
    for (const [index, boot] of boots.entries()) {
      replayBoot(
        boot,
        catalogue,
        store,
        clock,
        join(directory, `tree-${index}`),
        options.onSettled ?? (() => {}),
      );
    }
    return await options.use(store);
  } finally {
    store.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

function replayBoot(
  boot: RecordedBoot,
  catalogue: Catalogue,
  store: Store,
  clock: ReturnType<typeof createVirtualClock>,
  treeDirectory: string,
  onSettled: ReplayHandler,
): void {
  clock.moveTo(boot.bootedAt);
  beginBoot(store, boot.bootId, boot.bootedAt, boot.bootedAt);
  const snapshotDirectory = join(boot.directory, FIRST_SNAPSHOT);
  const recorded = readRecordedSnapshot(snapshotDirectory);
  const paths = buildHostTree(treeDirectory, recorded);
  const host = readHostState({ paths, kernelLines: recorded.kernelLines ?? [] });
  const byId = new Map(catalogue.signatures.map((signature) => [signature.id, signature]));
  const kernelLines: string[] = [];
  const refuse = (trouble: { readonly why: string }) => {
    throw new Error(trouble.why);
  };
  const snapshots = createSnapshots({
    clock,
    store,
    bootId: boot.bootId,
    onTrouble: refuse,
    collect: () => collectFacts({ paths, vms: read(pipeline.vms()), kernelLines }),
  });
  const settled: SettledHandler = (attempt, number, snapshotId) =>
    onSettled(boot, attempt, number, store, snapshotId);
  const pipeline = createPipeline({
    clock,
    store,
    matcher: createMatcher(catalogue),
    signatures: (id) => byId.get(id),
    bootId: boot.bootId,
    settings: PIPELINE_DEFAULTS,
    origin: "live",
    readHost: (vms) => ({ ...host, vms: read(vms) }),
    findMessages: createMessageFinder(shippedConfigDirectory(), clock),
    takeSnapshot: snapshots.take,
    onSettled: settled,
    afterSettled: () => {},
    askState: () => {},
    onTrouble: refuse,
  });
  for (const observation of boot.observations) {
    if (observation.kind === "kernel-record" && tellsOfRemapping(observation.text))
      kernelLines.push(observation.text);
  }
  pipeline.release();
  for (const [index, observation] of boot.observations.entries()) {
    for (const { from, to, before } of boot.clockSets) {
      if (before !== index) continue;
      clock.moveTo(from);
      clock.setWall(to);
    }
    clock.moveTo(observation.at);
    pipeline.observe(observation);
  }
  clock.moveTo(clock.now() + REST);
  pipeline.flush();
}
