import type { Answer } from "../answer/answer.ts";
import type { ChangeLine } from "../answer/change-lines.ts";
import { changeTexts, linesTexts, MOST_CHANGES, sinceText } from "../answer/words.ts";
import { isDeviceClass } from "../diagnosis/rank.ts";
import type { AlertContent, AlertKind, Importance, Incident } from "../model/alert.ts";
import type { Outcome, StartAttempt } from "../model/attempt.ts";
import type { Cause } from "../model/diagnosis.ts";
import type { HotPlug } from "../model/hot-plug.ts";
import { type Bdf, oneOfVms, quotedVm as quoted, unknownVm, type VmName } from "../model/identifiers.ts";
import { isSubject, startSubject, vmSubject, withoutBrackets } from "./brief.ts";
import { KINDS_IN_WORDS, SHORT_CAUSES } from "./short-causes.ts";
import { timeOf } from "./text.ts";

/** Names of devices by address, where the host knows them. */
export type DeviceNames = ReadonlyMap<Bdf, string>;

/** So many VMs are named. */
const MOST_CONCERNED = 5;
/** The others stand in `vfio-watch show`. */
const MOST_REMEDIES = 3;

const FAILED: Readonly<Record<Exclude<Outcome, "started">, string>> = {
  failed: "did not start",
  "crashed-early": "died after starting",
  refused: "was refused",
};

/** The newest start of a VM in this boot, which failed with the devices that it has now. */
export interface FailedStart {
  readonly outcome: "failed" | "crashed-early";
  /** A sentence. */
  readonly why: string;
}

/** What became of it, as a sentence. */
export function failedInThisBoot(vm: VmName, { outcome, why }: FailedStart): string {
  return `${quoted(vm)} ${FAILED[outcome]} in this boot: ${why}`;
}

/** In a subject, for a start that nothing explains. */
const NOBODY_KNOWS = "no log says why";

function shortWhy(cause: Cause | undefined): string {
  if (cause === undefined) return NOBODY_KNOWS;
  const short = SHORT_CAUSES[cause.class];
  return cause.certainty === "possible" ? `perhaps ${short}` : short;
}

/**
 * A start that failed, with its answer. Where no device, VFIO or the IOMMU is to blame it is a plain warning
 * without their words. A refusal by the platform's own policy (law 10) is a warning too, but says what changed, for
 * that is often why it was refused.
 */
export function composeFailure(options: {
  readonly attempt: StartAttempt;
  /** The number that `vfio-watch show` takes; without it the attempt's id. */
  readonly number?: number;
  readonly answer: Answer;
  readonly deviceNames: DeviceNames;
}): AlertContent {
  const { attempt, answer, deviceNames } = options;
  const { vm } = attempt;
  const { cause } = answer;
  const outcome = attempt.outcome === undefined || attempt.outcome === "started" ? "failed" : attempt.outcome;
  const deviceRelated = cause !== undefined && isDeviceClass(cause.class);
  const faulty = deviceRelated && outcome !== "refused";
  return {
    kind: faulty ? "start-failed" : "start-failed-other",
    importance: faulty ? "alert" : "warning",
    vm,
    devices: deviceRelated ? named(concerned(cause, attempt.devices), deviceNames) : [],
    ...(cause !== undefined && { causeClass: cause.class }),
    subject: startSubject(vm, FAILED[outcome], shortWhy(cause)),
    cause:
      cause?.certainty === "possible"
        ? `${answer.why} (This fits what was seen, but is not proven.)`
        : answer.why,
    changes: deviceRelated ? changeTexts(answer) : [],
    ...(deviceRelated && { lastGood: sinceText(answer) }),
    ...remediesOf(answer),
    command: `vfio-watch show ${options.number ?? attempt.id}`,
  };
}

