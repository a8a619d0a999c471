import type { AttemptTracker } from "../attempts/tracker.ts";
import type { Unfinished } from "../attempts/tracking.ts";
import type { StartAttempt } from "../model/attempt.ts";
import type { ResumePoint } from "../model/observation.ts";
import type { SightingInput } from "../store/record-stores.ts";
import type { Apart } from "./apart.ts";
import { summaryOf } from "./hot-plug.ts";
import { TURN_MS } from "./judging.ts";
import type { PipelineOptions } from "./options.ts";
import { createUnfinishedKeeper } from "./unfinished.ts";
import type { Unstored, UnstoredStart } from "./unstored.ts";

/** What the disk refused is tried again this often (ms). */
const RETRY_MS = 10_000;
/** So many starts are stored in one transaction. */
const STORED_AT_ONCE = 25;

/** What is in memory and goes to the disk, a source's position together with all that was made of what lies before. */
export interface Writing {
  /** The attempt has new evidence. */
  changed(attempt: StartAttempt): void;
  /** It is stored with its outcome now. */
  settled(attempt: StartAttempt): void;
  saw(sightings: readonly SightingInput[]): void;
  /** A source has come this far; it is stored with the next rows. */
  reached(position: ResumePoint): void;
  /** As `reached`, after an observation: stored after some minutes even where nothing else is. */
  resumesAt(position: ResumePoint): void;
  /** Stores soon what has to be, where there is something. */
  soonIfDue(): void;
  /** Returns whether there is nothing left to write. */
  flush(): boolean;
}

/** `isBeingJudged`: it will be stored with its diagnosis; `isBusy`: more are being judged. */
export function createWriting(options: {
  readonly pipeline: PipelineOptions;
  readonly apart: Apart;
  readonly tracker: AttemptTracker;
  readonly unstored: Unstored;
  readonly earlier: readonly Unfinished[];
  readonly snapshotOf: (attempt: string) => string | undefined;
  readonly judging: {
    readonly has: (attempt: string) => boolean;
    readonly isEmpty: () => boolean;
    readonly isBusy: () => boolean;
  };
}): Writing {
  const { pipeline, apart, tracker, unstored, earlier, snapshotOf, judging } = options;
  const { clock, store, settings } = pipeline;
  const dirty = new Map<string, StartAttempt>();
  const positions = new Map<string, string>();
  const unfinished = createUnfinishedKeeper({ store, tracker, earlier });
  let sightings: SightingInput[] = [];
  let cancelSave: (() => void) | undefined;
  let cancelPositions: (() => void) | undefined;

  function saveAttempt(attempt: StartAttempt, snapshotId: string | undefined): number {
    return store.attempts.save(attempt, {
      origin: pipeline.origin,
      ...(snapshotId !== undefined && { snapshotId }),
    });
  }

  function saveSoon(): void {
    cancelSave ??= clock.after(settings.saveWithinMs, flush);
  }

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

  function flush(): boolean {
    cancelSave?.();
    cancelSave = undefined;
    // What is about to be judged is stored with its diagnosis.
    const waiting = [...dirty.values()].filter(({ id }) => !judging.has(id)).slice(0, STORED_AT_ONCE);
    const attempts: StartAttempt[] = [];
    const all = unstored.starts();
    const settled: UnstoredStart[] = [];
    const hotPlugs = unstored.hotPlugs();
    let isAll = false;
    const isCritical = waiting.length > 0 || all.length > 0 || hotPlugs.length > 0;
    if (!isCritical && !unfinished.isDue() && sightings.length === 0 && positions.size === 0) return true;
    if (isCritical) apart("storing facts", () => pipeline.saveFacts?.());
    const write = isCritical ? store.durable : store.batched;
    const until = performance.now() + TURN_MS;
    const written = write(() => {
      // The answer for each is asked here as well: what there is no time for is stored in the next turn.
      const isOver = () => attempts.length + settled.length > 0 && performance.now() >= until;
      for (const start of all) {
        if (isOver()) break;
        settled.push(start);
        const { attempt, snapshotId, told } = start;
        const wasSettled = store.attempts.find(attempt.id)?.outcome !== undefined;
        const number = apart("storing a start", () => saveAttempt(attempt, snapshotId));
        if (number === undefined) continue;
        apart("telling of a start", () => pipeline.onSettled(attempt, number, snapshotId, told, wasSettled));
      }
      for (const attempt of waiting) {
        if (isOver()) break;
        attempts.push(attempt);
        apart("storing a start", () => saveAttempt(attempt, snapshotOf(attempt.id)));
      }
      for (const { hotPlug, told } of hotPlugs) {
        const summary = summaryOf(hotPlug);
        apart("storing a hot-plug", () => store.hotPlugs.save(hotPlug, summary));
        apart("telling of a hot-plug", () => pipeline.onHotPlug?.(hotPlug, summary, told));
      }
      isAll = attempts.length === dirty.size && settled.length === all.length && judging.isEmpty();
      if (isAll) saveRemembered();
    });
    if (written.state === "refused") {
      cancelSave = clock.after(RETRY_MS, flush);
      if (isCritical) unstored.refused(written.trouble);
      pipeline.onTrouble(written.trouble);
      return true;
    }
    for (const attempt of attempts) dirty.delete(attempt.id);
    unstored.stored(settled, hotPlugs);
    if (isAll) forgetRemembered();
    else if (!judging.isBusy()) cancelSave ??= clock.after(0, flush);
    for (const { attempt } of settled) apart("telling of a start", () => pipeline.afterSettled(attempt));
    for (const { hotPlug } of hotPlugs)
      apart("telling of a hot-plug", () => pipeline.afterHotPlug?.(hotPlug, summaryOf(hotPlug)));
    return isAll;
  }

  return {
    changed(attempt) {
      dirty.set(attempt.id, attempt);
      saveSoon();
    },
    settled: ({ id }) => void dirty.delete(id),
    saw: (seen) => void sightings.push(...seen),
    reached: ({ key, value }) => void positions.set(key, value),
    resumesAt({ key, value }) {
      positions.set(key, value);
      cancelPositions ??= clock.after(settings.savePositionsEveryMs, () => void flush());
    },
    soonIfDue() {
      if (sightings.length > 0 || unfinished.isDue()) saveSoon();
    },
    flush,
  };
}
