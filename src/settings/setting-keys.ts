import type { Key } from "./value-kinds.ts";

/** Settings that are declared together, by the names that stand in the file, in the order in which they are shown. */
export type SettingKeys = Readonly<Record<string, Key<unknown>>>;

/** The values that settings have once they are read. */
export type ValuesOf<Keys extends SettingKeys> = {
  readonly [Name in keyof Keys]: Keys[Name] extends Key<infer Value> ? Value : never;
};
