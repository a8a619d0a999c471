import type { Key } from "./value-kinds.ts";

/** Settings that are declared together, by the names that stand in the file, in the order in which they are shown. */
export type SettingKeys = Readonly<Record<string, Key<unknown>>>;

type Declaring = { readonly settings: SettingKeys };
type Together<Settings> = (Settings extends unknown ? (one: Settings) => void : never) extends (
  all: infer All,
) => void
  ? All
  : never;

/** What several channels or sources declare, together. */
export function settingsOf<const Kinds extends readonly Declaring[]>(
  kinds: Kinds,
): Together<Kinds[number]["settings"]> {
  return Object.assign({}, ...kinds.map(({ settings }) => settings));
}

/** The values that settings have once they are read. */
export type ValuesOf<Keys extends SettingKeys> = {
  readonly [Name in keyof Keys]: Keys[Name] extends Key<infer Value> ? Value : never;
};
