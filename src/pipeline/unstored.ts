import type { Clock } from "../clock.ts";
import type { StartAttempt } from "../model/attempt.ts";
import type { HotPlug } from "../model/hot-plug.ts";
import type { StoreTrouble } from "../store/refusal.ts";
import { summaryOf } from "./hot-plug.ts";

/** So long a failure may wait for its evidence to be safe; then it is told all the same (ms). */
const TOLD_WITHIN_MS = 5_000;

/** `told`: past the outbox, while nothing could be stored. */
export type WasTold = "told" | "untold";

export interface UnstoredStart {
  readonly attempt: StartAttempt;
  readonly snapshotId: string | undefined;
  readonly told: WasTold;
}

export interface UnstoredHotPlug {
  readonly hotPlug: HotPlug;
  readonly told: WasTold;
}

/** What is told although it cannot be stored. */
export type Unrecorded =
  | { readonly kind: "start"; readonly attempt: StartAttempt; readonly snapshotId: string | undefined }
  | { readonly kind: "hot-plug"; readonly hotPlug: HotPlug; readonly summary: string };

/** What has settled and is not on the disk: for a moment as a rule, and for as long as the disk refuses it. */
export interface Unstored {
  addStart(attempt: StartAttempt, snapshotId: string | undefined): void;
  addHotPlug(hotPlug: HotPlug): void;
  start(id: string): UnstoredStart | undefined;
  starts(): readonly UnstoredStart[];
  hotPlugs(): readonly UnstoredHotPlug[];
  /** The disk has refused them. For some seconds nobody is told, so that the evidence is safe before. */
  refused(trouble: StoreTrouble): void;
  /** The disk has taken these. */
  stored(starts: readonly UnstoredStart[], hotPlugs: readonly UnstoredHotPlug[]): void;
}

/**
 * Makes the keeper of what is not stored. A dead flash stick is ordinary: who waits for it to take the evidence waits
 * for ever, so each is handed to `tell` once, when it has waited for some seconds.
 */
export function createUnstored(options: {
  readonly clock: Clock;
  readonly tell: (what: Unrecorded, trouble: StoreTrouble) => void;
}): Unstored {
  const { clock } = options;
  const starts = new Map<string, UnstoredStart>();
  const hotPlugs = new Map<string, UnstoredHotPlug>();
  let cancelTelling: (() => void) | undefined;

  function tellAll(trouble: StoreTrouble): void {
    cancelTelling = undefined;
    for (const [id, { attempt, snapshotId, told }] of starts) {
      if (told === "told") continue;
      starts.set(id, { attempt, snapshotId, told: "told" });
      options.tell({ kind: "start", attempt, snapshotId }, trouble);
    }
    for (const [id, { hotPlug, told }] of hotPlugs) {
      if (told === "told") continue;
      hotPlugs.set(id, { hotPlug, told: "told" });
      options.tell({ kind: "hot-plug", hotPlug, summary: summaryOf(hotPlug) }, trouble);
    }
  }

  return {
    addStart(attempt, snapshotId) {
      starts.set(attempt.id, { attempt, snapshotId, told: starts.get(attempt.id)?.told ?? "untold" });
    },
    addHotPlug(hotPlug) {
      hotPlugs.set(hotPlug.id, { hotPlug, told: hotPlugs.get(hotPlug.id)?.told ?? "untold" });
    },
    start: (id) => starts.get(id),
    starts: () => [...starts.values()],
    hotPlugs: () => [...hotPlugs.values()],
    refused(trouble) {
      cancelTelling ??= clock.after(TOLD_WITHIN_MS, () => tellAll(trouble));
    },
    stored(ofStarts, ofHotPlugs) {
      for (const { attempt } of ofStarts) starts.delete(attempt.id);
      for (const { hotPlug } of ofHotPlugs) hotPlugs.delete(hotPlug.id);
      cancelTelling?.();
      cancelTelling = undefined;
    },
  };
}
