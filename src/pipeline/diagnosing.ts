import type { AttemptTracker } from "../attempts/tracker.ts";
import { type Clock, steadyNow } from "../clock.ts";
import { diagnose } from "../diagnosis/diagnose.ts";
import { BEGINNING } from "../diagnosis/host-lookups.ts";
import type { StartAttempt } from "../model/attempt.ts";
import type { Diagnosis } from "../model/diagnosis.ts";
import { groupsOfDevices, type HostState, type VmStatus } from "../model/host-state.ts";
import { read } from "../model/reading.ts";
import type { PipelineOptions } from "./options.ts";
import { statusFromLog } from "./vm-states.ts";

/** While starts wait to be judged, the host is read again this seldom (ms). */
const HOST_IS_FRESH_MS = 250;
/** And so much longer than the reading takes, which on a host with thousands of functions is a second. */
const READING_SHARE = 20;
/** Drivers come and go; what the host is this long after a failure proves less (ms). */
const STATE_IS_LATE_MS = 30_000;

/** Why starts fail, by what was said and by the host's state. */
export interface Diagnosing {
  /** `isOfEarlierBoot`: what the host is now says nothing of it. */
  of(attempt: StartAttempt, isOfEarlierBoot?: boolean): Diagnosis;
  /** The host is looked at too long after the attempt for its state to prove much. */
  isLate(attempt: StartAttempt): boolean;
  /** Reads the host, and what it says of IOMMU groups. */
  readHost(): HostState;
  /** No storm goes on: the host is read anew for the next. */
  calm(): void;
}

/** `isStorm`: several starts are judged within moments of each other. */
export function createDiagnosing(options: {
  readonly clock: Clock;
  readonly tracker: AttemptTracker;
  readonly vms: () => readonly VmStatus[];
  readonly isStorm: () => boolean;
  readonly pipeline: Pick<PipelineOptions, "readHost" | "findMessages" | "matcher">;
}): Diagnosing {
  const { clock, tracker, vms, pipeline } = options;
  const means = {
    catalogue: pipeline.matcher.catalogue,
    ...(pipeline.findMessages !== undefined && { findMessages: pipeline.findMessages }),
  };
  let hostOfStorm: { readonly host: HostState; readonly until: number } | undefined;

  function readHost(): HostState {
    const host = pipeline.readHost(vms());
    if (host.devices.state === "read") tracker.learnGroups(groupsOfDevices(host.devices.value));
    return host;
  }

  /** One reading serves the starts of a storm. */
  function hostNow(): HostState {
    const began = steadyNow(clock);
    if (hostOfStorm !== undefined && began < hostOfStorm.until) return hostOfStorm.host;
    const host = readHost();
    const now = steadyNow(clock);
    if (options.isStorm())
      hostOfStorm = { host, until: now + Math.max(HOST_IS_FRESH_MS, (now - began) * READING_SHARE) };
    return host;
  }

  function isLate({ steady, closedSteady = steady }: StartAttempt): boolean {
    return closedSteady === undefined || steadyNow(clock) - closedSteady > STATE_IS_LATE_MS;
  }

  return {
    /** Drivers and regions are as they are now; which VMs ran is known for the time of the attempt. */
    of(attempt, isOfEarlierBoot = false) {
      if (isOfEarlierBoot) return diagnose(attempt, undefined, means);
      const beganAt = attempt.steady ?? steadyNow(clock);
      const running = tracker.runningAt(beganAt);
      const known = vms().map((vm): VmStatus => {
        const { name } = vm.definition;
        const had = running.get(name) ?? tracker.begunSoonAfter(name, attempt.closedSteady ?? beganAt);
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
      const host = hostNow();
      return diagnose(
        attempt,
        host.vms.state === "read" ? { ...host, vms: read([...known, ...gone.map(statusFromLog)]) } : host,
        { ...means, stateIsLate: isLate(attempt) },
      );
    },
    isLate,
    readHost,
    calm() {
      hostOfStorm = undefined;
    },
  };
}
