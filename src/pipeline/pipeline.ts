import { type AttemptTracker, createAttemptTracker } from "../attempts/tracker.ts";
import type { TrackerSettings } from "../attempts/tracking.ts";
import { outcomeOf } from "../attempts/working-attempt.ts";
import { type Clock, steadyNow } from "../clock.ts";
import { diagnose } from "../diagnosis/diagnose.ts";
import type { MessageFinder } from "../diagnosis/generated/unknown-causes.ts";
import { BEGINNING } from "../diagnosis/host-lookups.ts";
import type { Matcher } from "../diagnosis/matcher.ts";
import { matchesOf } from "../diagnosis/speakers.ts";
import type { StartAttempt } from "../model/attempt.ts";
import type { Diagnosis } from "../model/diagnosis.ts";
import type { Origin } from "../model/history.ts";
import { groupsOfDevices, type HostState, type VmStatus } from "../model/host-state.ts";
import type { HotPlug } from "../model/hot-plug.ts";
import type { BootId, VmName } from "../model/identifiers.ts";
import { managerOfInventory, type Observation, type ResumePoint } from "../model/observation.ts";
import { read } from "../model/reading.ts";
import type { SignatureLookup, StoredAttempt } from "../store/attempt-store.ts";
import type { SightingInput } from "../store/record-stores.ts";
import { StoreRefusal, type StoreTrouble } from "../store/refusal.ts";
import type { Store } from "../store/store.ts";
import { asAttempt, summaryOf } from "./hot-plug.ts";
import { toSightings } from "./known-messages.ts";
import { createSecondThoughts } from "./second-thoughts.ts";
import { createUnfinishedKeeper } from "./unfinished.ts";
import { createUnstored, type Unrecorded, type WasTold } from "./unstored.ts";
import { createVmStates, statusFromLog } from "./vm-states.ts";

export interface PipelineSettings extends TrackerSettings {
  /** Evidence is on the disk this long after it was said, at the latest (ms). */
  readonly saveWithinMs: number;
  /** Positions after ordinary lines are stored this seldom, to spare flash memory (ms). */
  readonly savePositionsEveryMs: number;
}

/** What suits a live host; the settling times come from the configuration. */
export const PIPELINE_DEFAULTS: PipelineSettings = {
  settlingMs: 120_000,
  crashedEarlyMs: 300_000,
  quietMs: 150,
  saveWithinMs: 20,
  savePositionsEveryMs: 600_000,
};

/** What the disk refused is tried again this often (ms). */
const RETRY_MS = 10_000;
/** Late pieces may come to the last starts of a VM that is tried again and again. */
const STORED_FOR_EACH_VM = 3;
/** One error of libvirt seldom comes alone (ms). */
const ASK_AGAIN_MS = 5_000;
/** In a storm starts are judged and stored for so long at a time; then what else waits has its turn (ms). */
const TURN_MS = 25;
/** So many starts are stored in one transaction. */
const STORED_AT_ONCE = 25;
/** Whoever ends the service does not wait longer than this; what is not stored by then is read again (ms). */
const LONGEST_END_MS = 1_000;
/** While starts wait to be judged, the host is read again this seldom (ms). */
const HOST_IS_FRESH_MS = 250;
/** Drivers come and go; what the host is this long after a failure proves less (ms). */
const STATE_IS_LATE_MS = 30_000;

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

/** What follows a hot-plug that failed, inside the transaction that stores it. `summary` says why, in a sentence. */
export type HotPlugHandler = (hotPlug: HotPlug, summary: string, told: WasTold) => void;

/**
 * What follows a settled attempt, inside the transaction that stores it: alerts are queued here. `wasSettled`: it is
 * stored as settled already, and more was said of it since.
 */
export type SettledHandler = (
  attempt: StartAttempt,
  number: number,
  snapshotId: string | undefined,
  told: WasTold,
  wasSettled: boolean,
) => void;

/**
 * The way of every observation, live and in replay: signatures, start attempt, diagnosis, store. Everything
 * that is critical is durable before anyone hears of it.
 */