/** A VM that had failed starts again. `changes` is what changed between the failure and now; undefined if unknown. */
export function composeRecovery(options: {
  readonly vm: VmName;
  readonly incident: Pick<Incident, "openedAt" | "count" | "content">;
  readonly changes: readonly ChangeLine[] | undefined;
  /** The number of the good start, for `vfio-watch show`. */
  readonly number?: number;
}): AlertContent {
  const { vm, incident, changes } = options;
  const { causeClass, cause, devices } = incident.content;
  const times = incident.count === 1 ? "once" : `${incident.count} times`;
  const predicted = incident.content.kind === "will-not-start";
  const before = predicted
    ? `It was expected to fail since ${timeOf(incident.openedAt)}`
    : `It had failed ${times} since ${timeOf(incident.openedAt)}`;
  return {
    kind: "recovered",
    importance: "normal",
    vm,
    devices,
    ...(causeClass !== undefined && { causeClass }),
    subject: vmSubject(vm, predicted ? "starts after all" : "starts again"),
    cause: cause === undefined ? `${before}.` : `${before}: ${cause}`,
    changes: linesTexts(changes ?? []),
    ...(changes === undefined && { lastGood: "What has changed in between is not on record." }),
    ...(changes?.length === 0 && { lastGood: "Nothing that is watched has changed in between." }),
    ...(options.number !== undefined && { command: `vfio-watch show ${options.number}` }),
  };
}

/** Known at boot, before anyone tries: this VM cannot start. */
export function composeWillNotStart(options: {
  readonly vm: VmName;
  readonly answer: Answer;
  readonly deviceNames: DeviceNames;
  /** It runs now, with what it had before. */
  readonly isRunning?: boolean;
}): AlertContent {
  const { vm, answer, deviceNames } = options;
  const { cause } = answer;
  return {
    kind: "will-not-start",
    importance: "alert",
    vm,
    devices: named(cause?.devices ?? [], deviceNames),
    ...(cause !== undefined && { causeClass: cause.class, cause: answer.why }),
    subject: startSubject(
      vm,
      options.isRunning === true ? "will not start again" : "will not start",
      shortWhy(cause),
    ),
    changes: changeTexts(answer),
    lastGood: sinceText(answer),
    ...remediesOf(answer),
    command: "vfio-watch check",
  };
}

const RELEASE = "Let the guest's system eject the device, or shut the VM down: then the host gets it.";

/** A device could not be plugged into a VM that runs, or out of it. `sentence` says why. */
export function composeHotPlug(options: {
  readonly hotPlug: HotPlug;
  readonly sentence: string;
  readonly deviceNames: DeviceNames;
}): AlertContent {
  const { hotPlug, sentence, deviceNames } = options;
  const [cause] = hotPlug.diagnosis?.causes ?? [];
  const [vm] = hotPlug.vms;
  const remedy = hotPlug.outcome === "hangs" ? RELEASE : cause?.remedies?.[0];
  return {
    kind: "hot-plug-failed",
    importance: "warning",
    ...(hotPlug.vms.length === 1 && vm !== undefined && { vm }),
    devices: named(hotPlug.devices, deviceNames),
    ...(cause !== undefined && { causeClass: cause.class }),
    subject: hotPlugSubject(hotPlug, cause),
    cause: sentence,
    changes: [],
    ...(remedy !== undefined && { remedy }),
    command: "vfio-watch history",
  };
}

function hotPlugSubject({ vms, devices, action }: HotPlug, cause: Cause | undefined): string {
  const [vm] = vms;
  const [device] = devices;
  const what = action === "attach" ? "did not get a device" : "keeps a device";
  const only = vm ?? (device === undefined ? undefined : unknownVm(device));
  if (only === undefined) return upperFirst(`a VM ${what}`);
  const who = vms.length > 1 ? oneOfVms(vms) : only;
  return cause === undefined ? vmSubject(who, what) : startSubject(who, what, shortWhy(cause));
}

/** What was tried and how it went, in a line. */
export function describeHotPlug({
  vms,
  devices,
  action,
  outcome,
}: Pick<HotPlug, "vms" | "devices" | "action" | "outcome">): string {
  const device = devices.length === 0 ? "A device" : devices.join(", ");
  const [only] = vms;
  const vm = only === undefined ? "a VM" : vms.length > 1 ? oneOfVms(vms) : quoted(only);
  if (action === "attach") return `${device} could not be plugged into ${vm} while it runs`;
  return outcome === "hangs"
    ? `${upperFirst(vm)} does not give ${device} back to the host`
    : `${upperFirst(vm)} did not let go of ${device}`;
}

