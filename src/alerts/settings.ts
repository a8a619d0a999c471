import { settingsOf, type ValuesOf } from "../settings/setting-keys.ts";
import { choice, dailyHours, someOf, text, webAddress, whole, yesNo } from "../settings/value-kinds.ts";
import { CHANNEL_NAMES, CHANNELS } from "./channels/all.ts";

const IMPORTANCES = ["normal", "warning", "alert"] as const;
const TOLD_AS = ["off", "normal", "warning", "alert"] as const;

/** The settings of alerts and of every channel, in the order of the shipped file. */
export const ALERT_SETTINGS = {
  ALERT_OTHER_FAILURES: choice(
    "warning",
    TOLD_AS,
    "How a failed start is told that has nothing to do with devices, VFIO or the IOMMU.",
  ),
  ALERT_FACT_CHANGES: choice(
    "normal",
    TOLD_AS,
    "How a change of BIOS, IOMMU groups and the like is told while nothing has failed.",
  ),
  ALERT_RECOVERY: choice("normal", TOLD_AS, "How it is told that a VM starts again after it had failed."),
  ALERT_WATCHER_TROUBLE: choice(
    "warning",
    TOLD_AS,
    "How the service's own troubles are told: a source lost, records lost, no space, a channel that fails.",
  ),
  ALERT_REMINDERS: yesNo(true, "Remind of what still fails, after 1, 2, 4, 8 … days."),
  ALERT_BURST: whole(
    5,
    { minimum: 1, maximum: 100, unit: "alerts" },
    "So many alerts of one kind may leave at once; the rest of a storm becomes one summary.",
  ),
  ALERT_HOURLY: whole(
    6,
    { minimum: 1, maximum: 1000, unit: "alerts an hour" },
    "So many more alerts of one kind may leave each hour.",
  ),
  ALERT_GIVE_UP_HOURS: whole(
    72,
    { minimum: 1, maximum: 720, unit: "hours" },
    "An alert that could not be delivered for so long is given up, and status shows it.",
  ),
  QUIET_HOURS: dailyHours("Less important alerts wait until these hours of local time are over."),
  QUIET_HOURS_PASS: choice(
    "alert",
    IMPORTANCES,
    "The least important alert that does not wait in quiet hours.",
  ),
  QUIET_CHANNELS: someOf(
    CHANNEL_NAMES.filter((name) => name !== "log"),
    "The channels that keep the quiet hours.",
  ),
  HOST_NAME: text("", "The machine's name in alerts. Empty: its host name."),

  ...settingsOf(CHANNELS),

  HTTP_TIMEOUT_SECONDS: whole(
    15,
    { minimum: 1, maximum: 300, unit: "seconds" },
    "How long ntfy or a webhook may take to answer.",
  ),
  HTTP_PROXY: webAddress(
    "An http proxy for ntfy and webhooks, e.g. http://proxy.lan:3128\nEmpty: what HTTPS_PROXY, HTTP_PROXY and NO_PROXY of the environment say.",
  ),
} as const;

/** Their values, once they are read. */
export type AlertConfig = ValuesOf<typeof ALERT_SETTINGS>;
