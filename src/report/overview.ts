import type { LastUpdate } from "../history/last-update.ts";
import type { AttemptRow } from "../store/attempt-store.ts";
import type { TimeLine, Tone } from "./document.ts";
import type { PreflightVm } from "./page-input.ts";
import { isAtRest, NOBODY_KNOWS, verdictOf } from "./page-preflight.ts";
import { drawTimeLinePicture } from "./time-line-picture.ts";

/**
 * What a web interface shows of the VMs beside its own things: a mark at each VM, a tile. Plain texts, not escaped; only
 * the picture is markup. The service keeps it in a file, so that no page has to start a program for it.
 */
export interface Overview {
  /** UTC epoch milliseconds. */
  readonly madeAt: number;
  /** Those with passed-through devices, in the order in which they are listed. */
  readonly vms: readonly OverviewVm[];
  readonly failure: OverviewFailure | undefined;
  /** The last change of BIOS or kernel. */
  readonly update: LastUpdate | undefined;
  /** SVG of the lanes, small; empty where no boot is on record. */
  readonly picture: string;
}

export interface OverviewVm {
  readonly name: string;
  readonly uuid: string;
  readonly verdict: "runs" | "will-start" | "failed-last-time" | "may-fail" | "will-not-start" | "not-known";
  /** The verdict for a reader, e.g. `will not start`. */
  readonly word: string;
  readonly tone: Tone;
  /** A sentence. */
  readonly why: string | undefined;
  /** What to do first. */
  readonly todo: string | undefined;
  /** Its last start, where that one failed. */
  readonly failed: { readonly number: number; readonly at: number } | undefined;
}

/** The newest failed start of all. */
export interface OverviewFailure {
  readonly number: number;
  readonly vm: string;
  readonly at: number;
  readonly why: string;
  /** The VM has started since. */
  readonly isOver: boolean;
}

/** Everything that the overview is made of; plain values, read before. */
export interface OverviewInput {
  readonly now: number;
  readonly vms: readonly PreflightVm[];
  readonly failure: { readonly row: AttemptRow; readonly isOver: boolean } | undefined;
  readonly update: LastUpdate | undefined;
  readonly timeLine: TimeLine | undefined;
}

/** The id of the picture's parts begins with it. */
const PICTURE_ID = "vfio-watch-lanes";

/** Makes the overview. Pure. */
export function makeOverview(input: OverviewInput): Overview {
  const { now, vms, failure, update, timeLine } = input;
  return {
    madeAt: now,
    vms: vms.filter(({ definition }) => definition.hostDevices.length > 0).map(overviewOf),
    failure: failure && {
      number: failure.row.number,
      vm: failure.row.vm,
      at: failure.row.openedAt,
      why: failure.row.summary ?? NOBODY_KNOWS,
      isOver: failure.isOver,
    },
    update,
    picture: timeLine === undefined ? "" : drawTimeLinePicture(timeLine, PICTURE_ID, "small"),
  };
}

function overviewOf(vm: PreflightVm): OverviewVm {
  const { name, uuid } = vm.definition;
  const { word, tone } = verdictOf(vm);
  const failed = vm.failed?.startedSince === undefined ? vm.failed : undefined;
  const base = {
    ...{ name, uuid, word, tone, why: undefined, todo: undefined },
    failed: failed && { number: failed.number, at: failed.at },
  };
  if (!isAtRest(vm)) return { ...base, verdict: "runs", failed: undefined };
  const [worst] = vm.findings.filter(({ matter }) => matter === "stops");
  const [finding] = worst === undefined ? vm.findings : [worst];
  const told = { why: finding?.sentence, todo: finding?.remedies[0] };
  if (worst?.certainty === "certain") return { ...base, ...told, verdict: "will-not-start" };
  if (worst !== undefined) return { ...base, ...told, verdict: "may-fail" };
  if (failed !== undefined)
    return {
      ...base,
      verdict: "failed-last-time",
      why: failed.why ?? NOBODY_KNOWS,
      todo: failed.remedies[0],
    };
  if (vm.unknown.length > 0) return { ...base, verdict: "not-known", why: vm.unknown[0] };
  return { ...base, ...told, verdict: "will-start", word: finding === undefined ? "will start" : word };
}
