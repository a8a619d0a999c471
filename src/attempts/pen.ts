import type { SignatureMatch } from "../model/catalogue.ts";
import type { Bdf, VmName } from "../model/identifiers.ts";
import type { Observation } from "../model/observation.ts";
import type { VmDefinition } from "../model/virtual-machine.ts";
import type { AttemptBook } from "./book.ts";
import { distance } from "./windows.ts";
import { addEvidence, isRefusal, type WorkingAttempt } from "./working-attempt.ts";

/** Events are stamped on arrival, a moment after the log line that tells of the same thing (ms). */
export const SLACK_MS = 2_000;
/** Late pieces of a closed attempt arrive within this time (ms). */
export const LATE_MS = 10_000;

/** What is written into the book of attempts, with what is known of VMs and IOMMU groups. */
export interface Pen {
  /** A VM's definition, as libvirt last told it. */
  readonly definitions: Map<VmName, VmDefinition>;
  /** The IOMMU group of each device; also of those that have vanished (law 3). */
  readonly groups: Map<Bdf, number>;
  learn(definition: VmDefinition): void;
  open(vm: VmName, first: Observation, matches: readonly SignatureMatch[]): WorkingAttempt;
  /** Adds evidence and tells the store; what is already known is dropped without a word. Returns true. */
  join(attempt: WorkingAttempt, observation: Observation, matches: readonly SignatureMatch[]): true;
  addDevices(attempt: WorkingAttempt, devices: readonly Bdf[]): void;
  /** The start did not succeed. */
  fail(attempt: WorkingAttempt, at: number): void;
  /** The VM died by itself; early, it was no good start. */
  died(attempt: WorkingAttempt, at: number): void;
  isEarly(attempt: WorkingAttempt, at: number): boolean;
}

/** Makes the pen for a book. A VM that dies within `crashedEarlyMs` of its start crashed early. */
export function createPen(book: AttemptBook, settings: { readonly crashedEarlyMs: number }): Pen {
  const definitions = new Map<VmName, VmDefinition>();
  const groups = new Map<Bdf, number>();

  function addDevices(attempt: WorkingAttempt, devices: readonly Bdf[]): void {
    for (const device of devices) {
      attempt.devices.add(device);
      const group = groups.get(device);
      if (group !== undefined) attempt.groups.add(group);
    }
  }

  const isEarly = (attempt: WorkingAttempt, at: number) => at - attempt.openedAt <= settings.crashedEarlyMs;

  return {
    definitions,
    groups,
    learn(definition) {
      definitions.set(definition.name, definition);
      const attempt = book.current(definition.name);
      if (attempt !== undefined && attempt.closedAt === undefined) addDevices(attempt, devicesOf(definition));
    },
    open(vm, first, matches) {
      const attempt = book.open(vm, first);
      addDevices(attempt, devicesOf(definitions.get(vm)));
      addEvidence(attempt, first, matches);
      // Nothing more may be said until it has settled, and the facts are those of its beginning.
      book.touched(attempt);
      return attempt;
    },
    join(attempt, observation, matches) {
      if (addEvidence(attempt, observation, matches)) book.touched(attempt);
      return true;
    },
    addDevices,
    fail: (attempt, at) => book.close(attempt, at, isRefusal(attempt) ? "refused" : "failed"),
    died: (attempt, at) => book.close(attempt, at, isEarly(attempt, at) ? "crashed-early" : "started"),
    isEarly,
  };
}

/** Addresses of the devices that a definition passes through. */
export function devicesOf(definition: VmDefinition | undefined): readonly Bdf[] {
  return definition?.hostDevices.map((device) => device.bdf) ?? [];
}

/** The attempt whose span is nearest to a time. */
export function nearest(attempts: readonly WorkingAttempt[], at: number): WorkingAttempt | undefined {
  return attempts.reduce<WorkingAttempt | undefined>(
    (best, attempt) => (best === undefined || distance(attempt, at) < distance(best, at) ? attempt : best),
    undefined,
  );
}
