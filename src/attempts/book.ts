import type { Clock } from "../clock.ts";
import type { Outcome, StartAttempt } from "../model/attempt.ts";
import type { VmName } from "../model/identifiers.ts";
import type { Observation } from "../model/observation.ts";
import { identityOf } from "./identities.ts";
import { type Moment, type Moments, type Said, SET_CLOCK_MS } from "./moments.ts";
import { createShelf } from "./shelf.ts";
import type { TrackerEvents, TrackerSettings } from "./tracking.ts";
import { hadDevicesAt } from "./windows.ts";
import {
  finishedView,
  hasEvidence,
  isUndiagnosed,
  openAttempt,
  resumeAttempt,
  type WorkingAttempt,
} from "./working-attempt.ts";

/** A start that libvirt does not announce for so long is judged by its log alone (ms). */
const LONGEST_START_MS = 900_000;
/** Without libvirt's word a start is not called good sooner: QEMU may still be pinning memory (ms). */
const UNANNOUNCED_START_MS = 60_000;
/** libvirt gives a VM its devices before its log begins; a graphics driver takes seconds to let go of a card (ms). */
const LOG_LAG_MS = 6_000;
/** A timer that comes this much too late tells that nobody listened meanwhile (ms). */
const DEAF_MS = 50;
/** On a host that is always too busy to listen a failed start is announced all the same. */
const MOST_DEAF_PERIODS = 10;
/** A failed attempt is announced after this many quiet periods even if lines keep coming. */
const LONGEST_WAIT_IN_QUIET_PERIODS = 6;

/** The attempts of this boot that are open or only lately closed, and when each is announced. */
export interface AttemptBook {
  open(vm: VmName, first: Said): WorkingAttempt;
  /** Fixes the outcome; it is announced once things are quiet. */
  close(attempt: WorkingAttempt, at: Moment, outcome: Outcome): void;
  /** New evidence: tells the store, and announces a settled attempt once more. */
  touched(attempt: WorkingAttempt): void;
  /** Announces a start as good once the settling time has passed without an end. */
  watchSettling(attempt: WorkingAttempt): void;
  /** The newest attempt of the VM. */
  current(vm: VmName): WorkingAttempt | undefined;
  /** Attempts of the VM in order of time. */
  of(vm: VmName): readonly WorkingAttempt[];
  all(): readonly WorkingAttempt[];
  /** All but those that were over before that time: in a storm those are nearly all, and each record asks. */
  notOverAt(steady: number): Iterable<WorkingAttempt>;
  unsettled(): readonly WorkingAttempt[];
  /** Those of which anything has changed since this was asked last. */
  takeChanged(): readonly WorkingAttempt[];
  /** The attempts whose VM ran at that time, or was about to: libvirt gives it its devices before anything else. */
  runningAt(steady: number): readonly WorkingAttempt[];
  /** The VM's newest start whose log begins soon after that time. */
  begunSoonAfter(vm: VmName, steady: number): WorkingAttempt | undefined;
  /** Whether the observation is evidence of an attempt already. */
  knows(observation: Observation): boolean;
  /** As `knows`, or counted there as a repetition. Slower: for the few observations that would open an attempt. */
  tellsOf(said: Said): boolean;
  release(): void;
}

