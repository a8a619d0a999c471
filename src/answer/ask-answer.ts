import type { Catalogue } from "../diagnosis/catalogue.ts";
import { type HostTruths, remediesFor } from "../diagnosis/remedies.ts";
import { diffSnapshots } from "../facts/diff-snapshots.ts";
import { listOf, textOf } from "../facts/fact-value.ts";
import { askBlame, type BlameAnswer, type BlameReader } from "../history/ask-blame.ts";
import { createDemandOrigins, type DemandReader } from "../history/demand-origin.ts";
import { earlierThan, lastGoodWith } from "../history/last-good.ts";
import { canMatter, findSubject, vmKey } from "../history/subject.ts";
import { isRelaxing, refusesDirectRegions } from "../knowledge/direct-regions.ts";
import type { Outcome, StartAttempt } from "../model/attempt.ts";
import type { Remedy } from "../model/catalogue.ts";
import type { Cause } from "../model/diagnosis.ts";
import type { Change, Fact, Snapshot } from "../model/fact.ts";
import type { BootRecord } from "../model/history.ts";
import type { Bdf, BootId, VmName } from "../model/identifiers.ts";
import type { AttemptFilter, AttemptRow } from "../store/attempt-store.ts";
import type { BootStore, SnapshotStore } from "../store/snapshot-store.ts";
import { type Answer, type AnswerInput, type Moment, makeAnswer } from "./answer.ts";
import { type ChangeLine, changeLines, type SuspectShare } from "./change-lines.ts";
import { type FactIndex, indexFacts, truthsOf } from "./host-truths.ts";

/** What the answer needs of the stored history; the store has these. */
export interface AnswerReader {
  readonly attempts: BlameReader["attempts"] & { list(filter?: AttemptFilter): readonly AttemptRow[] };
  readonly boots: Pick<BootStore, "list" | "ordinalOf">;
  readonly vms: BlameReader["vms"];
  readonly snapshots: BlameReader["snapshots"] &
    DemandReader["snapshots"] &
    Pick<SnapshotStore, "fact" | "get">;
}

/** A start, or a VM that nobody has started yet, to be answered for. */
export interface AnswerQuestion {
  readonly vm: VmName;
  readonly devices: readonly Bdf[];
  readonly causes: readonly Cause[];
  readonly outcome?: Outcome | undefined;
  /** Said where there is no cause. */
  readonly unexplained?: string | undefined;
  readonly at: number;
  readonly number?: number | undefined;
  readonly bootId?: BootId | undefined;
  /** The host at that time: as stored, or as read now. */
  readonly snapshot: Snapshot | string | undefined;
  /** What is known of the host besides its facts. */
  readonly truths?: HostTruths;
  /** What broke this VM, where that was asked for already. */
  readonly broke?: BlameAnswer;
}

/** The question for a start that has settled. */
export function questionOf(
  attempt: StartAttempt,
  number: number | undefined,
  snapshotId: string | undefined,
): AnswerQuestion {
  const { vm, devices, outcome, openedAt, bootId, diagnosis } = attempt;
  const unexplained = diagnosis?.summary;
  return {
    ...{ vm, devices, outcome, unexplained, number, bootId, at: openedAt },
    causes: diagnosis?.causes ?? [],
    snapshot: snapshotId,
  };
}

/** So many failed starts since the last good one are looked at for what was tried. */
const MOST_TRIED = 50;

/** Answers from the stored history; without one (`reader` undefined) from the host alone. Reads only. */
export function askAnswer(
  reader: AnswerReader | undefined,
  question: AnswerQuestion,
  catalogue: Catalogue,
): Answer {
  return createAsker(reader, catalogue)(question);
}

/**
 * Answers many questions of one moment: what they have in common is read and compared once. It keeps what it has read,
 * so it is made for the moment and dropped after it.
 */
export function createAsker(
  reader: AnswerReader | undefined,
  catalogue: Catalogue,
): (question: AnswerQuestion) => Answer {
  const known = reader && rememberingReader(reader);
  const common = commonOf(known);
  const adviceFor = rememberingAdvice(catalogue);
  return (question) =>
    makeAnswer(
      known === undefined ? fromHost(question, common) : fromHistory(known, question, common),
      catalogue,
      adviceFor,
    );
}