export function createPipeline(options: {
  readonly clock: Clock;
  readonly store: Store;
  readonly matcher: Matcher;
  readonly signatures: SignatureLookup;
  readonly bootId: BootId | undefined;
  readonly settings: PipelineSettings;
  readonly origin: Origin;
  /** Reads the host's state now. */
  readonly readHost: (vms: readonly VmStatus[]) => HostState;
  /** What programs' sources can print, for what no signature knows; without it that stays unexplained. */
  readonly findMessages?: MessageFinder;
  /** Takes the facts now, stores them and gives the snapshot's id; undefined where it failed. */
  readonly takeSnapshot: (reason: string) => string | undefined;
  /** Stores the facts that could not be stored when they were taken. */
  readonly saveFacts?: () => void;
  readonly onSettled: SettledHandler;
  readonly onHotPlug?: HotPlugHandler;
  /** Runs after the transaction of a settled attempt. */
  readonly afterSettled: (attempt: StartAttempt) => void;
  /** Runs after the transaction of a hot-plug. */
  readonly afterHotPlug?: (hotPlug: HotPlug, summary: string) => void;
  /** A VM's log says that a start failed: libvirt may know its state's reason. */
  readonly askState: (vm: VmName) => void;
  readonly onTrouble: (trouble: StoreTrouble) => void;
  /** The disk has refused it for some seconds; it will be stored, and handed to the other handlers, when there is room. */
  readonly onUnrecorded?: (what: Unrecorded, trouble: StoreTrouble) => void;
  /**
   * A part of this program threw: a bug. What can go on goes on without that part, because a service that ends reads
   * the same observation again when it is started again, and ends again. Where this is not given the error is thrown.
   */
  readonly onFault?: (doing: string, error: unknown) => void;
}): Pipeline {
  const { clock, store, settings } = options;

  /** Runs one part that must not take the others along; what the disk refuses is no fault, and is thrown on. */
  function apart<T>(doing: string, work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      if (options.onFault === undefined || error instanceof StoreRefusal) throw error;
      options.onFault(doing, error);
      return undefined;
    }
  }

  const vmStates = createVmStates();
  const diagnosisOptions = {
    catalogue: options.matcher.catalogue,
    ...(options.findMessages !== undefined && { findMessages: options.findMessages }),
  };
  const dirty = new Map<string, StartAttempt>();
  const unstored = createUnstored({
    clock,
    tell: (what, trouble) =>
      apart("telling of what cannot be stored", () => options.onUnrecorded?.(what, trouble)),
  });
  let askedAt = Number.NEGATIVE_INFINITY;
  const snapshots = new Map<string, string | undefined>();
  const positions = new Map<string, string>();
  const secondThoughts = createSecondThoughts({ clock, vms });
  let sightings: SightingInput[] = [];
  let cancelSave: (() => void) | undefined;
  let cancelPositions: (() => void) | undefined;
  /** Settled, and not diagnosed yet. */
  const unjudged = new Map<string, StartAttempt>();
  const ofEarlierBoots = new Set<string>();
  let isJudging = false;
  let hostOfStorm: { readonly host: HostState; readonly at: number } | undefined;

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
    events: { changed, settled, hotPlug: hotPlugFailed, unexplainedError: askAllStates },
  });
  tracker.learnGroups(store.vms.groups());
  tracker.rememberVms(apart("reading the VMs that an earlier run knew", () => store.vms.present()) ?? []);
  const earlier = apart("reading what an earlier run left", () => store.unfinished.load()) ?? [];
  for (const { observation, arrivedAt } of earlier) {
    const matches = matchesOf(observation, options.matcher);
    apart("going on with what an earlier run left", () => tracker.observe(observation, matches, arrivedAt));
  }
  const unfinished = createUnfinishedKeeper({ store, tracker, earlier });

  function changed(attempt: StartAttempt): void {
    if (!snapshots.has(attempt.id)) {
      const taken = apart("taking the facts", () => options.takeSnapshot("start attempt"));
      snapshots.set(attempt.id, taken);
    }
    dirty.set(attempt.id, attempt);
    saveSoon();
  }

  /** Of starts that had failed when the host went down or was reset, before anybody was told, nothing more is said. */
  function settleEarlierBoots(): void {
    const { bootId, signatures, origin } = options;
    if (bootId === undefined || origin !== "live") return;
    const open = apart("reading the starts of earlier boots", () => store.attempts.open(signatures)) ?? [];
    for (const attempt of open) {
      const isEarlier = attempt.bootId !== undefined && attempt.bootId !== bootId;
      if (!isEarlier || attempt.origin !== origin || attempt.closedAt === undefined) continue;
      ofEarlierBoots.add(attempt.id);
      snapshots.set(attempt.id, attempt.snapshotId);
      settled({ ...attempt, outcome: outcomeOf(attempt) });
    }
  }

  /** A storm settles hundreds of starts at one moment: they are judged a few at a time. */
  function settled(attempt: StartAttempt): void {
    unjudged.set(attempt.id, attempt);
    if (isJudging) return;
    isJudging = true;
    clock.after(0, judgeSome);
  }

  function judgeSome(): void {
    const until = performance.now() + TURN_MS;
    const judged: StartAttempt[] = [];
    for (const [id, attempt] of unjudged) {
      unjudged.delete(id);
      judge(attempt);
      judged.push(attempt);
      if (performance.now() >= until) break;
    }
    isJudging = unjudged.size > 0;
    if (isJudging) clock.after(0, judgeSome);
    else hostOfStorm = undefined;
    flush();
    for (const { id } of judged) {
      const refused = unstored.start(id);
      if (refused !== undefined) options.afterSettled(refused.attempt);
    }
  }

  function judge(attempt: StartAttempt): void {
    const failed = attempt.outcome !== "started";
    const diagnosis = failed ? apart("diagnosing a start", () => diagnosisOf(attempt)) : undefined;
    const isUnexplained = diagnosis?.causes.length === 0 && !isLate(attempt);
    if (secondThoughts.waitsFor(attempt, isUnexplained, () => settled(attempt))) return;
    const complete: StartAttempt = diagnosis === undefined ? attempt : { ...attempt, diagnosis };
    dirty.delete(attempt.id);
    const snapshotId = snapshots.get(attempt.id);
    snapshots.delete(attempt.id);
    unstored.addStart(complete, snapshotId);
  }

  function hotPlugFailed(hotPlug: HotPlug): void {
    const diagnosis =
      hotPlug.action === "attach"
        ? apart("diagnosing a hot-plug", () => diagnosisOf(asAttempt(hotPlug)))
        : undefined;
    const complete: HotPlug = { ...hotPlug, ...(diagnosis !== undefined && { diagnosis }) };
    unstored.addHotPlug(complete);
    flush();
  }

  /** A VM that did not run yet and whose start failed has that for its state's reason. */
  function askAllStates(): void {
    const now = steadyNow(clock);
    if (now - askedAt < ASK_AGAIN_MS) return;
    askedAt = now;
    for (const { definition, state } of vms())
      if (state.state === "shutoff" && state.reason !== "failed") options.askState(definition.name);
  }

  /** Drivers and regions are as they are now; which VMs ran is known for the time of the attempt. */
  function diagnosisOf(attempt: StartAttempt): Diagnosis {
    // What the host is now says nothing of another boot.
    if (ofEarlierBoots.has(attempt.id)) return diagnose(attempt, undefined, diagnosisOptions);
    const beganAt = attempt.steady ?? steadyNow(clock);
    const running = tracker.runningAt(beganAt);
    const beginning = tracker.begunSoonAfter(attempt.closedSteady ?? beganAt);
    const known = vms().map((vm): VmStatus => {
      const { name } = vm.definition;
      const had = running.get(name) ?? beginning.get(name);
      if (had === undefined) return vm;
      const reason = running.has(name) ? "at the time" : BEGINNING;
      // By now it may have ended and been given other devices.
      const { hostDevices } = statusFromLog([name, had]).definition;
      return {
        ...vm,
        state: { state: "running", reason },
        running: vm.running ?? { ...vm.definition, hostDevices },
      };
    });
    const gone = [...running].filter(([vm]) => !tracker.definitions().has(vm));
    const host = hostForDiagnosis();
    return diagnose(
      attempt,
      host.vms.state === "read" ? { ...host, vms: read([...known, ...gone.map(statusFromLog)]) } : host,
      { ...diagnosisOptions, stateIsLate: isLate(attempt) },
    );
  }

  function isLate({ steady, closedSteady = steady }: StartAttempt): boolean {
    return closedSteady === undefined || steadyNow(clock) - closedSteady > STATE_IS_LATE_MS;
  }

  function saveAttempt(attempt: StartAttempt, snapshotId: string | undefined): number {
    return store.attempts.save(attempt, {
      origin: options.origin,
      ...(snapshotId !== undefined && { snapshotId }),
    });
  }

  function readHost(): HostState {
    const host = options.readHost(vms());
    if (host.devices.state === "read") tracker.learnGroups(groupsOfDevices(host.devices.value));
    return host;
  }

  /** One reading serves the starts of a storm that are judged within moments of each other. */
  function hostForDiagnosis(): HostState {
    const now = steadyNow(clock);
    if (hostOfStorm !== undefined && now - hostOfStorm.at < HOST_IS_FRESH_MS) return hostOfStorm.host;
    const host = readHost();
    if (isJudging) hostOfStorm = { host, at: now };
    return host;
  }

  function vms(): readonly VmStatus[] {
    return vmStates.of(tracker.definitions().values());
  }

  function saveSoon(): void {
    cancelSave ??= clock.after(settings.saveWithinMs, flush);
  }

  /** A source's position is written together with all that was made of what lies before it, or not at all. */
  function saveRemembered(): void {
    unfinished.save();
    if (sightings.length > 0) store.sightings.record(sightings);
    if (positions.size > 0) store.resumePoints.save([...positions].map(([key, value]) => ({ key, value })));
  }

  function forgetRemembered(): void {
    unfinished.saved();
    sightings = [];
    positions.clear();
    cancelPositions?.();
    cancelPositions = undefined;
  }

  /** Returns whether there is nothing left to write. */
  function flush(): boolean {
    cancelSave?.();
    cancelSave = undefined;
    // What is about to be judged is stored with its diagnosis.
    const attempts = [...dirty.values()].filter(({ id }) => !unjudged.has(id)).slice(0, STORED_AT_ONCE);
    const all = unstored.starts();
    const settled: (typeof all)[number][] = [];
    const hotPlugs = unstored.hotPlugs();
    let isAll = false;
    const isCritical = attempts.length > 0 || all.length > 0 || hotPlugs.length > 0;
    if (!isCritical && !unfinished.isDue() && sightings.length === 0 && positions.size === 0) return true;
    if (isCritical) apart("storing facts", () => options.saveFacts?.());
    const write = isCritical ? store.durable : store.batched;
    const until = performance.now() + TURN_MS;
    const written = write(() => {
      for (const attempt of attempts)
        apart("storing a start", () => saveAttempt(attempt, snapshots.get(attempt.id)));
      for (const start of all) {
        // The answer for each is asked here as well: what there is no time for is stored in the next turn.
        if (settled.length > 0 && performance.now() >= until) break;
        settled.push(start);
        const { attempt, snapshotId, told } = start;
        const wasSettled = store.attempts.find(attempt.id)?.outcome !== undefined;
        const number = apart("storing a start", () => saveAttempt(attempt, snapshotId));
        if (number === undefined) continue;
        apart("telling of a start", () => options.onSettled(attempt, number, snapshotId, told, wasSettled));
      }
      for (const { hotPlug, told } of hotPlugs) {
        const summary = summaryOf(hotPlug);
        apart("storing a hot-plug", () => store.hotPlugs.save(hotPlug, summary));
        apart("telling of a hot-plug", () => options.onHotPlug?.(hotPlug, summary, told));
      }
      isAll = attempts.length === dirty.size && settled.length === all.length && unjudged.size === 0;
      if (isAll) saveRemembered();
    });
    if (written.state === "refused") {
      cancelSave = clock.after(RETRY_MS, flush);
      if (isCritical) unstored.refused(written.trouble);
      options.onTrouble(written.trouble);
      return true;
    }
    for (const attempt of attempts) dirty.delete(attempt.id);
    unstored.stored(settled, hotPlugs);
    if (isAll) forgetRemembered();
    else if (!isJudging) cancelSave ??= clock.after(0, flush);
    for (const { attempt } of settled) apart("telling of a start", () => options.afterSettled(attempt));
    for (const { hotPlug } of hotPlugs)
      apart("telling of a hot-plug", () => options.afterHotPlug?.(hotPlug, summaryOf(hotPlug)));
    return isAll;
  }

  /** Judges and writes what is left, as far as there is time. */
  function flushAll(): void {
    const until = performance.now() + LONGEST_END_MS;
    for (const [id, attempt] of unjudged) {
      if (performance.now() >= until) break;
      unjudged.delete(id);
      judge(attempt);
    }
    // One that there was no time for is judged by the next run.
    unjudged.clear();
    while (!flush() && performance.now() < until);
  }

  function take(observation: Observation): void {
    const matches = matchesOf(observation, options.matcher);
    remember(observation);
    const joined = tracker.observe(observation, matches);
    if (joined) return;
    sightings.push(...toSightings(observation, matches));
    if (sightings.length > 0 || unfinished.isDue()) saveSoon();
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
      const { resume } = observation;
      if (resume === undefined) return;
      positions.set(resume.key, resume.value);
      cancelPositions ??= clock.after(settings.savePositionsEveryMs, () => void flush());
    },
    release() {
      apart("reading the host's state", readHost);
      tracker.release();
      clock.after(0, settleEarlierBoots);
    },
    reached: ({ key, value }) => void positions.set(key, value),
    flush: flushAll,
    underWay: () =>
      new Set([
        ...tracker.underWay(),
        ...[...unjudged.values()].map(({ vm }) => vm),
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
