import { SOURCE_SETTINGS } from "../config/keys.ts";
import type { Config, KeyName } from "../config.ts";

/** What the sources, the history and the catalogue are made from at the start; everything else is asked at each use. */
const FIXED_AT_START: readonly KeyName[] = [
  "DATABASE",
  "SOURCES",
  ...(Object.keys(SOURCE_SETTINGS) as (keyof typeof SOURCE_SETTINGS)[]),
  "SIGNATURES_DIRECTORY",
];

/** The settings that differ and are taken up by a new start alone. */
export function settingsThatNeedRestart(before: Config, after: Config): readonly KeyName[] {
  return FIXED_AT_START.filter((key) => String(before[key]) !== String(after[key]));
}
