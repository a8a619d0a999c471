import { type AttemptTracker, createAttemptTracker } from "../attempts/tracker.ts";
import { steadyNow } from "../clock.ts";
import { matchesOf } from "../diagnosis/speakers.ts";
import type { StartAttempt } from "../model/attempt.ts";
import type { VmStatus } from "../model/host-state.ts";
import type { HotPlug } from "../model/hot-plug.ts";
import type { BootId, VmName } from "../model/identifiers.ts";
import { managerOfInventory, type Observation, type ResumePoint } from "../model/observation.ts";
import type { SignatureLookup, StoredAttempt } from "../store/attempt-store.ts";
import type { Store } from "../store/store.ts";
import { createApart } from "./apart.ts";
import { createDiagnosing } from "./diagnosing.ts";
import { leftByEarlierBoots } from "./earlier-boots.ts";
import { asAttempt } from "./hot-plug.ts";
import { createJudging } from "./judging.ts";
import { toSightings } from "./known-messages.ts";
import type { PipelineOptions } from "./options.ts";
import { createSecondThoughts } from "./second-thoughts.ts";
import { createUnstored } from "./unstored.ts";
import { createVmStates } from "./vm-states.ts";
import { createWriting } from "./writing.ts";

/** Late pieces may come to the last starts of a VM that is tried again and again. */
const STORED_FOR_EACH_VM = 3;
/** So many hot-plugs of which an earlier run has told are known: more may be said of the newest. */
const STORED_HOT_PLUGS = 50;
/** One error of libvirt seldom comes alone (ms). */
const ASK_AGAIN_MS = 5_000;
/** Whoever ends the service does not wait longer than this; what is not stored by then is read again (ms). */
const LONGEST_END_MS = 1_000;

export interface Pipeline {
  /** Takes one observation. Never throws, where faults have somebody to be told to. */
  observe(observation: Observation): void;
  /** All sources have read their backlog; outcomes may be announced. */
  release(): void;
  /** A source has come this far without anything more to observe; it is stored with the next rows. */
  reached(position: ResumePoint): void;
  /** Writes what is still in memory. */
  flush(): void;
  /** VMs of which a start is under way, or has ended and is not told yet. */
  underWay(): ReadonlySet<VmName>;
  /** The VMs known now, with their last known state. */
  vms(): readonly VmStatus[];
}

/**
 * The way of every observation, live and in replay: signatures, start attempt, diagnosis, store. Everything
 * that is critical is durable before anyone hears of it.
 */
