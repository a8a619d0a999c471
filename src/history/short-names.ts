import { knownKey, labelOf } from "../facts/vocabulary.ts";

/**
 * A device as people call it: `NVIDIA Corporation AD106 [GeForce RTX 4060 Ti 16GB]` of the PCI database becomes
 * `NVIDIA GeForce RTX 4060 Ti 16GB`.
 */
export function shortDeviceName(name: string): string {
  const [, chip = "", product] = /^(.*?)\s*\[([^\][]+)\]\s*$/.exec(name) ?? [];
  const company = (product === undefined ? name : chip)
    .replace(
      /,? (?:Co\.,? Ltd\.?|Corporation|Corp\.?|Inc\.?|Ltd\.?|Semiconductor|Technolog(?:y|ies))(?=[ ,]|$)/gi,
      "",
    )
    .replace(/^Advanced Micro Devices,?\s*(?:\[AMD(?:\/ATI)?\])?/, "AMD");
  if (product === undefined) return company.trim();
  const vendor = company.split(" ")[0] ?? "";
  return product.toLowerCase().startsWith(vendor.toLowerCase()) ? product : `${vendor} ${product}`.trim();
}

/** `NVIDIA GeForce RTX 4060 Ti 16GB (0000:01:00.0)`, or what kind of device it is where it has no name. */
export function describeDevice(device: {
  readonly identity: string | undefined;
  readonly name: string | undefined;
  readonly kind: string | undefined;
  readonly bdf: string;
}): string {
  const ids = device.identity?.split("/")[0];
  const kind = device.kind === undefined ? undefined : `${device.kind} ${ids ?? ""}`.trim();
  const name = device.name === undefined ? kind : shortDeviceName(device.name);
  return name === undefined ? device.bdf : `${name} (${device.bdf})`;
}

/** The name of a fact for a person, `names` by identity of a device; a relation has none and names its address. */
export function labelOfKey(key: string, names: ReadonlyMap<string, string>): string {
  const known = knownKey(key);
  if (known === undefined) return key.replace(/^at /, "what stands at ");
  return labelOf(known, (identity) => shortDeviceName(names.get(identity) ?? identity));
}

/**
 * Versions without what they share in front, as people say them: `E7E49AMSI.1A63` and `E7E49AMSI.1A95` are `A63` and
 * `A95`. A shared beginning is only left out where it is long, and never in the middle of a number, be it
 * one with dots (6.12.54), or a word.
 */
export function shortVersions(versions: readonly string[]): ReadonlyMap<string, string> {
  const [first = ""] = versions;
  let shared = versions.length < 2 ? 0 : first.length;
  for (const version of versions) {
    while (shared > 0 && !version.startsWith(first.slice(0, shared))) shared -= 1;
  }
  const rests = () => versions.map((version) => version.slice(shared));
  const inNumber = () => /\d\.?$/.test(first.slice(0, shared)) && rests().some((rest) => /^\.?\d/.test(rest));
  const inWord = () => /[a-z]$/i.test(first.slice(0, shared));
  while (shared > 0 && inNumber()) shared -= 1;
  while (shared > 0 && inWord()) shared -= 1;
  const useful = shared >= 4 && rests().every((rest) => rest.length >= 2);
  return new Map(versions.map((version) => [version, useful ? version.slice(shared) : version]));
}
