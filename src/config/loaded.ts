import type { Config, KeyName } from "./keys.ts";

/** Where settings are looked for. */
export interface ConfigPaths {
  /** The shipped defaults; undefined where there are none beside the program. */
  readonly shippedFile: string | undefined;
  /** The owner's file over them; need not exist. */
  readonly overrideFile: string;
  /** Empty paths have other defaults on Unraid. */
  readonly unraid: boolean;
}

/** Something in the settings that a person should know; the service runs all the same. */
export interface ConfigProblem {
  /** The file, or `environment`. */
  readonly where: string;
  /** Line in the file, from 1. */
  readonly line: number | undefined;
  readonly key: string | undefined;
  /** A whole sentence with what is used instead; never holds a secret. */
  readonly message: string;
}

/** Where an effective value comes from. */
export type ConfigOrigin =
  | { readonly from: "default" }
  | { readonly from: "shipped" | "override"; readonly file: string; readonly line: number }
  | { readonly from: "environment"; readonly variable: string };

export interface LoadedConfig {
  readonly config: Config;
  readonly problems: readonly ConfigProblem[];
  readonly origins: Readonly<Record<KeyName, ConfigOrigin>>;
  /** The files that were looked at, including those that do not exist; worth watching for changes. */
  readonly files: readonly string[];
}
