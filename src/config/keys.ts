import { CHANNEL_NAMES, CHANNELS } from "../alerts/channels/all.ts";
import { command } from "../alerts/channels/command.ts";
import { log } from "../alerts/channels/log.ts";
import { mail } from "../alerts/channels/mail.ts";
import { mqtt } from "../alerts/channels/mqtt.ts";
import { ntfy } from "../alerts/channels/ntfy.ts";
import { unraid } from "../alerts/channels/unraid.ts";
import { webhook } from "../alerts/channels/webhook.ts";
import {
  choice,
  dailyHours,
  path,
  placeOr,
  schedule,
  someOf,
  text,
  webAddress,
  whole,
  yesNo,
} from "./value-kinds.ts";

const IMPORTANCES = ["normal", "warning", "alert"] as const;
const TOLD_AS = ["off", "normal", "warning", "alert"] as const;

/**
 * Every setting there is, in the order in which the shipped file shows them. Reading, checking, `vfio-watch config`
 * and the shipped `config/vfio-watch.cfg` all come from here. An empty value always means the default.
 */
export const KEYS = {
  DATABASE: path(
    "",
    "The history's file. Empty: /boot/config/plugins/vfio-watch/history.db on Unraid,\n/var/lib/vfio-watch/history.db elsewhere.",
  ),
  RETENTION_DAYS: whole(
    3650,
    { minimum: 1, maximum: 36500, unit: "days" },
    "Older history goes. The last good start of every VM stays whatever its age.",
  ),
  RETENTION_MEGABYTES: whole(
    256,
    { minimum: 8, maximum: 65536, unit: "MB" },
    "When the history's file would become larger than this, its oldest part goes.",
  ),
  SECOND_COPY: placeOr(
    ["auto", "off"],
    "auto",
    "A small second copy of what blame needs, made once a day where something has changed, from which a new history\nbegins when the first is lost. auto: on another device than the history where there is one, else beside it.\noff: none. Under systemd a directory of your own needs ReadWritePaths= in the unit.",
  ),
  PRUNE_SCHEDULE: schedule("17 4 * * *", "When old history is removed."),
  SNAPSHOT_SCHEDULE: schedule(
    "41 */6 * * *",
    "When the machine's facts are read again; they are also read at each boot and at each VM start.\nNothing is written while nothing has changed.",
  ),
  LOG_LEVEL: choice("info", ["error", "warn", "info", "debug"], "How much the service says in its own log."),
  LOG_FORMAT: choice("text", ["text", "json"], "The form of the service's own log."),

  SOURCES: someOf(
    ["kernel-log", "vfio-nodes", "libvirt", "domain-logs", "libvirtd-log", "proxmox", "config-files"],
    "What is watched. Each source that is left out takes away a part of the explanations.\nproxmox: on Proxmox VE only, where libvirt, domain-logs and libvirtd-log are not missed.",
  ),
  DOMAIN_LOG_DIRECTORY: path("/var/log/libvirt/qemu", "Where libvirt keeps one log for each VM."),
  LIBVIRTD_LOG: path("", "The log file of libvirtd or virtqemud. Empty: the usual ones, else the journal."),
  SIGNATURES_DIRECTORY: path(
    "",
    "A directory with your own signatures (*.json), in addition to the shipped ones.\nEmpty: signatures beside your settings file, where that directory exists.",
  ),
  HARDWARE_INVENTORY: yesNo(
    true,
    "Read CPU, memory and board once a boot, in a child process of a few seconds.",
  ),

  SETTLING_SECONDS: whole(
    120,
    { minimum: 5, maximum: 3600, unit: "seconds" },
    "A start is good when nothing fatal was said about it for so long.",
  ),
  CRASH_EARLY_MINUTES: whole(
    5,
    { minimum: 1, maximum: 120, unit: "minutes" },
    "A VM that dies by itself within this time counts as crashed early, not as stopped.",
  ),

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

  ...log.settings,
  ...unraid.settings,
  ...mail.settings,
  ...ntfy.settings,
  ...webhook.settings,
  ...mqtt.settings,
  ...command.settings,

  HTTP_TIMEOUT_SECONDS: whole(
    15,
    { minimum: 1, maximum: 300, unit: "seconds" },
    "How long ntfy or a webhook may take to answer.",
  ),
  HTTP_PROXY: webAddress(
    "An http proxy for ntfy and webhooks, e.g. http://proxy.lan:3128\nEmpty: what HTTPS_PROXY, HTTP_PROXY and NO_PROXY of the environment say.",
  ),
} as const;

export type KeyName = keyof typeof KEYS;

/** The effective settings, by the names that stand in the file. */
export type Config = { readonly [Name in KeyName]: ValueOf<(typeof KEYS)[Name]> };

type ValueOf<Definition> = Definition extends {
  readonly parse: (text: string) => infer Result;
}
  ? Result extends { readonly value: infer Value }
    ? Value
    : never
  : never;

export const KEY_NAMES = Object.keys(KEYS) as readonly KeyName[];

/** Keys whose value may stand in a file of its own. */
export const SECRET_FILES: readonly { readonly key: KeyName; readonly file: KeyName }[] = CHANNELS.flatMap(
  ({ secretFiles = [] }): readonly { readonly key: KeyName; readonly file: KeyName }[] => secretFiles,
);
