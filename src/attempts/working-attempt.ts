import type { Evidence, Outcome, StartAttempt } from "../model/attempt.ts";
import type { SignatureMatch } from "../model/catalogue.ts";
import type { Bdf, BootId, VmName } from "../model/identifiers.ts";
import type { Observation } from "../model/observation.ts";
import { hasStarted } from "../model/virtual-machine.ts";
import { type Identities, identityOf } from "./identities.ts";
import { type Moment, momentOf, observationOf, type Said } from "./moments.ts";

/** More lines than this that no signature knows say nothing new about one start; the rest is passed over. */
const MAXIMUM_EVIDENCE = 200;
/** A guest can make QEMU repeat what a signature knows, with ever new numbers; more of that is passed over too. */
const MAXIMUM_KNOWN_EVIDENCE = 400;
/** What the outcome is made of is few, and never passed over: a restarted service reads the outcome from it. */
const DECIDING_KINDS: ReadonlySet<Observation["kind"]> = new Set([
  "domain-log-start",
  "domain-log-end",
  "vm-control-error",
  "vm-inventory",
  "vm-lifecycle",
  "vm-state",
]);

/** A start attempt while its evidence is still coming in. */
export interface WorkingAttempt {
  readonly id: string;
  readonly vm: VmName;
  readonly bootId: BootId | undefined;
  opened: Moment;
  closed: Moment | undefined;
  outcome: Outcome | undefined;
  /** When libvirt said that it runs; undefined before. */
  started: Moment | undefined;
  /** When the VM that was started here ended; undefined while it runs, and where nobody heard of its end. */
  ended: Moment | undefined;
  /** `starting up` and `shutting down` of the domain log have been seen. */
  hasLogStart: boolean;
  hasLogEnd: boolean;
  /** Its outcome has been announced; late evidence makes it settle again. */
  settled: boolean;
  /** The devices are what this start was given, and not what a definition says. */
  hasShownDevices: boolean;
  readonly devices: Set<Bdf>;
  readonly groups: Set<number>;
  readonly evidence: Evidence[];
  /** What the evidence is known by, with the steady times of its first and last repetition. */
  readonly identities: Map<string, { readonly first: number; readonly last: number }>;
  /** The same of all attempts of its book. */
  readonly known: Identities;
}

/** Opens an attempt with its first sign; `known` is what the evidence of all attempts of its book is known by. */
export function openAttempt(vm: VmName, first: Said, known: Identities): WorkingAttempt {
  return {
    id: `${first.bootId ?? "unknown-boot"}/${vm}/${first.at}/${first.identity}`,
    vm,
    bootId: first.bootId,
    opened: momentOf(first),
    closed: undefined,
    outcome: undefined,
    started: undefined,
    ended: undefined,
    hasLogStart: false,
    hasLogEnd: false,
    settled: false,
    hasShownDevices: false,
    devices: new Set(),
    groups: new Set(),
    evidence: [],
    identities: new Map(),
    known,
  };
}

/**
 * Takes up an attempt that an earlier run of the service stored, which began at `opened`. The wall clock was seldom set,
 * nor did the host sleep, while it went on.
 */
export function resumeAttempt(stored: StartAttempt, opened: Moment, known: Identities): WorkingAttempt {
  const steadyOf = (at: number) => opened.steady + Math.max(0, at - opened.at);
  const momentAt = (at: number | undefined) => (at === undefined ? undefined : { at, steady: steadyOf(at) });
  const has = (kind: Observation["kind"]) => stored.evidence.some((entry) => entry.observation.kind === kind);
  const closed = stored.outcome === undefined && stored.closedAt !== undefined;
  const started = stored.evidence.find(({ observation }) => tellsOfStarted(observation, stored.vm));
  const identities = new Map(
    stored.evidence.map(({ observation, lastAt }) => [
      identityOf(observation),
      { first: steadyOf(observation.at), last: steadyOf(lastAt) },
    ]),
  );
  for (const identity of identities.keys()) known.add(identity);
  return {
    id: stored.id,
    vm: stored.vm,
    bootId: stored.bootId,
    opened,
    closed: momentAt(stored.closedAt),
    outcome: closed ? outcomeOf(stored) : stored.outcome,
    started: momentAt(started?.observation.at),
    ended: stored.outcome === "started" ? undefined : momentAt(stored.closedAt),
    hasLogStart: has("domain-log-start"),
    hasLogEnd: has("domain-log-end"),
    settled: stored.outcome !== undefined,
    // A definition of now says nothing of a start that is told already.
    hasShownDevices: stored.outcome !== undefined || has("domain-log-start"),
    devices: new Set(stored.devices),
    groups: new Set(stored.groups),
    evidence: [...stored.evidence],
    identities,
    known,
  };
}

/** Its book keeps it no longer. */
export function forgetAttempt({ identities, known }: WorkingAttempt): void {
  for (const identity of identities.keys()) known.remove(identity);
}

function tellsOfStarted(observation: Observation, vm: VmName): boolean {
  if (observation.kind === "vm-lifecycle") return observation.event === "started";
  return (
    observation.kind === "vm-inventory" &&
    observation.vms.some(({ definition, state }) => definition.name === vm && hasStarted(state))
  );
}

