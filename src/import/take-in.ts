import type { TrackerSettings } from "../attempts/tracking.ts";
import { diagnose } from "../diagnosis/diagnose.ts";
import type { MessageFinder } from "../diagnosis/generated/unknown-causes.ts";
import type { Matcher } from "../diagnosis/matcher.ts";
import { textOf } from "../facts/fact-value.ts";
import { makeSnapshot } from "../facts/snapshot.ts";
import type { Evidence, StartAttempt } from "../model/attempt.ts";
import type { Fact } from "../model/fact.ts";
import type { BootRecord } from "../model/history.ts";
import type { HostState } from "../model/host-state.ts";
import { type BootId, deviceOfUnknownVm, type VmName } from "../model/identifiers.ts";
import type { VmDefinition } from "../model/virtual-machine.ts";
import type { SignatureLookup, StoredAttempt } from "../store/attempt-store.ts";
import type { Store } from "../store/store.ts";
import { isSameRecord, joinObservations } from "./join-observations.ts";
import { mergeFacts } from "./known-host.ts";
import type { PastBoot, PastObservation } from "./past-boot.ts";
import { groupsInFacts, hostOfPastBoot } from "./past-host-state.ts";
import { topUpSightings } from "./top-up-sightings.ts";
import { trackPast } from "./track-past.ts";

/** What taking in needs besides the material. */
export interface TakeInParts {
  readonly store: Store;
  readonly matcher: Matcher;
  readonly signatures: SignatureLookup;
  readonly settings: TrackerSettings;
  /** For what no signature knows; without it that stays unexplained. */
  readonly findMessages?: MessageFinder;
}

/** What one boot brought. */
export interface TakenBoot {
  readonly id: BootId;
  readonly startedAt: number;
  readonly bios: string | undefined;
  /** Nothing was known of it before. */
  readonly isNew: boolean;
  /** The service itself saw it. */
  readonly isLive: boolean;
  /** Start attempts: stored now for the first time, and how all that the material shows went. */
  readonly newAttempts: number;
  readonly good: number;
  readonly failed: number;
  readonly undecided: number;
}

/** A start that the service saw is the same one as in a log if it lies this near (ms). */
const SAME_START_WITHIN = 15_000;
/** What the kernel says around a start, up to a bus reset that takes its full time (ms). */
const AROUND_A_START = 75_000;
const LAST_WORDS_KEPT = 60;

/**
 * Takes in one boot, told by one or more pieces of material, in one transaction: the boot, its facts, its starts and
 * what else was said. Doing it again changes nothing; what the service itself saw stays as it is. `housed` are starts on
 * record of which it was not known that they are of this boot.
 */
