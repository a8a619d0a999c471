import type { Bdf } from "../model/identifiers.ts";

/** What a sentence of the catalogue can name. */
export interface Named {
  readonly devices: readonly Bdf[];
  readonly groups: readonly number[];
  /** What the pattern caught, or the host's state showed: `holder`, `path`, … */
  readonly names: Readonly<Record<string, string | undefined>>;
}

const NOTHING: Named = { devices: [], groups: [], names: {} };
const LONGEST_NAME = 120;
const CHOICE = /\[\[(?<known>[^|\]]*)(?:\|(?<unknown>[^\]]*))?\]\]/g;
const PLACEHOLDER = /\{(?<name>[a-z][a-z-]*)\}/g;

/**
 * Puts names into a sentence of the catalogue: `{device}` is the device with its group as far as they are known,
 * `{holder}` a name that the pattern caught. `[[A|B]]` is A where all that A names is known, else B (or nothing).
 */
export function nameIn(template: string, named: Named = NOTHING): string {
  const chosen = template.replace(CHOICE, (_whole, known: string, unknown: string | undefined) =>
    [...known.matchAll(PLACEHOLDER)].every(([, name = ""]) => isKnown(name, named)) ? known : (unknown ?? ""),
  );
  const text = chosen.replace(PLACEHOLDER, (whole, name: string) =>
    name === "device"
      ? deviceName(named)
      : (shortName(named.names[name]) ?? whole.slice(1, -1).toUpperCase()),
  );
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}

function isKnown(name: string, { devices, groups, names }: Named): boolean {
  return name === "device" ? devices.length + groups.length > 0 : shortName(names[name]) !== undefined;
}

function shortName(name: string | undefined): string | undefined {
  const text = name?.trim().slice(0, LONGEST_NAME);
  return text === "" ? undefined : text;
}

function deviceName({ devices: [device], groups: [group] }: Named): string {
  const where = group === undefined ? undefined : `IOMMU group ${group}`;
  if (device === undefined) return where === undefined ? "a passed-through device" : `a device of ${where}`;
  return where === undefined ? `the device ${device}` : `the device ${device} (${where})`;
}

/** Names for which a sentence has a place; a misspelt one would be shown to people as it stands. */
export function namesIn(template: string): readonly string[] {
  return [...template.matchAll(PLACEHOLDER)].map(([, name = ""]) => name);
}
