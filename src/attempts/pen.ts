import type { SignatureMatch } from "../model/catalogue.ts";
import type { Bdf, VmName } from "../model/identifiers.ts";
import type { VmDefinition } from "../model/virtual-machine.ts";
import type { AttemptBook } from "./book.ts";
import { createDefinitions, type Definitions, devicesOf } from "./definitions.ts";
import type { Moment, Said } from "./moments.ts";
import { distance } from "./windows.ts";
import { addEvidence, isRefusal, type WorkingAttempt } from "./working-attempt.ts";

/** Events are stamped on arrival, a moment after the log line that tells of the same thing (ms). */
export const SLACK_MS = 2_000;
/** Late pieces of a closed attempt arrive within this time (ms). */
export const LATE_MS = 10_000;

/** What is written into the book of attempts, with what is known of VMs and IOMMU groups. */
export interface Pen {
  readonly definitions: Definitions;
  /** What each VM has that runs, as libvirt last told it. */
  readonly running: Map<VmName, VmDefinition>;
  /** The IOMMU group of each device; also of those that have vanished (law 3). */
  readonly groups: Map<Bdf, number>;
  /** From then on the VM's next start gets this. */
  learn(definition: VmDefinition, from: Moment): void;
  open(vm: VmName, first: Said, matches: readonly SignatureMatch[]): WorkingAttempt;
  /** Adds evidence and tells the store; what is already known is dropped without a word. Returns true. */
  join(attempt: WorkingAttempt, said: Said, matches: readonly SignatureMatch[]): true;
  /**
   * What this very start was given, by the command line or by what then ran: more than a definition can tell, which may
   * be another one by the time that it is read.
   */
  hasDevices(attempt: WorkingAttempt, devices: readonly Bdf[]): void;
  /** The groups of its devices, as they are known by now. */
  learnGroups(attempt: WorkingAttempt): void;
  /** The start did not succeed. */
  fail(attempt: WorkingAttempt, at: Moment): void;
  /** The VM died by itself; early, it was no good start. */
  died(attempt: WorkingAttempt, at: Moment): void;
  isEarly(attempt: WorkingAttempt, at: Moment): boolean;
}

/** Makes the pen for a book. A VM that dies within `crashedEarlyMs` of its start crashed early. */
export function createPen(book: AttemptBook, settings: { readonly crashedEarlyMs: number }): Pen {
  const definitions = createDefinitions();
  const groups = new Map<Bdf, number>();

  function addDevices(attempt: WorkingAttempt, devices: readonly Bdf[]): void {
    for (const device of devices) {
      attempt.devices.add(device);
      const group = groups.get(device);
      if (group !== undefined) attempt.groups.add(group);
    }
  }

  function setDevices(attempt: WorkingAttempt, devices: readonly Bdf[]): void {
    attempt.devices.clear();
    attempt.groups.clear();
    addDevices(attempt, devices);
  }

  /** Until the start itself has shown what it got. Returns whether that makes a difference. */
  function takeDefinition(attempt: WorkingAttempt): boolean {
    const definition = definitions.at(attempt.vm, attempt.opened.steady);
    if (attempt.hasShownDevices || definition === undefined) return false;
    const before = [...attempt.devices].join();
    setDevices(attempt, devicesOf(definition));
    return [...attempt.devices].join() !== before;
  }

  const isEarly = (attempt: WorkingAttempt, at: Moment) =>
    at.steady - attempt.opened.steady <= settings.crashedEarlyMs;

  return {
    definitions,
    running: new Map(),
    groups,
    learn(definition, from) {
      definitions.learn(definition, from.steady);
      for (const attempt of book.of(definition.name)) if (takeDefinition(attempt)) book.touched(attempt);
    },
    open(vm, first, matches) {
      const attempt = book.open(vm, first);
      takeDefinition(attempt);
      addEvidence(attempt, first, matches);
      // Nothing more may be said until it has settled, and the facts are those of its beginning.
      book.touched(attempt);
      return attempt;
    },
    join(attempt, said, matches) {
      if (addEvidence(attempt, said, matches)) book.touched(attempt);
      return true;
    },
    hasDevices(attempt, devices) {
      const before = [...attempt.devices].join();
      if (attempt.hasShownDevices) addDevices(attempt, devices);
      else setDevices(attempt, devices);
      attempt.hasShownDevices = true;
      // Who goes on after a kill has them from the store alone, and what names a device is joined by them.
      if ([...attempt.devices].join() !== before) book.touched(attempt);
    },
    learnGroups: (attempt) => addDevices(attempt, [...attempt.devices]),
    fail: (attempt, at) => book.close(attempt, at, isRefusal(attempt) ? "refused" : "failed"),
    died: (attempt, at) => book.close(attempt, at, isEarly(attempt, at) ? "crashed-early" : "started"),
    isEarly,
  };
}

/** The attempt whose span is nearest to a time. */
export function nearest(attempts: readonly WorkingAttempt[], { steady }: Moment): WorkingAttempt | undefined {
  return attempts.reduce<WorkingAttempt | undefined>(
    (best, attempt) =>
      best === undefined || distance(attempt, steady) < distance(best, steady) ? attempt : best,
    undefined,
  );
}
