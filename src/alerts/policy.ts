import type { AlertContent, AlertKind, Importance } from "../model/alert.ts";
import type { TimeOfDayRange } from "../settings/time-of-day.ts";
import { CHANNELS, type ChannelName } from "./channels/all.ts";
import type { AlertPlace } from "./channels/kind.ts";
import type { AlertConfig } from "./settings.ts";

/** A channel as far as deciding goes. */
export interface ChannelPolicy {
  readonly name: ChannelName;
  readonly minimum: Importance;
  readonly keepsQuietHours: boolean;
}

/** Who is told what, when, and how often. */
export interface AlertPolicy {
  /** The importance that a kind is told with, or `off`; kinds that are missing keep their own. */
  readonly toldAs: Partial<Readonly<Record<AlertKind, Importance | "off">>>;
  readonly reminders: boolean;
  /** So many alerts of one kind at once, and so many more each hour. */
  readonly burst: number;
  readonly hourly: number;
  readonly channels: readonly ChannelPolicy[];
  readonly quietHours: TimeOfDayRange | undefined;
  /** The least important alert that does not wait in quiet hours. */
  readonly quietPass: Importance;
}

/** The policy that the settings describe on such a host. */
export function alertPolicy(config: AlertConfig, place: AlertPlace): AlertPolicy {
  return {
    toldAs: {
      "start-failed-other": config.ALERT_OTHER_FAILURES,
      "facts-changed": config.ALERT_FACT_CHANGES,
      recovered: config.ALERT_RECOVERY,
      "watcher-trouble": config.ALERT_WATCHER_TROUBLE,
    },
    reminders: config.ALERT_REMINDERS,
    burst: config.ALERT_BURST,
    hourly: config.ALERT_HOURLY,
    channels: CHANNELS.filter((kind) => kind.isOn(config, place)).map((kind) => ({
      name: kind.name,
      minimum: kind.minimum(config),
      keepsQuietHours: config.QUIET_CHANNELS.some((quiet) => quiet === kind.name),
    })),
    quietHours: config.QUIET_HOURS,
    quietPass: config.QUIET_HOURS_PASS,
  };
}

const RANK: Readonly<Record<Importance, number>> = { normal: 0, warning: 1, alert: 2 };

/** Whether an importance reaches a minimum. */
export function reaches(importance: Importance, minimum: Importance): boolean {
  return RANK[importance] >= RANK[minimum];
}

/**
 * The earliest time at which an alert may leave through a channel: `at` itself, or the end of the quiet hours that it
 * falls into. All in UTC epoch milliseconds; the hours are those of the machine's time zone.
 */
export function notBefore(policy: AlertPolicy, channel: string, importance: Importance, at: number): number {
  const hours = policy.quietHours;
  if (hours === undefined || reaches(importance, policy.quietPass)) return at;
  if (!policy.channels.some(({ name, keepsQuietHours }) => name === channel && keepsQuietHours)) return at;
  const date = new Date(at);
  const minute = date.getHours() * 60 + date.getMinutes();
  const spansMidnight = hours.from > hours.to;
  const within = spansMidnight
    ? minute >= hours.from || minute < hours.to
    : minute >= hours.from && minute < hours.to;
  if (!within) return at;
  const tomorrow = spansMidnight && minute >= hours.from ? 1 : 0;
  // Built from its parts, so that the end is right on the days on which clocks are changed.
  return new Date(date.getFullYear(), date.getMonth(), date.getDate() + tomorrow, 0, hours.to).getTime();
}

/** The content with the importance that the settings give its kind; undefined where they switch the kind off. */
export function asTold(content: AlertContent, policy: AlertPolicy): AlertContent | undefined {
  const importance = policy.toldAs[content.kind] ?? content.importance;
  if (importance === "off") return undefined;
  return importance === content.importance ? content : { ...content, importance };
}