/** Looks through all signatures once for each cause. */
function rememberingAdvice(catalogue: Catalogue): (cause: Cause) => readonly Remedy[] {
  const known = new Map<string, readonly Remedy[]>();
  return (cause) => {
    const key = `${cause.class} ${cause.signature}`;
    const advice = known.get(key) ?? remediesFor(catalogue, cause);
    known.set(key, advice);
    return advice;
  };
}

/** Reads the facts of each moment once, and what is asked without saying of which VM. */
function rememberingReader(reader: AnswerReader): AnswerReader {
  const { attempts, snapshots } = reader;
  const newestFailures = remember((limit: number) => attempts.newestFailures(limit));
  const isStarted = remember((vm: VmName) => attempts.list({ vm, cutShortToo: true, limit: 1 }).length > 0);
  const all = new Map<string, ReturnType<typeof snapshots.series>>();
  const get = remember((id: string) => snapshots.get(id));
  return {
    vms: reader.vms,
    boots: { list: once(() => reader.boots.list()), ordinalOf: reader.boots.ordinalOf },
    attempts: {
      list: (filter) => (filter?.vm !== undefined && !isStarted(filter.vm) ? [] : attempts.list(filter)),
      tallies: (filter) => attempts.tallies(filter),
      cutShort: (filter) => attempts.cutShort(filter),
      newestFailures,
    },
    snapshots: {
      get,
      fact: (id, key) => snapshots.fact(id, key),
      inOrder: once(() => snapshots.inOrder()),
      series(ids, isWanted) {
        if (isWanted !== undefined) return snapshots.series(ids, isWanted);
        const key = ids.join();
        const series = all.get(key) ?? snapshots.series(ids);
        all.set(key, series);
        return series;
      },
    },
  };
}

/** What is the same for all VMs of a host. */
interface Common {
  load(id: string): Snapshot | undefined;
  indexOf(snapshot: Snapshot): FactIndex;
  diff(before: Snapshot, after: Snapshot): readonly Change[];
  demandOn(bdf: Bdf): AnswerInput["demand"];
  /** The newest snapshot of the boots before that one, or before the newest. */
  snapshotBefore(bootId: BootId | undefined): string | undefined;
  ordinalOf(bootId: BootId): number | undefined;
}

function commonOf(reader: AnswerReader | undefined): Common {
  const diffs = remember((before: Snapshot) => remember((after: Snapshot) => diffSnapshots(before, after)));
  const demandOn = reader && createDemandOrigins(reader);
  return {
    load: (id) => reader?.snapshots.get(id),
    indexOf: remember(indexFacts),
    diff: (before, after) => diffs(before)(after),
    demandOn: remember((bdf: Bdf) => demandOn?.(bdf)),
    snapshotBefore: remember((bootId) => snapshotBefore(reader?.boots.list() ?? [], bootId)),
    ordinalOf: (bootId) => reader?.boots.ordinalOf(bootId),
  };
}

/** What changed between two stored moments, without the question what broke it; undefined where one is not stored. */
export function linesBetween(
  reader: Pick<AnswerReader, "vms"> & { readonly snapshots: Pick<SnapshotStore, "get"> },
  options: {
    readonly vm: VmName;
    readonly devices: readonly Bdf[];
    readonly before: string | undefined;
    readonly after: string | undefined;
  },
): readonly ChangeLine[] | undefined {
  const { vm, devices, before, after } = options;
  const [then, here] = [before, after].map((id) =>
    id === undefined ? undefined : underOneName(reader.snapshots.get(id), vm, reader),
  );
  if (then === undefined || here === undefined) return undefined;
  const subject = findSubject(
    [vm],
    [then, here].map((snapshot) => ({ snapshot, devices, worked: snapshot === then })),
  );
  return changeLines({
    changes: diffSnapshots(then, here),
    matters: (key) => canMatter(key, subject),
    ...{ suspects: [], newKeys: undefined, plausible: [] },
  }).lines;
}

function fromHost(
  { vm, devices, causes, outcome, unexplained, at, snapshot, truths }: AnswerQuestion,
  common: Common,
): AnswerInput {
  const here = typeof snapshot === "object" ? common.indexOf(snapshot) : undefined;
  return {
    ...{ vm, causes, outcome, unexplained: unexplained ?? NOBODY_KNOWS },
    here: { at, ...versionsOf(here) },
    lastGood: undefined,
    failing: undefined,
    changes: undefined,
    comparedWith: undefined,
    newKeys: undefined,
    matters: () => true,
    suspects: [],
    truths: { ...truthsOf(here, vm, devices), ...truths },
    demand: undefined,
    demandedThen: undefined,
    failedWith: () => false,
  };
}

