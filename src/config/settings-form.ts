import { CHANNELS, type ChannelName } from "../alerts/channels/all.ts";
import { FLEET_LABELS } from "../fleet/settings.ts";
import type { FormField, Key } from "../settings/value-kinds.ts";
import { SOURCES } from "../sources/kinds/all.ts";
import { KEYS, type KeyName } from "./keys.ts";

/** One setting as a form shows it. */
export interface FormSetting {
  readonly key: KeyName;
  readonly label: string;
  /** What it means, in one or more sentences. */
  readonly meaning: string;
  /** What may stand there. */
  readonly expects: string;
  /** The default as it stands in the file; empty where the program finds it out by itself. */
  readonly fallback: string;
  /** `whole`: never shown again once it is set; `after-host`: only its server is. */
  readonly secret: "no" | "whole" | "after-host";
  readonly field: FormField;
}

export interface FormSection {
  readonly title: string;
  /** The way to reach people that it is about: it can be tried. */
  readonly channel?: ChannelName;
  /** Few ever need it. */
  readonly rare?: true;
  readonly settings: readonly FormSetting[];
}

/** Labels by section, in the order of a form. */
const LABELS: Readonly<Record<string, Partial<Record<KeyName, string>>>> = {
  "What you are told": {
    ALERT_FACT_CHANGES: "Changes of BIOS, IOMMU groups and the like",
    ALERT_OTHER_FAILURES: "Failed starts for other reasons",
    ALERT_RECOVERY: "A VM starts again",
    ALERT_WATCHER_TROUBLE: "The service's own troubles",
    ALERT_REMINDERS: "Reminders",
    QUIET_HOURS: "Quiet hours",
    QUIET_HOURS_PASS: "What passes in quiet hours",
    QUIET_CHANNELS: "Channels that keep quiet hours",
    HOST_NAME: "Name of this machine",
  },
  ...Object.fromEntries(
    CHANNELS.filter(({ name }) => name !== "log").map(({ title, labels }) => [title, labels]),
  ),
  "Delivery of alerts": {
    LOG_MINIMUM_IMPORTANCE: "Into the log from which importance",
    HTTP_TIMEOUT_SECONDS: "Time limit of ntfy and webhook",
    HTTP_PROXY: "Proxy",
    ALERT_BURST: "Alerts at once",
    ALERT_HOURLY: "Alerts an hour",
    ALERT_GIVE_UP_HOURS: "Given up after",
  },
  "What counts as a good start": {
    SETTLING_SECONDS: "Settling time",
    CRASH_EARLY_MINUTES: "Crashed early within",
  },
  "What is watched": {
    SOURCES: "Sources",
    HARDWARE_INVENTORY: "Hardware inventory",
    METRICS_FILE: "File of metrics for Prometheus",
    SNAPSHOT_SCHEDULE: "Schedule for reading the facts",
    ...Object.assign({}, ...SOURCES.map(({ labels }) => labels)),
    SIGNATURES_DIRECTORY: "Own signatures",
  },
  "A fleet of hosts": FLEET_LABELS,
  "History and log": {
    DATABASE: "History's file",
    RETENTION_DAYS: "Kept for",
    RETENTION_MEGABYTES: "Largest size",
    SECOND_COPY: "Second copy",
    PRUNE_SCHEDULE: "Schedule for cleaning up",
    LOG_LEVEL: "Log level",
    LOG_FORMAT: "Log format",
  },
};

const CHANNEL_OF: ReadonlyMap<string, ChannelName> = new Map(
  CHANNELS.map(({ title, name }) => [title, name]),
);
/** What most people look for: what they are told, and how. */
const COMMON: ReadonlySet<string> = new Set(["What you are told", ...CHANNEL_OF.keys()]);

function channelOf(title: string): { readonly channel?: ChannelName } {
  const channel = CHANNEL_OF.get(title);
  return channel === undefined ? {} : { channel };
}

/** Every setting as a form shows it, in sections; for settings pages, which need no program to show it. */
export function settingsForm(): readonly FormSection[] {
  return Object.entries(LABELS).map(([title, labels]) => ({
    title,
    ...channelOf(title),
    ...(!COMMON.has(title) && { rare: true as const }),
    settings: (Object.entries(labels) as [KeyName, string][]).map(([key, label]): FormSetting => {
      const { meaning, expects, fallback, secret, field }: Key<unknown> = KEYS[key];
      return {
        key,
        label,
        meaning: meaning.replaceAll("\n", " "),
        expects,
        fallback,
        // The form is where a command is changed, so it has to show the whole.
        secret: secret === undefined || secret === "arguments" ? "no" : secret,
        field,
      };
    }),
  }));
}
