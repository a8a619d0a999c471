import type { SendResult } from "../alerts/channel.ts";
import { CHANNEL_NAMES, type ChannelName } from "../alerts/channels/all.ts";
import type { ChangedIncident } from "../alerts/people.ts";
import type { Outcome } from "../model/attempt.ts";
import { type VmName, vmName } from "../model/identifiers.ts";

/** What the running service can be asked. `history` names the file that is meant: another one's service says no. */
export type ControlRequest =
  | { readonly ask: "status"; readonly history: string }
  /** Sends a test alert, with the service's own environment and sandbox. */
  | { readonly ask: "test-channel"; readonly history: string; readonly channel: ChannelName }
  /** `incident` is an id, or the beginning of one. */
  | { readonly ask: "acknowledge"; readonly history: string; readonly incident: string }
  | { readonly ask: "silence"; readonly history: string; readonly incident: string; readonly forMs: number }
  /** Lets whoever asks write older material beside the service, until it ends its side of the connection. */
  | { readonly ask: "import"; readonly history: string }
  /** Tells every line of the log from now on, each as JSON, until whoever asks ends its side of the connection. */
  | { readonly ask: "watch"; readonly history: string }
  /**
   * How the newest start of a VM (its name or UUID) since `since` went, and why; waits up to `waitMs` for one that has
   * not settled.
   */
  | {
      readonly ask: "start";
      readonly history: string;
      readonly vm: VmName;
      readonly since: number;
      readonly waitMs: number;
    };

export type ControlAsk = ControlRequest["ask"];
export type RequestTo<Ask extends ControlAsk> = Extract<ControlRequest, { readonly ask: Ask }>;

/** A start of a VM, if there was one. */
export type StartAnswer =
  | { readonly state: "none" }
  | {
      readonly state: "settled";
      /** What `vfio-watch show` takes. */
      readonly number: number;
      readonly openedAt: number;
      readonly outcome: Outcome;
      /** Of one that did not go well. */
      readonly explained?: StartExplained;
    };

/** What is told about a start that failed where there is little room. Plain texts. */
export interface StartExplained {
  readonly vm: VmName;
  readonly why: string;
  /** Best first. */
  readonly remedies: readonly string[];
  /** When it last worked (UTC epoch milliseconds). */
  readonly lastGoodAt?: number;
  /** Since then. */
  readonly changes: readonly string[];
}

/** What each question is answered with. */
export interface ControlAnswers {
  readonly status: { readonly version: string; readonly pid: number; readonly startedAt: number };
  readonly "test-channel": SendResult;
  readonly acknowledge: ChangedIncident;
  readonly silence: ChangedIncident;
  readonly import: { readonly tookMs: number };
  readonly watch: { readonly lines: number };
  readonly start: StartAnswer;
}

/** Why nothing was done. `another-history`: this service is not the one that is meant. */
export type RefusalKind = "bad-request" | "another-history" | "busy" | "failed" | "ending";

/** One line of the service: any number of the first kind, then one of the others. */
export type ControlReply<Ask extends ControlAsk = ControlAsk> =
  | { readonly kind: "progress"; readonly text: string }
  | { readonly kind: "done"; readonly answer: ControlAnswers[Ask] }
  | {
      readonly kind: "refused";
      readonly reason: RefusalKind;
      readonly why: string;
      readonly remedy: string;
    };

/** A request is one line of at most so many bytes. */
export const REQUEST_LIMIT = 16 * 1024;
/** Nobody waits longer than this for a start to settle (ms). */
export const LONGEST_WAIT = 10_000;
/** PATH_MAX of Linux. */
const LONGEST_PATH = 4_096;
/** Longer than any name that libvirt takes, and than any incident's id. */
const LONGEST_NAME = 1_024;
const LONGEST_SILENCE = 10 * 366 * 86_400_000;

type Fields = Readonly<Record<string, unknown>>;
type Read<Ask extends ControlAsk> = (fields: Fields, history: string) => RequestTo<Ask> | string;

const READERS: { readonly [Ask in ControlAsk]: Read<Ask> } = {
  status: (_fields, history) => ({ ask: "status", history }),
  "test-channel"({ channel }, history) {
    const known = CHANNEL_NAMES.find((name) => name === channel);
    if (known === undefined) return `'channel' is one of ${CHANNEL_NAMES.join(", ")}`;
    return { ask: "test-channel", history, channel: known };
  },
  acknowledge({ incident }, history) {
    return isText(incident, LONGEST_NAME) ? { ask: "acknowledge", history, incident } : "'incident' is an id";
  },
  silence({ incident, forMs }, history) {
    if (!isText(incident, LONGEST_NAME)) return "'incident' is an id";
    if (!isWithin(forMs, 1, LONGEST_SILENCE)) return "'forMs' is a number of milliseconds up to ten years";
    return { ask: "silence", history, incident, forMs };
  },
  import: (_fields, history) => ({ ask: "import", history }),
  watch: (_fields, history) => ({ ask: "watch", history }),
  start({ vm, since, waitMs }, history) {
    if (!isText(vm, LONGEST_NAME)) return "'vm' is the name or the UUID of a VM";
    if (!isWithin(since, 0, Number.MAX_SAFE_INTEGER)) return "'since' is a time in milliseconds";
    if (!isWithin(waitMs, 0, LONGEST_WAIT)) return `'waitMs' is at most ${LONGEST_WAIT}`;
    return { ask: "start", history, vm: vmName(vm), since, waitMs };
  },
};

/** Reads one line of a client; a sentence where it is no request. Fields that nobody knows are passed over. */
export function parseRequest(line: string): ControlRequest | string {
  let fields: unknown;
  try {
    fields = JSON.parse(line);
  } catch {
    return "a request is one line of JSON";
  }
  if (typeof fields !== "object" || fields === null || Array.isArray(fields))
    return "a request is a JSON object";
  const { ask, history } = fields as Fields;
  if (typeof ask !== "string" || !Object.hasOwn(READERS, ask))
    return `'ask' is one of ${Object.keys(READERS).join(", ")}`;
  if (!isText(history, LONGEST_PATH)) return "'history' is the path of the history that is meant";
  return READERS[ask as ControlAsk](fields as Fields, history);
}

function isText(value: unknown, most: number): value is string {
  return typeof value === "string" && value.length > 0 && value.length <= most && !value.includes("\u0000");
}

function isWithin(value: unknown, least: number, most: number): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= least && value <= most;
}