const NOBODY_KNOWS = "Nothing that could be read says why.";

function fromHistory(reader: AnswerReader, question: AnswerQuestion, common: Common): AnswerInput {
  const { vm, devices, causes, at, number, snapshot } = question;
  const load = remember((id: string) => underOneName(common.load(id), vm, reader));
  const versions = (one: Snapshot | undefined) => versionsOf(one && common.indexOf(one));
  const here = typeof snapshot === "string" ? load(snapshot) : snapshot;
  const found = lastGoodWith(reader.attempts, vm, concernedDevices(causes, devices), number);
  const good = found?.row;
  const failures = failuresSince(reader, vm, good, number);
  const before = good === undefined ? common.snapshotBefore(question.bootId) : good.snapshotId;
  const then = before === undefined ? undefined : load(before);
  const changes = then === undefined || here === undefined ? undefined : common.diff(then, here);
  // Where nothing changed nobody asks what matters.
  const subject = remember((_vm: VmName) =>
    findSubject(
      [vm],
      [then, here].flatMap((one) =>
        one === undefined ? [] : [{ snapshot: one, devices, worked: one === then && good !== undefined }],
      ),
    ),
  );
  const moment = (row: AttemptRow) => momentOf(row, versions(snapshotOf(row, load)));
  const lastGood = good && { ...moment(good), without: found?.without ?? [] };
  const first = failures.at(-1);
  const isDemanded = causes.some((cause) => cause.class === "iommu-direct-mapping-required");
  return {
    ...fromHost({ ...question, snapshot: here }, common),
    here: { at, ...versions(here), ...(number !== undefined && { number }), ...bootOf(common, question) },
    lastGood,
    failing: first && {
      since: moment(first),
      starts: failures.length + (question.outcome === undefined ? 0 : 1),
    },
    changes,
    comparedWith: good !== undefined ? "good start" : then === undefined ? undefined : "boot before",
    newKeys: keysSince(failures[0], here, load, common),
    matters: (key) => canMatter(key, subject(vm)),
    suspects:
      good === undefined || causes.length === 0 || changes === undefined || changes.length === 0
        ? []
        : suspectsOf(question.broke ?? askBlame(reader, { vm }), causes),
    demand: isDemanded ? demandOf(common, causes[0]?.devices ?? devices) : undefined,
    demandedThen:
      lastGood && then && found?.without.length === 0 ? demandedAt(then, vm, devices, common) : undefined,
    failedWith: createTried(reader, failures),
  };
}

/** The devices that the failure is about; of a cause that names none, or others, all that the VM has. */
function concernedDevices([first]: readonly Cause[], devices: readonly Bdf[]): readonly Bdf[] {
  const named = devices.filter((device) => first?.devices.includes(device));
  return named.length > 0 ? named : devices;
}

/** What was known of the VM under a former name, under the one that it has. */
function underOneName(
  snapshot: Snapshot | undefined,
  vm: VmName,
  { vms }: Pick<AnswerReader, "vms">,
): Snapshot | undefined {
  const { formerNames } = vms.past(vm);
  if (snapshot === undefined || formerNames.length === 0) return snapshot;
  const prefixes = formerNames.map((former) => `${vmKey(former)}.`);
  const facts = snapshot.facts.map((fact): Fact => {
    const prefix = prefixes.find((one) => fact.key.startsWith(one));
    return prefix === undefined ? fact : { ...fact, key: `${vmKey(vm)}.${fact.key.slice(prefix.length)}` };
  });
  return { id: `${snapshot.id} as ${vm}`, facts };
}

function remember<Key, Value>(find: (key: Key) => Value): (key: Key) => Value {
  const known = new Map<Key, { readonly value: Value }>();
  return (key) => {
    const found = known.get(key) ?? { value: find(key) };
    known.set(key, found);
    return found.value;
  };
}

function once<Value>(find: () => Value): () => Value {
  const known = remember((_all: "all") => find());
  return () => known("all");
}

/** Newest first, without the start in question. */
function failuresSince(
  { attempts }: AnswerReader,
  vm: VmName,
  good: AttemptRow | undefined,
  before: number | undefined,
): readonly AttemptRow[] {
  const after = good === undefined ? {} : { after: good.number };
  return attempts.list({ vm, ...after, ...earlierThan(before), failedOnly: true, limit: MOST_TRIED });
}

