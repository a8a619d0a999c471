import type { Config, KeyName } from "../config.ts";

/** What the sources, the history and the catalogue are made from at the start; everything else is asked at each use. */
const FIXED_AT_START: readonly KeyName[] = [
  "DATABASE",
  "SOURCES",
  "DOMAIN_LOG_DIRECTORY",
  "LIBVIRTD_LOG",
  "SIGNATURES_DIRECTORY",
];

/** The settings that differ and are taken up by a new start alone. */
export function settingsThatNeedRestart(before: Config, after: Config): readonly KeyName[] {
  return FIXED_AT_START.filter((key) => String(before[key]) !== String(after[key]));
}
