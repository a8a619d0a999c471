import { CHANNELS } from "../alerts/channels/all.ts";
import { ALERT_SETTINGS } from "../alerts/settings.ts";
import { FLEET_SECRET_FILES, FLEET_SETTINGS } from "../fleet/settings.ts";
import { settingsOf } from "../settings/setting-keys.ts";
import { choice, path, placeOr, schedule, someOf, whole, yesNo } from "../settings/value-kinds.ts";
import { SOURCE_NAMES, SOURCES } from "../sources/kinds/all.ts";

/** What sources declare; they are made from it at the start. */
export const SOURCE_SETTINGS = settingsOf(SOURCES);

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
    SOURCE_NAMES,
    `What is watched. Each source that is left out takes away a part of what can be known:\n${SOURCES.map(
      ({ name, importance }) => `${name}: ${importance}.`,
    ).join("\n")}`,
  ),
  ...SOURCE_SETTINGS,
  SIGNATURES_DIRECTORY: path(
    "",
    "A directory with your own signatures (*.json), in addition to the shipped ones.\nEmpty: signatures beside your settings file, where that directory exists.",
  ),
  HARDWARE_INVENTORY: yesNo(
    true,
    "Read CPU, memory and board once a boot, in a child process of a few seconds.",
  ),

  METRICS_FILE: path(
    "",
    "A file in Prometheus' text format for node_exporter's textfile collector, written when something has changed,\ne.g. /var/lib/prometheus/node-exporter/vfio-watch.prom; another directory needs ReadWritePaths= in the unit.",
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

  ...ALERT_SETTINGS,

  ...FLEET_SETTINGS,
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
export const SECRET_FILES: readonly { readonly key: KeyName; readonly file: KeyName }[] = [
  ...CHANNELS.flatMap(
    ({ secretFiles = [] }): readonly { readonly key: KeyName; readonly file: KeyName }[] => secretFiles,
  ),
  ...FLEET_SECRET_FILES,
];
