import { diffSnapshots } from "../facts/diff-snapshots.ts";
import { textOf } from "../facts/fact-value.ts";
import type { Incident } from "../model/alert.ts";
import type { Change } from "../model/fact.ts";
import type { BootRecord } from "../model/history.ts";
import type { Bdf, VmName } from "../model/identifiers.ts";
import type { AttemptFilter, AttemptRow } from "../store/attempt-store.ts";
import type { HotPlugStore, StoredHotPlug } from "../store/record-stores.ts";
import type { SnapshotMoment, SnapshotStore } from "../store/snapshot-store.ts";
import { canMatter, findSubject, type Subject, vmKey } from "./subject.ts";

/** What the time line needs of the stored history; the store has these. */
export interface TimeLineReader {
  readonly attempts: { list(filter?: AttemptFilter): readonly AttemptRow[] };
  readonly boots: { list(): readonly BootRecord[] };
  readonly snapshots: Pick<SnapshotStore, "timeline" | "get" | "fact">;
  readonly hotPlugs: Pick<HotPlugStore, "list">;
  readonly alerts: { incidents(filter: { readonly limit?: number }): readonly Incident[] };
}

export interface TimeLineFilter {
  /** UTC epoch milliseconds, both inclusive. */
  readonly since?: number;
  readonly until?: number;
  readonly vm?: VmName;
  readonly device?: Bdf;
  /** The newest so many entries. */
  readonly limit: number;
}

interface EntryBase {
  readonly at: number;
  /** Undefined where the boot is not known. */
  readonly bootOrdinal: number | undefined;
}

export interface BootEntry extends EntryBase {
  readonly kind: "boot";
  readonly boot: BootRecord;
  readonly bios: string | undefined;
  readonly kernel: string | undefined;
}

/** The host was not what it was at the moment before; across two boots it was found so at the later one. */
export interface ChangeEntry extends EntryBase {
  readonly kind: "change";
  /** Ordinal of the boot of the moment before. */
  readonly fromBoot: number | undefined;
  /** What made the service look, e.g. `config file`. */
  readonly reason: string;
  /** Only what can matter, where the time line is of one VM or device. */
  readonly changes: readonly Change[];
}

export interface StartEntry extends EntryBase {
  readonly kind: "start";
  readonly start: AttemptRow;
}

export interface AlertEntry extends EntryBase {
  readonly kind: "alert";
  readonly incident: Incident;
}

export interface HotPlugEntry extends EntryBase {
  readonly kind: "hot-plug";
  readonly hotPlug: StoredHotPlug;
}

export type TimeLineEntry = BootEntry | ChangeEntry | StartEntry | HotPlugEntry | AlertEntry;

type Draft =
  | { readonly kind: "boot"; readonly boot: BootRecord }
  | { readonly kind: "change"; readonly before: SnapshotMoment; readonly after: SnapshotMoment }
  | { readonly kind: "start"; readonly start: AttemptRow }
  | { readonly kind: "hot-plug"; readonly hotPlug: StoredHotPlug }
  | { readonly kind: "alert"; readonly incident: Incident };

type Placed = Draft & {
  readonly at: number;
  readonly ordinal: number | undefined;
  readonly order: number;
  /** Milliseconds from the beginning of its boot. */
  readonly place: number;
};

/** Entries of one moment: the boot itself, what had changed, then what was started, then who was told. */
const RANKS = { boot: 0, change: 1, start: 2, "hot-plug": 2, alert: 3 } as const;

/**
 * Boots, changes, starts and alerts in order, the newest `limit` of them, oldest first. Boots are ordered by their
 * ordinal and what was in one of them by a clock that nobody sets, because the wall clock may have been set between
 * them and within them. Only what is shown is compared.
 */
export function readTimeLine(reader: TimeLineReader, filter: TimeLineFilter): readonly TimeLineEntry[] {
  const boots = reader.boots.list();
  const starts = reader.attempts.list({
    limit: filter.limit,
    cutShortToo: true,
    ...(filter.vm !== undefined && { vm: filter.vm }),
    ...(filter.device !== undefined && { device: filter.device }),
    ...(filter.since !== undefined && { since: filter.since }),
    ...(filter.until !== undefined && { until: filter.until }),
  });
  if (filter.vm !== undefined && starts.length === 0 && !isDefined(reader, boots, filter.vm)) return [];
  const placed = placeAll(reader, filter, boots, starts);
  const isFiltered = filter.vm !== undefined || filter.device !== undefined;
  const subject = isFiltered ? subjectOf(reader, filter, starts) : undefined;
  const entries: TimeLineEntry[] = [];
  let hasOthers = false;
  for (const draft of placed.toReversed()) {
    if (entries.length >= filter.limit) break;
    if (draft.kind === "boot") {
      // In the line of one VM a boot in which nothing happened to it is of no interest.
      if (!isFiltered || hasOthers) entries.push(bootEntry(reader, draft.boot, draft.at));
      hasOthers = false;
      continue;
    }
    const entry = finish(reader, draft, boots, subject);
    if (entry === undefined) continue;
    entries.push(entry);
    hasOthers = true;
  }
  return entries.reverse();
}

