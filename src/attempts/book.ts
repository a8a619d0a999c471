import { type Clock, steadyOf } from "../clock.ts";
import type { Outcome, StartAttempt } from "../model/attempt.ts";
import type { VmName } from "../model/identifiers.ts";
import type { Observation } from "../model/observation.ts";
import type { TrackerEvents, TrackerSettings } from "./tracking.ts";
import {
  finishedView,
  hasEvidence,
  openAttempt,
  resumeAttempt,
  type WorkingAttempt,
} from "./working-attempt.ts";

/** Attempts kept in memory for each VM: enough for late pieces of a VM that is retried in quick succession. */
const KEPT_FOR_EACH_VM = 12;
/** A start that libvirt does not announce for so long is judged by its log alone (ms). */
const LONGEST_START_MS = 900_000;
/** libvirt gives a VM its devices before its log begins; a graphics driver takes seconds to let go of a card (ms). */
const LOG_LAG_MS = 6_000;
/** Less is no clock that was set, but one that NTP slews (ms). */
const SET_CLOCK_MS = 1_000;
/** A timer that comes this much too late tells that nobody listened meanwhile (ms). */
const DEAF_MS = 50;
/** On a host that is always too busy to listen a failed start is announced all the same. */
const MOST_DEAF_PERIODS = 10;
/** A failed attempt is announced after this many quiet periods even if lines keep coming. */
const LONGEST_WAIT_IN_QUIET_PERIODS = 6;

/** The attempts of this boot that are open or only lately closed, and when each is announced. */
export interface AttemptBook {
  open(vm: VmName, first: Observation): WorkingAttempt;
  /** Fixes the outcome; it is announced once things are quiet. */
  close(attempt: WorkingAttempt, at: number, outcome: Outcome): void;
  /**
   * A wall time that has just been read, as the wall clock would have shown it that stood when the attempt began: the
   * clock may have been set since.
   */
  timeWithin(attempt: WorkingAttempt, at: number): number;
  /** The VM that was started has ended. */
  ended(attempt: WorkingAttempt, at: number): void;
  /** New evidence: tells the store, and announces a settled attempt once more. */
  touched(attempt: WorkingAttempt): void;
  /** Announces a start as good once the settling time has passed without an end. */
  watchSettling(attempt: WorkingAttempt): void;
  /** The newest attempt of the VM. */
  current(vm: VmName): WorkingAttempt | undefined;
  /** Attempts of the VM in order of time. */
  of(vm: VmName): readonly WorkingAttempt[];
  all(): readonly WorkingAttempt[];
  unsettled(): readonly WorkingAttempt[];
  /** The attempts whose VM ran at that time, or was about to: libvirt gives it its devices before anything else. */
  runningAt(time: number): readonly WorkingAttempt[];
  /** The starts whose log begins soon after that time. */
  begunSoonAfter(time: number): readonly WorkingAttempt[];
  /** Whether the observation is evidence of an attempt already. */
  knows(observation: Observation): boolean;
  /** As `knows`, or counted there as a repetition. Slower: for the few observations that would open an attempt. */
  tellsOf(observation: Observation): boolean;
  release(): void;
}

const OF_ONE_VM: ReadonlySet<Observation["kind"]> = new Set([
  "domain-log-start",
  "domain-log-line",
  "domain-log-end",
  "vm-control-error",
]);

