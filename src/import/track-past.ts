import { createAttemptTracker } from "../attempts/tracker.ts";
import type { TrackerSettings } from "../attempts/tracking.ts";
import { createVirtualClock } from "../clock.ts";
import type { Matcher } from "../diagnosis/matcher.ts";
import { matchesOf } from "../diagnosis/speakers.ts";
import type { StartAttempt } from "../model/attempt.ts";
import type { SignatureMatch } from "../model/catalogue.ts";
import type { Bdf, BootId, VmName } from "../model/identifiers.ts";
import type { Observation } from "../model/observation.ts";
import type { VmDefinition } from "../model/virtual-machine.ts";
import type { SightingInput } from "../store/record-stores.ts";
import type { PastObservation } from "./past-boot.ts";

/** A known line that belongs to no attempt. */
export interface LoneLine {
  readonly identity: string;
  readonly input: SightingInput;
}

/** What came of the observations of one boot. */
export interface TrackedPast {
  /** Attempts whose outcome the material shows. */
  readonly settled: readonly StartAttempt[];
  /** VMs that ran when an attempt was made, by the attempt's id. */
  readonly running: ReadonlyMap<string, ReadonlySet<VmName>>;
  /** Starts of which the material does not show how they went. */
  readonly undecided: number;
  /** Known lines that belong to no attempt. */
  readonly sightings: readonly LoneLine[];
}

/** After the last line the kernel's word alone is an attempt, and a failed one settles (ms). */
const REST = 600_000;

/**
 * Joins what was said in one boot into start attempts, with the tracker of the service and a clock of its own.
 * `seenUntil` is how long somebody was watching: a start shortly before it has no outcome.
 */
export function trackPast(options: {
  readonly bootId: BootId | undefined;
  readonly observations: readonly PastObservation[];
  readonly definitions: readonly VmDefinition[];
  readonly groups: ReadonlyMap<Bdf, number>;
  readonly seenUntil: number;
  readonly matcher: Matcher;
  readonly settings: TrackerSettings;
}): TrackedPast {
  const { bootId, matcher, settings } = options;
  const ordered = options.observations
    .map(({ observation, count }) => ({ count, observation: placed(observation, bootId) }))
    .sort((a, b) => a.observation.at - b.observation.at);
  const startAt = ordered[0]?.observation.at ?? options.seenUntil;
  const seenUntil = Math.max(options.seenUntil, ordered.at(-1)?.observation.at ?? 0);
  const clock = createVirtualClock(startAt);
  const attempts = new Map<string, StartAttempt>();
  const running = new Map<string, ReadonlySet<VmName>>();
  const tracker = createAttemptTracker({
    clock,
    settings,
    stored: [],
    isPast: true,
    events: {
      changed: () => {},
      settled(attempt) {
        attempts.set(attempt.id, attempt);
        running.set(attempt.id, new Set(tracker.runningAt(attempt.steady ?? attempt.openedAt).keys()));
      },
    },
  });
  tracker.learnGroups(options.groups);
  tracker.observe(inventory(options.definitions, startAt, bootId), []);
  tracker.observe(nobodyListened(startAt), []);
  tracker.release();

  const alone: LoneLine[] = [];
  const times = new Map<string, number>();
  for (const { observation, count } of ordered) {
    clock.moveTo(observation.at);
    const matches = matchesOf(observation, matcher);
    if (count > 1) times.set(observation.identity, count);
    const known = matches.find((match) => match.signature.role !== "noise");
    if (!tracker.observe(observation, matches) && known !== undefined) {
      const input = sightingOf(observation, known, count);
      if (input !== undefined) alone.push({ identity: observation.identity, input });
    }
  }
  clock.moveTo(Math.max(clock.now(), seenUntil) + REST);

  const all = [...attempts.values()];
  const decided = all.filter((attempt) => isDecided(attempt, seenUntil, settings.settlingMs));
  const evidence = new Set(
    all.flatMap((attempt) => attempt.evidence.map((entry) => entry.observation.identity)),
  );
  return {
    settled: decided.map((attempt) => counted(withoutSteadyTime(attempt), times)),
    running,
    undecided: all.length - decided.length,
    sightings: alone.filter(({ identity }) => !evidence.has(identity)),
  };
}

/** A good start that nobody watched long enough, or that a fatal line contradicts, is none. */
function isDecided(
  { outcome, openedAt, evidence }: StartAttempt,
  seenUntil: number,
  settlingMs: number,
): boolean {
  if (outcome !== "started") return true;
  if (evidence.some(({ observation }) => observation.kind === "domain-log-end")) return true;
  const fatal = evidence.some(({ matches }) =>
    matches.some(({ signature }) => signature.role === "cause" && signature.severity === "fatal"),
  );
  return !fatal && seenUntil >= openedAt + settlingMs;
}

/** No clock of the past is known but the one on the wall. */
function withoutSteadyTime({ steady: _, closedSteady: __, ...attempt }: StartAttempt): StartAttempt {
  return attempt;
}

function counted(attempt: StartAttempt, times: ReadonlyMap<string, number>): StartAttempt {
  return {
    ...attempt,
    evidence: attempt.evidence.map((entry) => ({
      ...entry,
      count: entry.count + (times.get(entry.observation.identity) ?? 1) - 1,
    })),
  };
}

function placed(observation: Observation, bootId: BootId | undefined): Observation {
  const { bootId: _earlier, ...rest } = observation;
  return (bootId === undefined ? rest : { ...rest, bootId }) as Observation;
}

/** What VMs there were; their states are not known. */
function inventory(
  definitions: readonly VmDefinition[],
  at: number,
  bootId: BootId | undefined,
): Observation {
  return {
    kind: "vm-inventory",
    source: "libvirt",
    at,
    exactTime: false,
    identity: "past-inventory",
    ...(bootId === undefined ? {} : { bootId }),
    vms: definitions.map((definition) => ({ definition, state: { state: "nostate", reason: "unknown" } })),
  };
}

/** libvirt's events of the past are lost: no start waits for libvirt to call it started. */
function nobodyListened(at: number): Observation {
  const base = { source: "libvirt", at, exactTime: false, identity: "past-connection" } as const;
  return { kind: "connection", ...base, state: "lost", detail: "a boot of the past" };
}

function sightingOf(
  observation: Observation,
  { signature }: SignatureMatch,
  count: number,
): SightingInput | undefined {
  if (!("text" in observation)) return undefined;
  const device = observation.kind === "kernel-record" ? observation.device : undefined;
  return {
    source: observation.source,
    signature: signature.id,
    text: observation.text,
    at: observation.at,
    count,
    ...(observation.bootId === undefined ? {} : { bootId: observation.bootId }),
    ...(device === undefined ? {} : { device }),
    ...(observation.monotonicUs === undefined ? {} : { monotonicUs: observation.monotonicUs }),
  };
}