function placeAll(
  reader: TimeLineReader,
  filter: TimeLineFilter,
  boots: readonly BootRecord[],
  starts: readonly AttemptRow[],
): readonly Placed[] {
  const byId = new Map(boots.map((boot) => [boot.id, boot]));
  const drafts: Placed[] = [];
  const startOf = new Map(boots.map(({ ordinal, startedAt }) => [ordinal, startedAt]));
  const add = (draft: Draft, at: number, ordinal: number | undefined, steady?: number) => {
    if (at < (filter.since ?? Number.NEGATIVE_INFINITY) || at > (filter.until ?? Number.POSITIVE_INFINITY))
      return;
    const order = ordinal ?? ordinalAround(boots, at);
    drafts.push({ ...draft, at, ordinal, order, place: steady ?? at - (startOf.get(order) ?? 0) });
  };
  for (const boot of boots) add({ kind: "boot", boot }, boot.startedAt, boot.ordinal);
  let before: SnapshotMoment | undefined;
  for (const after of reader.snapshots.timeline()) {
    if (before !== undefined && before.snapshotId !== after.snapshotId)
      add({ kind: "change", before, after }, after.at, byId.get(after.bootId)?.ordinal, after.steady);
    before = after;
  }
  for (const start of starts) add({ kind: "start", start }, start.openedAt, start.bootOrdinal, start.steady);
  const { vm, device, since, until, limit } = filter;
  const asked = { ...(vm !== undefined && { vm }), ...(device !== undefined && { device }) };
  const within = { ...(since !== undefined && { since }), ...(until !== undefined && { until }) };
  for (const hotPlug of reader.hotPlugs.list({ ...asked, ...within, limit })) {
    const ordinal = hotPlug.bootId === undefined ? undefined : byId.get(hotPlug.bootId)?.ordinal;
    add({ kind: "hot-plug", hotPlug }, hotPlug.at, ordinal, hotPlug.steady);
  }
  for (const incident of reader.alerts.incidents({ limit: filter.limit })) {
    if (filter.vm !== undefined && incident.content.vm !== filter.vm) continue;
    if (filter.device !== undefined && !incident.content.devices.some(({ bdf }) => bdf === filter.device))
      continue;
    const { opened, openedAt } = incident;
    // It stands where it began, which may have been in an earlier boot than its last occurrence.
    const beganIn = opened?.bootId ?? incident.bootId;
    const ordinal = beganIn === undefined ? undefined : byId.get(beganIn)?.ordinal;
    add({ kind: "alert", incident }, openedAt, ordinal, opened?.steady);
  }
  return drafts.sort(
    (a, b) =>
      a.order - b.order || rankFirst(a) - rankFirst(b) || a.place - b.place || RANKS[a.kind] - RANKS[b.kind],
  );
}

/** A boot comes before all that happened in it, whatever its clock said. */
function rankFirst({ kind }: Draft): number {
  return kind === "boot" ? 0 : 1;
}

function ordinalAround(boots: readonly BootRecord[], at: number): number {
  return boots.findLast(({ startedAt }) => startedAt <= at)?.ordinal ?? 0;
}

function finish(
  reader: TimeLineReader,
  draft: Exclude<Placed, { kind: "boot" }>,
  boots: readonly BootRecord[],
  subject: Subject | undefined,
): TimeLineEntry | undefined {
  const base = { at: draft.at, bootOrdinal: draft.ordinal };
  if (draft.kind === "start") return { ...base, kind: "start", start: draft.start };
  if (draft.kind === "hot-plug") return { ...base, kind: "hot-plug", hotPlug: draft.hotPlug };
  if (draft.kind === "alert") return { ...base, kind: "alert", incident: draft.incident };
  const [before, after] = [
    reader.snapshots.get(draft.before.snapshotId),
    reader.snapshots.get(draft.after.snapshotId),
  ];
  if (before === undefined || after === undefined) return undefined;
  const changes = diffSnapshots(before, after).filter(
    ({ key }) => subject === undefined || canMatter(key, subject),
  );
  if (changes.length === 0) return undefined;
  const fromBoot = boots.find(({ id }) => id === draft.before.bootId)?.ordinal;
  return { ...base, kind: "change", fromBoot, reason: draft.after.reason, changes };
}

function bootEntry(reader: TimeLineReader, boot: BootRecord, at: number): BootEntry {
  return { kind: "boot", at, bootOrdinal: boot.ordinal, boot, ...versionsOf(reader, boot) };
}

/** BIOS and kernel of a boot, where its facts are stored. */
export function versionsOf(
  reader: { readonly snapshots: Pick<SnapshotStore, "fact"> },
  { snapshotId }: BootRecord,
): { readonly bios: string | undefined; readonly kernel: string | undefined } {
  const text = (key: string) =>
    snapshotId === undefined ? undefined : textOf(reader.snapshots.fact(snapshotId, key)?.value);
  return { bios: text("firmware.bios.version"), kernel: text("kernel.release") };
}

/** Whether the newest facts know the VM; what changed cannot matter for one that never was. */
function isDefined(reader: TimeLineReader, boots: readonly BootRecord[], vm: VmName): boolean {
  const snapshotId = boots.findLast((boot) => boot.snapshotId !== undefined)?.snapshotId;
  return snapshotId !== undefined && reader.snapshots.fact(snapshotId, `${vmKey(vm)}.machine`) !== undefined;
}

function subjectOf(reader: TimeLineReader, filter: TimeLineFilter, starts: readonly AttemptRow[]): Subject {
  const distinct = new Map(starts.map((start) => [start.snapshotId, start]));
  const seen = [...distinct.values()].slice(0, 4).flatMap(({ snapshotId, devices, outcome }) => {
    const snapshot = snapshotId === undefined ? undefined : reader.snapshots.get(snapshotId);
    return snapshot === undefined
      ? []
      : [
          {
            snapshot,
            devices: filter.device === undefined ? devices : [filter.device],
            worked: outcome === "started",
          },
        ];
  });
  const vms = filter.vm === undefined ? starts.map(({ vm }) => vm) : [filter.vm];
  return findSubject(vms, seen);
}
