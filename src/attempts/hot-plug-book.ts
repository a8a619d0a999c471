import type { Clock } from "../clock.ts";
import type { SignatureMatch } from "../model/catalogue.ts";
import type { HotPlug } from "../model/hot-plug.ts";
import type { Bdf } from "../model/identifiers.ts";
import type { Observation } from "../model/observation.ts";
import { observationOf, type Said, unfinishedOf } from "./moments.ts";
import type { Unfinished } from "./tracking.ts";

/** The kernel's reason may be read a while after libvirt's error, from another log (ms). */
const QUIET_MS = 500;
/** So many are remembered for late pieces. */
const KEPT = 50;
/** A service that goes on may still read the kernel's word within this time of a hot-plug that is told (ms). */
const LATE_MS = 10_000;

/** A hot-plug while something may still be said of it. */
export interface WorkingHotPlug {
  value: HotPlug;
  /** When it was tried, by the clock that nobody sets. */
  readonly steady: number;
  /** What its evidence is, with its times, in order. */
  said: readonly { readonly said: Said; readonly matches: readonly SignatureMatch[] }[];
  isSettled: boolean;
  /** Nothing more is said of it. */
  isOver: boolean;
  cancel: () => void;
}

/** The hot-plugs of this boot that are not told yet, or of which more may be said. */
export interface HotPlugBook {
  open(
    first: Said,
    matches: readonly SignatureMatch[],
    what: Pick<HotPlug, "vms" | "action" | "outcome" | "devices">,
  ): void;
  /** Adds evidence, unless it is known, and tells of it once more. */
  join(entry: WorkingHotPlug, said: Said, matches: readonly SignatureMatch[]): void;
  find(isMeant: (entry: WorkingHotPlug) => boolean): WorkingHotPlug | undefined;
  /** The observation is evidence of one. */
  tellsOf(observation: Observation): boolean;
  /** What is said of those of which more may be said. */
  unfinished(): readonly Unfinished[];
  /** How often something was added. */
  kept(): number;
}

/** Makes the book; `settled` hears of each, and again when more is said of it. */
export function createHotPlugBook(options: {
  readonly clock: Clock;
  readonly groups: ReadonlyMap<Bdf, number>;
  /** Those that an earlier run has told of. */
  readonly told: ReadonlySet<string>;
  readonly settled: (hotPlug: HotPlug) => void;
}): HotPlugBook {
  const { clock, groups, told } = options;
  let known: WorkingHotPlug[] = [];
  let kept = 0;

  function settleSoon(entry: WorkingHotPlug): void {
    entry.cancel();
    entry.isSettled = false;
    entry.isOver = false;
    kept += 1;
    entry.cancel = clock.after(QUIET_MS, () => {
      entry.isSettled = true;
      options.settled(entry.value);
      endLater(entry);
    });
  }

  function endLater(entry: WorkingHotPlug): void {
    entry.cancel = clock.after(LATE_MS, () => {
      entry.isOver = true;
      kept += 1;
    });
  }

  return {
    open(first, matches, what) {
      const { bootId, at, steady, source, identity } = first;
      const id = `${bootId ?? "unknown-boot"}/${what.action}/${source}/${identity}`;
      if (known.some((entry) => entry.value.id === id)) return;
      const said = [{ said: first, matches }];
      const ofDevices = [...new Set(what.devices.flatMap((device) => groups.get(device) ?? []))];
      const value = { id, bootId, at, steady, ...what, groups: ofDevices, evidence: evidenceOf(said) };
      const entry: WorkingHotPlug = {
        value,
        steady,
        said,
        isSettled: told.has(id),
        isOver: false,
        cancel: () => {},
      };
      known = [...known, entry].slice(-KEPT);
      if (entry.isSettled) endLater(entry);
      else settleSoon(entry);
    },
    join(entry, said, matches) {
      if (hasEvidence(entry.value, said)) return;
      entry.said = [...entry.said, { said, matches }].sort((a, b) => a.said.steady - b.said.steady);
      entry.value = { ...entry.value, evidence: evidenceOf(entry.said) };
      settleSoon(entry);
    },
    find: (isMeant) => known.find(isMeant),
    tellsOf: (observation) => known.some(({ value }) => hasEvidence(value, observation)),
    unfinished: () =>
      known
        .filter(({ isOver }) => !isOver)
        .flatMap((entry) => entry.said.map(({ said }) => unfinishedOf(said))),
    kept: () => kept,
  };
}

function evidenceOf(all: WorkingHotPlug["said"]): HotPlug["evidence"] {
  return all.map(({ said, matches }) => ({
    observation: observationOf(said),
    matches,
    count: 1,
    lastAt: said.at,
  }));
}

function hasEvidence({ evidence }: HotPlug, { source, identity }: Observation): boolean {
  return evidence.some(
    ({ observation }) => observation.source === source && observation.identity === identity,
  );
}
