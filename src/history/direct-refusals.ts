import { textOf } from "../facts/fact-value.ts";
import { refusesDirectRegions } from "../knowledge/direct-regions.ts";
import { isRelaxed, platformOf } from "./blame-laws.ts";
import type { Weighed } from "./blame-model.ts";
import { type Boundary, boundaryOf } from "./boundary.ts";
import { eachOnce, type FactTable } from "./fact-table.ts";
import type { KnobColumn } from "./knob-column.ts";
import type { ModelTrial } from "./model-trials.ts";
import type { Subject } from "./subject.ts";
import { joinSets, lawfulSet, type SuspectSet } from "./suspects.ts";
import type { Trial } from "./trials.ts";

/**
 * The 1:1 refusal seen as what it is about (laws 12 and 13): a group has a direct region or has none. A failed start
 * proves that it has one, a good start on a refusing kernel that it has none; a good start on a kernel that does not
 * refuse proves nothing, and counts as what its own snapshot shows of the region, or not at all.
 */
export interface DirectView {
  readonly trials: readonly ModelTrial[];
  /** Which of the trials each of them is. */
  readonly places: Int32Array;
  /** For each trial whether its kernel minds the region; undefined where that is not known. */
  readonly refuses: readonly (boolean | undefined)[];
  /** Whether it worked on a kernel that does not refuse, with a region or with none known. */
  readonly crossed: boolean;
  /** For each trial whether its snapshot shows a region. */
  readonly region: readonly (boolean | undefined)[];
}

export function viewOfDirect(
  trials: readonly Trial[],
  table: FactTable,
  placeOf: ReadonlyMap<string, number>,
  subject: Subject,
): DirectView {
  const places = trials.map(({ tally }) => placeOf.get(tally.snapshotId ?? "") ?? -1);
  const platform = platformOf(table, places);
  const supposed = eachOnce(table, MINDING, places, (place) => minds(table, place, platform));
  // A kernel that refused although it should not carries the check under an old number: the line lies elsewhere.
  const isElsewhere = trials.some(({ good }, at) => !good && supposed[at] === false);
  const refuses = isElsewhere ? supposed.map((one) => one ?? true).map(() => true) : supposed;
  const shown = [...subject.groups].flatMap((group) => [directKey(group), membersKey(group)]);
  const region = eachOnce(table, shown, places, (place) =>
    place < 0 ? undefined : regionAt(table, place, subject),
  );
  const seen: ModelTrial[] = [];
  const kept: number[] = [];
  for (const [at, trial] of trials.entries()) {
    const good = trial.good && refuses[at] === false ? negated(region[at]) : trial.good;
    if (good === undefined) continue;
    seen.push({ ...trial, good });
    kept.push(at);
  }
  const crossed = trials.some(({ good }, at) => good && refuses[at] === false && region[at] !== false);
  return { trials: seen, places: Int32Array.from(kept), refuses, crossed, region };
}

/** A number for how each trial went and, where a law reads it otherwise, for what it proves: where it differs something turned. */
export function outcomesOf(trials: readonly Trial[], view: DirectView | undefined): Uint8Array {
  const outcomes = Uint8Array.from(trials, ({ good }) => (good ? 1 : 0));
  for (const [at, place] of view?.places.entries() ?? [])
    if (view?.trials[at]?.good === true) outcomes[place] = (outcomes[place] as number) + 2;
  return outcomes;
}

function negated(value: boolean | undefined): boolean | undefined {
  return value === undefined ? undefined : !value;
}

const RELEASE = "kernel.release";
const PARAMETERS = ["kernel.parameter.intel_iommu", "kernel.parameter.amd_iommu"];
/** What decides whether a kernel minds a direct region. */
const MINDING = [RELEASE, ...PARAMETERS];

function minds(table: FactTable, place: number, platform: "amd" | "intel" | undefined): boolean | undefined {
  if (place < 0) return undefined;
  const parameters = PARAMETERS.map((key) => table.valueAt(key, place));
  if (isRelaxed(parameters)) return false;
  const release = textOf(table.valueAt(RELEASE, place));
  return release === undefined ? undefined : refusesDirectRegions(release, platform);
}

const directKey = (group: string) => `iommu.group.${group}.direct`;
const membersKey = (group: string) => `iommu.group.${group}.members`;

function regionAt(table: FactTable, place: number, subject: Subject): boolean | undefined {
  let isRead = false;
  for (const group of subject.groups) {
    const { state } = table.valueAt(directKey(group), place);
    if (state === "value") return true;
    if (state === "absent" && table.valueAt(membersKey(group), place).state === "value") isRead = true;
  }
  return isRead ? false : undefined;
}

/**
 * The sets with the kernel's part in it. Where it worked on a kernel that does not mind the region, the kernel is one
 * half of the cause: with the firmware where that changed in the same turn, and either one back heals.
 */
export function withKernelsPart(
  sets: readonly SuspectSet[],
  view: DirectView,
  weighed: readonly Weighed[],
  columns: readonly KnobColumn[],
  trials: readonly Trial[],
): readonly SuspectSet[] {
  if (!view.crossed && !sets.some((set) => crosses(boundaryOf(trials, set), view, trials))) return sets;
  const always = weighed.find(({ kind }) => kind === "always")?.probability ?? 0;
  const half = columns.find(
    ({ kind, key }) => kind === "kernel" || /^kernel\.parameter\.(?:intel|amd)_iommu$/.test(key),
  );
  if (half === undefined) return sets;
  const kernel = lawfulSet(half, (at) => view.refuses[at], trials, always);
  const [first, ...others] = sets;
  if (first === undefined || always > first.probability) {
    const from = kernel === undefined ? undefined : boundaryOf(trials, kernel);
    const before = trials.findIndex(({ tally }) => tally === from?.lastGood);
    const after = trials.findIndex(({ tally }) => tally === from?.firstBad);
    const firmware = columns.find(
      ({ kind, pattern }) =>
        kind === "bios" && (pattern[before] ?? -1) >= 0 && pattern[before] !== pattern[after],
    );
    if (kernel === undefined) return sets;
    // The firmware changed in the same turn, and nothing shows whether the demand was there before.
    const other =
      firmware === undefined || view.region[before] !== undefined
        ? undefined
        : lawfulSet(
            firmware,
            (at) => (firmware.pattern[at] ?? -1) === firmware.pattern[after],
            trials,
            always,
          );
    return [other === undefined ? kernel : joinSets(other, kernel, trials), ...sets];
  }
  if (kernel === undefined) return sets;
  const isTolerated = trials.some(
    ({ good }, place) => good && view.refuses[place] === false && view.region[place] === true,
  );
  const turn = boundaryOf(trials, first);
  if (!crosses(turn, view, trials)) return sets;
  const at = trials.findIndex(({ tally }) => tally === turn?.lastGood);
  // The region came in that turn, and nobody saw the older kernel put up with it: the firmware explains it alone.
  if (view.region[at] === false && !isTolerated)
    return [{ ...first, besides: [...first.besides, ...kernel.suspects] }, ...others];
  return [{ ...joinSets(first, kernel, trials), probability: first.probability + always }, ...others];
}

function crosses(boundary: Boundary | undefined, view: DirectView, trials: readonly Trial[]): boolean {
  const before = trials.findIndex(({ tally }) => tally === boundary?.lastGood);
  const after = trials.findIndex(({ tally }) => tally === boundary?.firstBad);
  return view.refuses[before] === false && view.refuses[after] === true;
}