/** Late evidence is stored at once, and its diagnosis when things are quiet; the service may end between the two. */
export function isUndiagnosed({ outcome, diagnosis }: StartAttempt): boolean {
  return outcome !== undefined && outcome !== "started" && diagnosis === undefined;
}

/** How an attempt ended that was closed but not announced when the service was killed. */
export function outcomeOf(stored: StartAttempt): Outcome {
  if (isRefusal(stored)) return "refused";
  for (const { observation } of stored.evidence) {
    if (observation.kind === "domain-log-end" && observation.reason === "failed") return "failed";
    if (observation.kind === "vm-state" && observation.state.reason === "failed") return "failed";
    if (observation.kind === "domain-log-end" && DEATHS.has(observation.reason)) return "crashed-early";
  }
  // Where only the kernel or libvirtd's log speaks of a start, it speaks of its failure.
  return stored.evidence.every(({ observation: { kind } }) => SAID_OF_FAILURES.has(kind))
    ? "failed"
    : "started";
}

const SAID_OF_FAILURES: ReadonlySet<Observation["kind"]> = new Set([
  "kernel-record",
  "libvirtd-record",
  "vfio-node",
  "vm-control-error",
]);
/** Words of a domain log's end for a QEMU that died by itself. */
const DEATHS: ReadonlySet<string> = new Set(["crashed", "daemon"]);

/**
 * Adds evidence in the order in which it was said. The same thing read twice changes nothing; the same message again from the
 * same device raises a count, so that a flood stays one line. Returns whether anything is new.
 */
export function addEvidence(
  attempt: WorkingAttempt,
  said: Said,
  matches: readonly SignatureMatch[],
): boolean {
  const observation = observationOf(said);
  const identity = identityOf(observation);
  if (attempt.identities.has(identity)) return false;
  const repeated = attempt.evidence.findIndex((entry) => isRepetition(entry.observation, observation));
  const earlier = attempt.evidence[repeated];
  if (earlier !== undefined) {
    const known = timesOf(attempt, earlier);
    attempt.identities.set(identityOf(earlier.observation), {
      ...known,
      last: Math.max(known.last, said.steady),
    });
    attempt.evidence[repeated] = {
      ...earlier,
      count: earlier.count + 1,
      lastAt: Math.max(earlier.lastAt, observation.at),
    };
    return true;
  }
  const most = matches.length === 0 ? MAXIMUM_EVIDENCE : MAXIMUM_KNOWN_EVIDENCE;
  if (attempt.evidence.length >= most && !DECIDING_KINDS.has(observation.kind)) return false;
  attempt.identities.set(identity, { first: said.steady, last: said.steady });
  attempt.known.add(identity);
  // Where its source goes on is a long text, and the position's own business.
  const { resume: _position, ...kept } = observation;
  const entry: Evidence = { observation: kept as Observation, matches, count: 1, lastAt: observation.at };
  const after = attempt.evidence.findLastIndex((other) => timesOf(attempt, other).first <= said.steady);
  attempt.evidence.splice(after + 1, 0, entry);
  return true;
}

function timesOf(
  { identities, opened }: WorkingAttempt,
  { observation }: Evidence,
): { readonly first: number; readonly last: number } {
  return identities.get(identityOf(observation)) ?? { first: opened.steady, last: opened.steady };
}

/** Whether the attempt has the observation, by itself or counted as a repetition. */
export function hasEvidence(attempt: WorkingAttempt, said: Said): boolean {
  if (attempt.identities.has(identityOf(said))) return true;
  return attempt.evidence.some((entry) => {
    const { first, last } = timesOf(attempt, entry);
    return first <= said.steady && said.steady <= last && isRepetition(entry.observation, said);
  });
}

/** The attempt as the rest of the program sees it; a copy that later evidence does not touch. */
export function finishedView(attempt: WorkingAttempt): StartAttempt {
  return {
    id: attempt.id,
    vm: attempt.vm,
    bootId: attempt.bootId,
    openedAt: attempt.opened.at,
    steady: attempt.opened.steady,
    closedAt: attempt.closed?.at,
    ...(attempt.closed !== undefined && { closedSteady: attempt.closed.steady }),
    outcome: attempt.settled ? attempt.outcome : undefined,
    devices: [...attempt.devices],
    groups: [...attempt.groups],
    evidence: [...attempt.evidence],
  };
}

/** Whether something said about the attempt names a policy refusal of the platform. */
export function isRefusal(attempt: Pick<StartAttempt, "evidence">): boolean {
  return attempt.evidence.some((entry) => entry.matches.some((match) => match.signature.refusal === true));
}

/** Whether a cause that ends a start has been named. */
export function hasFatalCause(attempt: Pick<StartAttempt, "evidence">): boolean {
  return attempt.evidence.some((entry) =>
    entry.matches.some(({ signature }) => signature.role === "cause" && signature.severity === "fatal"),
  );
}

/** Kernel lines repeat by the thousand; only the same text from the same device is the same message. */
function isRepetition(earlier: Observation, later: Observation): boolean {
  return (
    earlier.kind === "kernel-record" &&
    later.kind === "kernel-record" &&
    earlier.device === later.device &&
    withoutNumbers(earlier.text) === withoutNumbers(later.text)
  );
}

/** Addresses and counters differ from repetition to repetition; device addresses stay because they have a colon. */
function withoutNumbers(text: string): string {
  return text.replace(/0x[0-9a-f]+/gi, "0x…");
}