function upperFirst(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** The watcher's own trouble: one sentence what, one why, one what to do. */
export function composeTrouble(options: {
  readonly subject: string;
  readonly why: string;
  readonly remedy?: string;
  readonly importance?: Importance;
}): AlertContent {
  const { subject, why, remedy, importance = "warning" } = options;
  return {
    kind: "watcher-trouble",
    importance,
    devices: [],
    subject,
    cause: why,
    changes: [],
    ...(remedy !== undefined && { remedy }),
    command: "vfio-watch status",
  };
}

/** The machine is not what it was, while nothing has failed. Everything that changed with it is named. */
export function composeFactsChanged(options: {
  readonly changes: readonly ChangeLine[];
  /** The moment that is compared with, e.g. `since the last boot`. */
  readonly since: string;
  /** VMs with passed-through devices that this may concern, and what became of their starts. */
  readonly vms?: readonly ConcernedVm[];
}): AlertContent {
  const { changes, since, vms = [] } = options;
  const [first] = changes;
  const single = changes.length === 1 && first !== undefined;
  const subjects = single ? [`Changed ${since}: ${first.sentence}`, first.sentence] : [];
  const short = subjects.flatMap((text) => [text, withoutBrackets(text)]).find(isSubject);
  return {
    kind: "facts-changed",
    importance: "normal",
    devices: [],
    subject: short ?? (single ? `Something changed ${since}` : `${changes.length} things changed ${since}`),
    cause: [
      ...(first === undefined || short === undefined || short.endsWith(`: ${first.sentence}`)
        ? []
        : [`Changed ${since}: ${first.sentence}.`]),
      ...concernedWords(vms.slice(0, MOST_CONCERNED)),
    ].join(" "),
    changes: short === undefined ? linesTexts(changes) : (first?.consequences.slice(0, MOST_CHANGES) ?? []),
    command: "vfio-watch diff",
  };
}

/** A VM that changed facts may concern. */
export interface ConcernedVm {
  readonly vm: VmName;
  readonly failed?: FailedStart | undefined;
  /** A start of it has been under way for so long that nobody waits for its end any more. */
  readonly isStarting?: boolean;
}

function concernedWords(vms: readonly ConcernedVm[]): readonly string[] {
  if (vms.length === 0) return [];
  const failures = vms.flatMap(({ vm, failed }) =>
    failed === undefined ? [] : [failedInThisBoot(vm, failed)],
  );
  const names = (some: readonly ConcernedVm[]) => some.map(({ vm }) => quoted(vm)).join(", ");
  const starting = vms.filter(({ isStarting }) => isStarting === true);
  const soFar =
    failures.length > 0
      ? ""
      : starting.length > 0
        ? `; a start of ${names(starting)} is under way`
        : "; no start has failed since";
  return [`It may concern ${names(vms)}${soFar}.`, ...failures];
}

/** The rest of a storm in one message. `examples` are subjects of what was held back, without repetition. */
export function composeStorm(options: {
  readonly kind: AlertKind;
  readonly importance: Importance;
  readonly count: number;
  readonly examples: readonly string[];
}): AlertContent {
  const { kind, importance, count, examples } = options;
  return {
    kind: "storm-summary",
    importance,
    devices: [],
    subject: `${count} more alerts about ${KINDS_IN_WORDS[kind]}`,
    cause: "They came too fast to be sent one by one. All of them are in the history.",
    changes: examples.slice(0, MOST_CHANGES),
    count,
    command: "vfio-watch alerts list",
  };
}

/** What `vfio-watch alerts test` sends. */
export function composeTest(channel: string): AlertContent {
  return {
    kind: "test",
    importance: "normal",
    devices: [],
    subject: "Test of vfio-watch's alerts",
    cause: `Alerts arrive through the channel ${channel}. Nothing has failed.`,
    changes: [],
    command: "vfio-watch status",
  };
}

function concerned(cause: Cause | undefined, passedThrough: readonly Bdf[]): readonly Bdf[] {
  return cause !== undefined && cause.devices.length > 0 ? cause.devices : passedThrough;
}

function named(devices: readonly Bdf[], names: DeviceNames): AlertContent["devices"] {
  return devices.map((bdf) => {
    const name = names.get(bdf);
    return name === undefined ? { bdf } : { bdf, name };
  });
}

function remediesOf({ remedies }: Answer): Pick<AlertContent, "remedy" | "remedies"> {
  const [first] = remedies;
  return first === undefined ? {} : { remedy: first, remedies: remedies.slice(0, MOST_REMEDIES) };
}