export function takeInBoot(
  id: BootId,
  pieces: readonly PastBoot[],
  loose: readonly PastObservation[],
  definitions: readonly VmDefinition[],
  parts: TakeInParts,
  housed: readonly StoredAttempt[] = [],
): TakenBoot {
  const { store } = parts;
  const known = store.boots.get(id);
  const isLive = known?.origin === "live";
  const startedAt = startOf(pieces) ?? known?.startedAt ?? 0;
  const lastSeenAt = Math.max(
    known?.lastSeenAt ?? 0,
    ...pieces.map((piece) => piece.lastSeenAt),
    ...housed.flatMap(({ evidence }) => evidence.map(({ lastAt }) => lastAt)),
    loose.reduce((last, { observation }) => Math.max(last, observation.at), 0),
  );
  const end = ["clean", "unclean"].find((word) => pieces.some((piece) => piece.end === word)) as
    | "clean"
    | "unclean"
    | undefined;
  const stored = isLive ? [] : [...storedAttempts(id, parts), ...housed];
  const own = pieces.flatMap((piece) => piece.definitions);
  for (const piece of pieces) store.vms.rememberPast(piece.definitions, piece.lastSeenAt);
  const vms = own.length > 0 ? own : definitions;
  store.boots.begin({ id, startedAt, lastSeenAt, origin: "imported", ...(end === undefined ? {} : { end }) });
  const { facts, snapshotId } = keepFacts(id, startedAt, pieces, known, store);
  const tracked = trackPast({
    bootId: id,
    observations: joinObservations([
      // Stored evidence takes part again, so that later material joins the attempt instead of making another.
      stored.flatMap(({ evidence }) => evidence.map(({ observation }) => ({ observation, count: 1 }))),
      ...pieces.map((piece) => piece.observations),
      loose,
    ]),
    definitions: vms,
    groups: new Map([
      ...store.vms.groups(id),
      ...groupsInFacts(facts),
      ...pieces.flatMap((piece) => [...piece.groups]),
    ]),
    seenUntil: lastSeenAt,
    matcher: parts.matcher,
    settings: parts.settings,
  });
  // A log has the name of its time, the history the one that the VM has now.
  const nameOf = (vm: VmName) => store.vms.past(vm).name;
  const live = isLive ? liveSpans(id, parts) : [];
  const fresh = tracked.settled.filter(
    (attempt) => !live.some((span) => isSameStart(attempt, nameOf(attempt.vm), span)),
  );
  let newAttempts = 0;
  for (const attempt of fresh) {
    const earlier = earlierOf(stored, attempt, nameOf(attempt.vm));
    if (earlier === undefined) newAttempts += 1;
    const whole = earlier === undefined ? attempt : joinedAttempt(earlier, attempt);
    const host = hostOfPastBoot(facts, vms, tracked.running.get(attempt.id) ?? new Set());
    store.attempts.save(diagnosed(whole, host, earlier, parts), {
      origin: "imported",
      ...(snapshotId === undefined ? {} : { snapshotId }),
    });
  }
  const told = new Set(
    stored.flatMap(({ evidence }) => evidence.map(({ observation }) => observation.identity)),
  );
  const outside = tracked.sightings.filter(
    ({ identity, input }) => !told.has(identity) && !live.some((span) => isAround(input.at, span)),
  );
  topUpSightings(
    id,
    outside.map(({ input }) => input),
    store,
  );
  const lastWords = pieces.flatMap((piece) => piece.lastWords ?? []).slice(-LAST_WORDS_KEPT);
  if (lastWords.length > 0) store.meta.set(lastWordsKey(id), JSON.stringify(lastWords));
  return {
    id,
    startedAt,
    bios: textOf(facts.find(({ key }) => key === "firmware.bios.version")?.value),
    isNew: known === undefined,
    isLive,
    newAttempts,
    good: fresh.filter(({ outcome }) => outcome === "started").length,
    failed: fresh.filter(({ outcome }) => outcome !== "started").length,
    undecided: tracked.undecided,
  };
}

/** What the kernel said last in a boot that it did not survive; empty where nothing is known of it. */
export function lastWordsOf(store: Pick<Store, "meta">, id: BootId): readonly string[] {
  return JSON.parse(store.meta.get(lastWordsKey(id)) ?? "[]") as readonly string[];
}

function lastWordsKey(id: BootId): string {
  return `last-words:${id}`;
}

/** Takes in starts of which nobody knows the boot; they have no facts. Returns how many are new. */
export function takeInLoose(
  loose: readonly PastObservation[],
  definitions: readonly VmDefinition[],
  seenUntil: number,
  parts: TakeInParts,
): { readonly newAttempts: number; readonly attempts: number } {
  const { store, matcher, settings } = parts;
  const groups = new Map();
  const tracked = trackPast({
    bootId: undefined,
    observations: loose,
    definitions,
    groups,
    seenUntil,
    matcher,
    settings,
  });
  const settled = tracked.settled.filter((attempt) => !isStoredElsewhere(attempt, store));
  const fresh = settled.filter((attempt) => store.attempts.find(attempt.id) === undefined);
  for (const attempt of settled) {
    const host = hostOfPastBoot([], definitions, tracked.running.get(attempt.id) ?? new Set());
    store.attempts.save(diagnosed(attempt, host, undefined, parts), { origin: "imported" });
  }
  return { newAttempts: fresh.length, attempts: settled.length };
}

/** The best known start: by the journal, by a log's first line, by the time the machine had been up. */
function startOf(pieces: readonly PastBoot[]): number | undefined {
  for (const precision of ["journal", "log", "uptime"] as const) {
    const piece = pieces.find((candidate) => candidate.precision === precision);
    if (piece?.startedAt !== undefined) return piece.startedAt;
  }
  return pieces.length === 0 ? undefined : Math.min(...pieces.map((piece) => piece.firstSeenAt));
}

/**
 * Merges with what an earlier import knew; a boot's newest snapshot is the one with the most knowledge. Of a boot that
 * the service saw, its own facts stand.
 */
