import type { AlertContent } from "../model/alert.ts";
import type { VmName } from "../model/identifiers.ts";
import type { Occurrence } from "./incident-policy.ts";

/** What people were told of. */
export interface News {
  /** The key of an incident that lasts. */
  readonly lasts?: string;
  /** A start or a hot-plug: whose, and when by a clock that nobody sets, in milliseconds of the boot. */
  readonly moment?: { readonly of: string; readonly steady: number };
}

/** What people have heard in this boot, also where no history knows it: on a dead disk nothing else keeps it. */
export interface Heard {
  /** Whether an earlier run of the service has told it, which no history says that can be used. */
  has(news: News): boolean;
  /** It was told. `isUnrecorded`: no history keeps that beyond this run. */
  add(news: News, isUnrecorded: boolean): void;
  /** The incident is over: the same is news again. */
  drop(key: string): void;
}

/** Of a run that has none before it and none after it. */
export const NOTHING_HEARD: Heard = { has: () => false, add: () => {}, drop: () => {} };

/** The news in an occurrence. A start that is read again may be given another cause; it is the same start. */
export function newsOf(
  occurrence: Pick<Occurrence, "key" | "steady" | "attemptId">,
  { kind, vm }: Pick<AlertContent, "kind" | "vm">,
): News {
  const { key, steady, attemptId } = occurrence;
  // That it comes true is news.
  if (kind === "will-not-start") return { lasts: foreseen(key) };
  if (attemptId === undefined || steady === undefined) return { lasts: key };
  // It is an event and not a state.
  if (kind === "hot-plug-failed") return { moment: { of: key, steady } };
  return { lasts: key, moment: { of: vm === undefined ? key : startsOf(vm), steady } };
}

/** The news that a VM starts again. */
export function goodStartOf(vm: VmName, steady: number | undefined): News {
  return steady === undefined ? {} : { moment: { of: startsOf(vm), steady } };
}

/** What is foreseen of an incident, which has the key of what comes true. */
export function foreseen(key: string): string {
  return JSON.stringify(["foreseen", key]);
}

function startsOf(vm: VmName): string {
  return JSON.stringify(["starts", vm]);
}