function snapshotBefore(boots: readonly BootRecord[], bootId: BootId | undefined): string | undefined {
  const current = bootId === undefined ? boots.length - 1 : boots.findIndex(({ id }) => id === bootId);
  return boots.slice(0, Math.max(0, current)).findLast(({ snapshotId }) => snapshotId !== undefined)
    ?.snapshotId;
}

function bootOf({ ordinalOf }: Common, { bootId }: AnswerQuestion): { readonly boot?: number } {
  const boot = bootId === undefined ? undefined : ordinalOf(bootId);
  return boot === undefined ? {} : { boot };
}

function snapshotOf(
  { snapshotId }: AttemptRow,
  load: (id: string) => Snapshot | undefined,
): Snapshot | undefined {
  return snapshotId === undefined ? undefined : load(snapshotId);
}

function momentOf({ openedAt, number, bootOrdinal }: AttemptRow, versions: Versions): Moment {
  return { at: openedAt, number, ...(bootOrdinal !== undefined && { boot: bootOrdinal }), ...versions };
}

type Versions = Pick<Moment, "bios" | "kernel">;

function versionsOf(facts: FactIndex | undefined): Versions {
  const [bios, kernel] = ["firmware.bios.version", "kernel.release"].map((key) => facts?.text(key));
  return { ...(bios !== undefined && { bios }), ...(kernel !== undefined && { kernel }) };
}

function keysSince(
  previous: AttemptRow | undefined,
  here: Snapshot | undefined,
  load: (id: string) => Snapshot | undefined,
  { diff }: Common,
): ReadonlySet<string> | undefined {
  const then = previous && snapshotOf(previous, load);
  if (then === undefined || here === undefined) return undefined;
  return new Set(diff(then, here).map(({ key }) => key));
}

/** The suspects of the fault that shows itself as this failure. */
function suspectsOf({ blame, others }: BlameAnswer, [cause]: readonly Cause[]): readonly SuspectShare[] {
  const all = [blame, ...others.map((other) => other.blame)];
  const own = all.find(({ classes }) => cause !== undefined && classes.includes(cause.class)) ?? blame;
  return own.sets.map(({ suspects, probability }): SuspectShare => {
    const keys = new Set(suspects.flatMap(({ facts }) => facts.flatMap(({ parts }) => parts)));
    return { keys, probability };
  });
}

function demandOf({ demandOn }: Common, devices: readonly Bdf[]): AnswerInput["demand"] {
  return devices.map((bdf) => demandOn(bdf)).find((origin) => origin !== undefined);
}

/** Law 13: a start that worked on a kernel that refuses proves that the group had no direct region. */
function demandedAt(
  then: Snapshot,
  vm: VmName,
  devices: readonly Bdf[],
  { indexOf }: Common,
): boolean | undefined {
  const { kernel, cpu, parameters = [] } = truthsOf(indexOf(then), vm, devices);
  const isProof = kernel !== undefined && !parameters.some(isRelaxing);
  if (isProof && refusesDirectRegions(kernel, cpu) === true) return false;
  const wanted = new Set<string>(devices);
  const identities = new Set(
    then.facts.flatMap(({ key, value }) => {
      const identity = /^pci\.([^.]+)\.address$/.exec(key)?.[1];
      return identity !== undefined && wanted.has(textOf(value) ?? "") ? [identity] : [];
    }),
  );
  const states = then.facts.flatMap(({ key, value }) => {
    const group = /^iommu\.group\.([^.]+)\.members$/.exec(key)?.[1];
    if (group === undefined || !listOf(value).some((member) => identities.has(member))) return [];
    return [then.facts.find((fact) => fact.key === `iommu.group.${group}.direct`)?.value.state ?? "unknown"];
  });
  if (states.includes("value")) return true;
  return states.length > 0 && states.every((state) => state === "absent") ? false : undefined;
}

/** Whether one of the failed starts had the old value again: going back was tried, and did not help. */
function createTried(
  { snapshots }: AnswerReader,
  failures: readonly AttemptRow[],
): AnswerInput["failedWith"] {
  const ids = [...new Set(failures.flatMap(({ snapshotId }) => snapshotId ?? []))];
  return ({ key, before }: Change) =>
    ids.some((id) => {
      const value = snapshots.fact(id, key)?.value;
      if (value === undefined || before.state === "unknown") return false;
      return before.state === "value"
        ? value.state === "value" && value.value === before.value
        : value.state === before.state;
    });
}
