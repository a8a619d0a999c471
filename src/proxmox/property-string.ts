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

/** Proxmox's booleans. */
export function isYes(value: string | undefined): boolean {
  return value !== undefined && /^(?:1|on|yes|true)$/i.test(value);
}