/** Makes the book; `isReleased` is false while the sources still read what happened before the service came up. */
export function createAttemptBook(options: {
  readonly clock: Clock;
  readonly moments: Moments;
  readonly settings: TrackerSettings;
  readonly events: TrackerEvents;
  readonly stored: readonly StartAttempt[];
  readonly isReleased: () => boolean;
  /** Whether libvirt would announce a start, so that its silence means that the VM is still starting. */
  readonly isStartAnnounced: () => boolean;
}): AttemptBook {
  const { clock, moments, settings, events, isReleased } = options;
  const shelf = createShelf(clock);
  const timers = new Map<string, () => void>();
  const closedSince = new Map<string, number>();
  /** Settled ones to settle again once the backlog is read: something new came, or a kill came before the diagnosis. */
  const dueAgain = new Set(options.stored.filter(isUndiagnosed).map(({ id }) => id));
  const steadyNow = () => moments.now().steady;

  for (const stored of options.stored)
    shelf.put(
      resumeAttempt(
        stored,
        stored.steady === undefined
          ? moments.of(stored.openedAt)
          : { at: stored.openedAt, steady: stored.steady },
        shelf.known,
      ),
    );

  function schedule(attempt: WorkingAttempt, delay: number, action: () => void): void {
    timers.get(attempt.id)?.();
    timers.set(attempt.id, clock.after(delay, action));
  }

  function settle(attempt: WorkingAttempt): void {
    timers.get(attempt.id)?.();
    timers.delete(attempt.id);
    closedSince.delete(attempt.id);
    attempt.settled = true;
    events.settled(finishedView(attempt));
  }

  function settleWhenQuiet(attempt: WorkingAttempt): void {
    if (!isReleased()) {
      dueAgain.add(attempt.id);
      return;
    }
    const since = closedSince.get(attempt.id) ?? steadyNow();
    closedSince.set(attempt.id, since);
    const longest = since + settings.quietMs * LONGEST_WAIT_IN_QUIET_PERIODS;
    settleAfter(attempt, Math.max(0, Math.min(settings.quietMs, longest - steadyNow())), 0);
  }

  /**
   * Quiet is what was listened to and not heard. After the process was held up (by reading a large host, or by VMs
   * that take every processor) timers run before the evidence that came meanwhile is read.
   */
  function settleAfter(attempt: WorkingAttempt, delay: number, deafPeriods: number): void {
    const due = steadyNow() + delay;
    schedule(attempt, delay, () => {
      const wasDeaf = steadyNow() - due > DEAF_MS && deafPeriods < MOST_DEAF_PERIODS;
      if (wasDeaf) settleAfter(attempt, settings.quietMs, deafPeriods + 1);
      else settle(attempt);
    });
  }

  function watchSettling(attempt: WorkingAttempt): void {
    if (!isReleased() || attempt.closed !== undefined) return;
    const begun = attempt.started ?? attempt.opened;
    const unannounced = Math.max(settings.settlingMs, UNANNOUNCED_START_MS);
    const patience =
      attempt.started !== undefined
        ? settings.settlingMs
        : options.isStartAnnounced()
          ? LONGEST_START_MS
          : unannounced;
    const wait = Math.min(patience, Math.max(0, begun.steady + patience - steadyNow()));
    schedule(attempt, wait, () => {
      attempt.outcome = "started";
      attempt.closed = { at: begun.at + patience, steady: begun.steady + patience };
      settle(attempt);
    });
  }

  return {
    open(vm, first) {
      const attempt = openAttempt(vm, first, shelf.known);
      shelf.put(attempt);
      return attempt;
    },
    close(attempt, at, outcome) {
      shelf.changed(attempt, "end");
      attempt.closed = endOf(attempt, at);
      attempt.outcome = outcome;
      attempt.settled = false;
      events.changed(finishedView(attempt));
      settleWhenQuiet(attempt);
    },
    touched(attempt) {
      shelf.changed(attempt);
      events.changed(finishedView(attempt));
      if (attempt.closed !== undefined) settleWhenQuiet(attempt);
    },
    watchSettling,
    current: (vm) => shelf.of(vm).at(-1),
    of: shelf.of,
    all: shelf.all,
    notOverAt: shelf.notOverAt,
    runningAt(steady) {
      const running: WorkingAttempt[] = [];
      for (const attempts of shelf.ofEachVm()) {
        const attempt = attempts.findLast(({ opened }) => opened.steady <= steady);
        if (attempt !== undefined && hadDevicesAt(attempt, steady)) running.push(attempt);
      }
      return running;
    },
    begunSoonAfter: (vm, steady) =>
      shelf
        .of(vm)
        .findLast(
          ({ hasLogStart, opened }) =>
            hasLogStart && opened.steady > steady && opened.steady <= steady + LOG_LAG_MS,
        ),
    takeChanged: shelf.takeChanged,
    unsettled: () => shelf.all().filter((attempt) => !attempt.settled),
    knows: (observation) => shelf.known.has(identityOf(observation)),
    tellsOf: (said) => shelf.all().some((attempt) => hasEvidence(attempt, said)),
    release() {
      for (const attempt of shelf.all()) {
        if (attempt.settled && !dueAgain.has(attempt.id)) continue;
        if (attempt.closed !== undefined) settleWhenQuiet(attempt);
        else watchSettling(attempt);
      }
      dueAgain.clear();
    },
  };
}

/** An attempt does not end before it begins, on either clock: what is shown is how long it took. */
function endOf({ opened }: WorkingAttempt, { at, steady }: Moment): Moment {
  const passed = Math.max(0, steady - opened.steady);
  const isSameClock = Math.abs(at - opened.at - (steady - opened.steady)) < SET_CLOCK_MS;
  return {
    at: isSameClock ? Math.max(at, opened.at) : opened.at + passed,
    steady: opened.steady + passed,
  };
}