function keepFacts(
  id: BootId,
  at: number,
  pieces: readonly PastBoot[],
  known: BootRecord | undefined,
  store: Store,
): { readonly facts: readonly Fact[]; readonly snapshotId: string | undefined } {
  const stored = known?.snapshotId;
  const earlier = stored === undefined ? [] : (store.snapshots.get(stored)?.facts ?? []);
  const facts = pieces.map((piece) => piece.facts()).reduce(mergeFacts, earlier);
  if (facts.length === 0 || (known?.origin === "live" && stored !== undefined))
    return { facts: earlier, snapshotId: stored };
  const snapshot = makeSnapshot(facts);
  store.snapshots.save(snapshot);
  store.snapshots.link({ bootId: id, at, snapshotId: snapshot.id, reason: "import" });
  return { facts: snapshot.facts, snapshotId: snapshot.id };
}

function storedAttempts(id: BootId, { store, signatures }: TakeInParts): readonly StoredAttempt[] {
  return store.attempts
    .list({ bootId: id })
    .map((row) => store.attempts.full(row.number, signatures))
    .filter((attempt) => attempt !== undefined);
}

/** The stored attempt that the new one continues; one that was nobody's may have become a VM's that is known now. */
function earlierOf(
  stored: readonly StoredAttempt[],
  attempt: StartAttempt,
  vm: VmName,
): StoredAttempt | undefined {
  const identities = new Set(attempt.evidence.map(({ observation }) => observation.identity));
  return stored.find(
    (candidate) =>
      candidate.id === attempt.id ||
      ((candidate.vm === vm || deviceOfUnknownVm(candidate.vm) !== undefined) &&
        candidate.evidence.some(({ observation }) => identities.has(observation.identity))),
  );
}

/** The attempt under its old id; nothing that was known of it is lost. */
function joinedAttempt(earlier: StoredAttempt, attempt: StartAttempt): StartAttempt {
  const evidence = new Map<string, Evidence>();
  for (const entry of [...attempt.evidence, ...earlier.evidence]) {
    const { identity } = entry.observation;
    const same = evidence.get(identity) ?? entry;
    const isOld = !evidence.has(identity) && earlier.evidence.includes(entry);
    // Told again in a more exact way.
    if (isOld && attempt.evidence.some((other) => isSameRecord(other.observation, entry.observation)))
      continue;
    const count = Math.max(same.count, entry.count);
    evidence.set(identity, { ...same, count, lastAt: Math.max(same.lastAt, entry.lastAt) });
  }
  return {
    ...attempt,
    id: earlier.id,
    devices: [...new Set([...attempt.devices, ...earlier.devices])],
    groups: [...new Set([...attempt.groups, ...earlier.groups])],
    evidence: [...evidence.values()].sort((a, b) => a.observation.at - b.observation.at),
  };
}

/** With its diagnosis; one that rests on material that is not there now stays. */
function diagnosed(
  attempt: StartAttempt,
  host: HostState,
  earlier: StoredAttempt | undefined,
  { findMessages, matcher: { catalogue } }: TakeInParts,
): StartAttempt {
  if (attempt.outcome === "started") return attempt;
  const diagnosis = diagnose(attempt, host, {
    catalogue,
    ...(findMessages !== undefined && { findMessages }),
  });
  const kept = diagnosis.causes.length === 0 ? earlier?.diagnosis : undefined;
  return { ...attempt, diagnosis: kept ?? diagnosis };
}

interface Span {
  readonly vm: string;
  readonly from: number;
  readonly to: number;
}

function liveSpans(id: BootId, { store, signatures }: TakeInParts): readonly Span[] {
  const settled = store.attempts.list({ bootId: id }).filter(({ origin }) => origin === "live");
  const open = store.attempts.open(signatures, id);
  return [...settled, ...open].map(({ vm, openedAt, closedAt }) => ({
    vm,
    from: openedAt,
    to: closedAt ?? openedAt,
  }));
}

function isSameStart({ openedAt, closedAt }: StartAttempt, vm: VmName, span: Span): boolean {
  const to = closedAt ?? openedAt;
  return vm === span.vm && openedAt <= span.to + SAME_START_WITHIN && to >= span.from - SAME_START_WITHIN;
}

function isAround(at: number, span: Span): boolean {
  return at >= span.from - AROUND_A_START && at <= span.to + SAME_START_WITHIN;
}

/** Once a start's boot is known it is stored there. */
function isStoredElsewhere({ vm, openedAt, closedAt, id }: StartAttempt, store: Store): boolean {
  const rows = store.attempts.list({
    vm,
    since: openedAt - SAME_START_WITHIN,
    until: (closedAt ?? openedAt) + SAME_START_WITHIN,
  });
  return rows.some((row) => row.id !== id && row.bootId !== undefined);
}