/** Makes the book; `isReleased` is false while the sources still read what happened before the service came up. */
export function createAttemptBook(options: {
  readonly clock: Clock;
  readonly settings: TrackerSettings;
  readonly events: TrackerEvents;
  readonly stored: readonly StartAttempt[];
  readonly isReleased: () => boolean;
  /** Whether libvirt would announce a start, so that its silence means that the VM is still starting. */
  readonly isStartAnnounced: () => boolean;
}): AttemptBook {
  const { clock, settings, events, isReleased } = options;
  const byVm = new Map<VmName, WorkingAttempt[]>();
  const timers = new Map<string, () => void>();
  const closedSince = new Map<string, number>();

  function insert(attempt: WorkingAttempt): void {
    const attempts = byVm.get(attempt.vm) ?? [];
    attempts.push(attempt);
    attempts.sort((a, b) => a.steady - b.steady);
    if (attempts.length > KEPT_FOR_EACH_VM) {
      const oldest = attempts.findIndex((candidate) => candidate.settled);
      if (oldest >= 0) attempts.splice(oldest, 1);
    }
    byVm.set(attempt.vm, attempts);
  }
  for (const stored of options.stored)
    insert(resumeAttempt(stored, stored.steady ?? steadyOf(clock, stored.openedAt)));

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
    if (!isReleased()) return;
    const since = closedSince.get(attempt.id) ?? clock.now();
    closedSince.set(attempt.id, since);
    const longest = since + settings.quietMs * LONGEST_WAIT_IN_QUIET_PERIODS;
    settleAfter(attempt, Math.max(0, Math.min(settings.quietMs, longest - clock.now())), 0);
  }

  /**
   * Quiet is what was listened to and not heard. After the process was held up (by reading a large host, or by VMs
   * that take every processor) timers run before the evidence that came meanwhile is read.
   */
  function settleAfter(attempt: WorkingAttempt, delay: number, deafPeriods: number): void {
    const due = clock.now() + delay;
    schedule(attempt, delay, () => {
      const wasDeaf = clock.now() - due > DEAF_MS && deafPeriods < MOST_DEAF_PERIODS;
      if (wasDeaf) settleAfter(attempt, settings.quietMs, deafPeriods + 1);
      else settle(attempt);
    });
  }

  function watchSettling(attempt: WorkingAttempt): void {
    if (!isReleased() || attempt.closedAt !== undefined) return;
    const begun = attempt.startedAt ?? attempt.openedAt;
    const patience =
      attempt.startedAt === undefined && options.isStartAnnounced() ? LONGEST_START_MS : settings.settlingMs;
    // A clock that was set back makes nobody wait longer.
    const wait = Math.min(patience, Math.max(0, begun + patience - clock.now()));
    schedule(attempt, wait, () => {
      attempt.outcome = "started";
      attempt.closedAt = begun + patience;
      settle(attempt);
    });
  }

  return {
    open(vm, first) {
      const attempt = openAttempt(vm, first, steadyOf(clock, first.at));
      insert(attempt);
      return attempt;
    },
    close(attempt, at, outcome) {
      attempt.closedAt = Math.max(at, attempt.openedAt);
      attempt.outcome = outcome;
      attempt.settled = false;
      events.changed(finishedView(attempt));
      settleWhenQuiet(attempt);
    },
    touched(attempt) {
      events.changed(finishedView(attempt));
      if (attempt.closedAt !== undefined) settleWhenQuiet(attempt);
    },
    timeWithin(attempt, at) {
      const passed = attempt.openedAt + steadyOf(clock, at) - attempt.steady;
      // What claims to be of the future was read late, from before the clock was set back.
      return at > clock.now() || Math.abs(passed - at) <= SET_CLOCK_MS ? at : passed;
    },
    ended(attempt, at) {
      attempt.endedAt = at;
      attempt.endedSteady = steadyOf(clock, at);
    },
    watchSettling,
    current: (vm) => byVm.get(vm)?.at(-1),
    of: (vm) => byVm.get(vm) ?? [],
    all: () => [...byVm.values()].flat(),
    runningAt: (time) =>
      [...byVm.values()]
        .map((attempts) => attempts.findLast((attempt) => attempt.steady <= steadyOf(clock, time)))
        .filter((attempt) => attempt !== undefined)
        .filter(
          (attempt) =>
            (attempt.outcome === "started" ||
              attempt.outcome === "crashed-early" ||
              attempt.startedAt !== undefined ||
              (attempt.hasLogStart && (attempt.closedAt === undefined || attempt.closedAt > time))) &&
            steadyOfEnd(attempt) > steadyOf(clock, time),
        ),
    begunSoonAfter: (time) =>
      [...byVm.values()]
        .flat()
        .filter(
          ({ hasLogStart, openedAt }) => hasLogStart && openedAt > time && openedAt <= time + LOG_LAG_MS,
        ),
    unsettled: () => [...byVm.values()].flat().filter((attempt) => !attempt.settled),
    knows(observation) {
      const identity = `${observation.source}\u0000${observation.identity}`;
      const has = (attempt: WorkingAttempt) => attempt.identities.has(identity);
      // A VM's own log is evidence of its own starts alone, and in a storm there are thousands of others.
      if (OF_ONE_VM.has(observation.kind) && "vm" in observation && observation.vm !== undefined)
        return (byVm.get(observation.vm) ?? []).some(has);
      return [...byVm.values()].some((attempts) => attempts.some(has));
    },
    tellsOf: (observation) =>
      [...byVm.values()].some((attempts) => attempts.some((attempt) => hasEvidence(attempt, observation))),
    release() {
      for (const attempt of [...byVm.values()].flat()) {
        if (attempt.settled) continue;
        if (attempt.closedAt !== undefined) settleWhenQuiet(attempt);
        else watchSettling(attempt);
      }
    },
  };
}

/** Of an end that an earlier run heard of: the wall clock was seldom set, nor did the host sleep, while the VM ran. */
function steadyOfEnd({ endedAt, endedSteady, openedAt, steady }: WorkingAttempt): number {
  if (endedAt === undefined) return Number.POSITIVE_INFINITY;
  return endedSteady ?? steady + Math.max(0, endedAt - openedAt);
}