export function createPipeline(options: PipelineOptions): Pipeline {
  const { clock, store, settings } = options;
  const apart = createApart(options.onFault);
  const vmStates = createVmStates();
  const vms = () => vmStates.of(tracker.definitions().values());
  const unstored = createUnstored({
    clock,
    tell: (what, trouble) =>
      apart("telling of what cannot be stored", () => options.onUnrecorded?.(what, trouble)),
  });
  const secondThoughts = createSecondThoughts({ clock, vms });
  const snapshots = new Map<string, string | undefined>();
  const ofEarlierBoots = new Set<string>();
  let askedAt = Number.NEGATIVE_INFINITY;

  const stored =
    apart("reading the starts of this boot", () =>
      storedAttempts(store, options.bootId, options.signatures),
    ) ?? [];
  // The facts of a start are those of its beginning, which an earlier run has seen.
  for (const { id, outcome, snapshotId } of stored)
    if (outcome === undefined && snapshotId !== undefined) snapshots.set(id, snapshotId);
  const tracker: AttemptTracker = createAttemptTracker({
    clock,
    settings,
    stored,
    toldHotPlugs: new Set(
      apart("reading the hot-plugs of an earlier run", () =>
        store.hotPlugs.list({ limit: STORED_HOT_PLUGS }).map(({ id }) => id),
      ),
    ),
    events: {
      changed,
      settled: (attempt) => judging.add(attempt),
      hotPlug: hotPlugFailed,
      unexplainedError: askAllStates,
    },
  });
  const diagnosing = createDiagnosing({
    ...{ clock, tracker, vms, pipeline: options },
    isStorm: () => judging.isBusy(),
  });
  const judging = createJudging({
    clock,
    judge,
    turnIsOver(judged, isAll) {
      if (isAll) diagnosing.calm();
      writing.flush();
      for (const { id } of judged) {
        const refused = unstored.start(id);
        if (refused !== undefined) options.afterSettled(refused.attempt);
      }
    },
  });
  const earlier = apart("reading what an earlier run left", () => store.unfinished.load()) ?? [];
  const writing = createWriting({
    ...{ pipeline: options, apart, tracker, unstored, earlier, judging },
    snapshotOf: (attempt) => snapshots.get(attempt),
  });
  tracker.learnGroups(store.vms.groups());
  tracker.rememberVms(apart("reading the VMs that an earlier run knew", () => store.vms.present()) ?? []);
  for (const { observation, arrivedAt } of earlier) {
    const matches = matchesOf(observation, options.matcher);
    apart("going on with what an earlier run left", () => tracker.observe(observation, matches, arrivedAt));
  }

  function changed(attempt: StartAttempt): void {
    if (!snapshots.has(attempt.id)) {
      const taken = apart("taking the facts", () => options.takeSnapshot("start attempt"));
      snapshots.set(attempt.id, taken);
    }
    writing.changed(attempt);
  }

  /** What was open when the host went down or was reset, of which nothing more is said. */
  function settleEarlierBoots(): void {
    const { bootId, signatures, origin } = options;
    if (bootId === undefined || origin !== "live") return;
    const left = apart("reading the starts of earlier boots", () =>
      leftByEarlierBoots({ store, bootId, signatures, origin }),
    );
    for (const attempt of left?.cutShort ?? []) writing.changed(attempt);
    for (const attempt of left?.ended ?? []) {
      ofEarlierBoots.add(attempt.id);
      snapshots.set(attempt.id, attempt.snapshotId);
      judging.add(attempt);
    }
  }

  function judge(attempt: StartAttempt): void {
    const failed = attempt.outcome !== "started";
    const isOfEarlierBoot = ofEarlierBoots.has(attempt.id);
    const diagnosis = failed
      ? apart("diagnosing a start", () => diagnosing.of(attempt, isOfEarlierBoot))
      : undefined;
    const isUnexplained = diagnosis?.causes.length === 0 && !diagnosing.isLate(attempt);
    if (secondThoughts.waitsFor(attempt, isUnexplained, () => judging.add(attempt))) return;
    const complete: StartAttempt = diagnosis === undefined ? attempt : { ...attempt, diagnosis };
    writing.settled(attempt);
    const snapshotId = snapshots.get(attempt.id);
    snapshots.delete(attempt.id);
    unstored.addStart(complete, snapshotId);
  }

  function hotPlugFailed(hotPlug: HotPlug): void {
    const diagnosis =
      hotPlug.action === "attach"
        ? apart("diagnosing a hot-plug", () => diagnosing.of(asAttempt(hotPlug)))
        : undefined;
    unstored.addHotPlug({ ...hotPlug, ...(diagnosis !== undefined && { diagnosis }) });
    writing.flush();
  }

  /** A VM that did not run yet and whose start failed has that for its state's reason. */
  function askAllStates(): void {
    const now = steadyNow(clock);
    if (now - askedAt < ASK_AGAIN_MS) return;
    askedAt = now;
    for (const { definition, state } of vms())
      if (state.state === "shutoff" && state.reason !== "failed") options.askState(definition.name);
  }

  /** Judges and writes what is left, as far as there is time. */
  function flushAll(): void {
    const until = performance.now() + LONGEST_END_MS;
    judging.finish(until);
    while (!writing.flush() && performance.now() < until);
  }

  function take(observation: Observation): void {
    const matches = matchesOf(observation, options.matcher);
    remember(observation);
    const joined = tracker.observe(observation, matches);
    if (joined) return;
    writing.saw(toSightings(observation, matches));
    writing.soonIfDue();
  }

  function remember(observation: Observation): void {
    vmStates.learn(observation);
    switch (observation.kind) {
      case "vm-inventory":
        store.batched(() =>
          store.vms.remember(
            observation.vms.map((vm) => vm.definition),
            observation.at,
            managerOfInventory(observation),
          ),
        );
        break;
      case "vm-lifecycle": {
        const { definition } = observation;
        if (definition !== undefined) store.batched(() => store.vms.rememberOne(definition, observation.at));
        break;
      }
      case "domain-log-end":
        if (observation.reason === "failed") options.askState(observation.vm);
        break;
      case "gap":
        store.durable(() => store.gaps.record(observation));
        break;
      default:
        break;
    }
  }

  return {
    observe(observation) {
      apart(`dealing with an observation (${observation.kind})`, () => take(observation));
      if (observation.resume !== undefined) writing.resumesAt(observation.resume);
    },
    release() {
      apart("reading the host's state", diagnosing.readHost);
      tracker.release();
      clock.after(0, settleEarlierBoots);
    },
    reached: writing.reached,
    flush: flushAll,
    underWay: () =>
      new Set([
        ...tracker.underWay(),
        ...judging.waiting().map(({ vm }) => vm),
        ...unstored.starts().map(({ attempt }) => attempt.vm),
      ]),
    vms,
  };
}

/**
 * Attempts of this boot, so that a restarted service goes on with open ones, tells none twice, and knows of every VM
 * how its last start went: a VM that is found running is no new start then.
 */
function storedAttempts(
  store: Store,
  bootId: BootId | undefined,
  signatures: SignatureLookup,
): readonly StoredAttempt[] {
  if (bootId === undefined) return [];
  const newest = store.attempts.newestOfEachVm(bootId, STORED_FOR_EACH_VM);
  const settled = newest
    .map((number) => store.attempts.full(number, signatures))
    .filter((attempt) => attempt !== undefined);
  return [...settled, ...store.attempts.open(signatures, bootId)];
}
