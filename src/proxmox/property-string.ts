/** The settings of one section, in order; a key that stands twice counts with its last value, as in Proxmox. */
export type Settings = ReadonlyMap<string, string>;

/**
 * Reads Proxmox's `a,key=b,other=c`. What stands without a key is given under `defaultKey`; a key that is there twice
 * keeps its first value.
 */
export function parsePropertyString(text: string, defaultKey: string): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const part of text.split(",")) {
    const equals = part.indexOf("=");
    const key = equals < 0 ? defaultKey : part.slice(0, equals).trim();
    if (!values.has(key)) values.set(key, part.slice(equals + 1).trim());
  }
  return values;
}

/** What each value of a property string has to be, by key. */
export interface PropertyFormat {
  /** The key of what stands there without one. */
  readonly defaultKey?: string;
  readonly values: Readonly<Record<string, RegExp>>;
}

/** A value that Proxmox takes for a boolean. */
export const BOOLEAN = /^(?:1|on|yes|true|0|off|no|false)$/i;

/**
 * The same as `PVE::JSONSchema::parse_property_string` reads it by a format: undefined where that cannot be read (edited by
 * hand), for Proxmox then warns and passes over the whole of it. A key that the format has not may be one of a newer Proxmox.
 */
export function readPropertyString(text: string, format: PropertyFormat): Settings | undefined {
  const values = new Map<string, string>();
  for (const part of text.split(",").filter((each) => each.trim() !== "")) {
    const [, named, said = part] = /^([^=]+)=(.+)$/s.exec(part) ?? [];
    const key = named ?? (part.includes("=") ? undefined : format.defaultKey);
    if (key === undefined || values.has(key) || !/^[a-z][a-z0-9-]*$/i.test(key)) return undefined;
    if (format.values[key]?.test(said) === false) return undefined;
    values.set(key, said);
  }
  return values;
}

/** Proxmox's booleans. */
export function isYes(value: string | undefined): boolean {
  return value !== undefined && /^(?:1|on|yes|true)$/i.test(value);
}
