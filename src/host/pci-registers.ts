import { valueOr } from "../model/reading.ts";
import { isAsleep } from "./power-state.ts";
import { readAttribute, readNames } from "./read-file.ts";

/**
 * Attributes that the kernel makes of the function's registers each time they are read, which wakes one that sleeps
 * (drivers/pci/pci-sysfs.c, since Linux 6.18 and its stable kernels of that time).
 */
export const REGISTERS = [
  "max_link_speed",
  "max_link_width",
  "secondary_bus_number",
  "subordinate_bus_number",
];

/**
 * Reads them without waking anything. None of them changes as long as the function is there, so what is known of
 * `before` is not read again. Of a bridge that sleeps the bus behind it is known by the name of its directory.
 */
export function createRegisterReader(
  directory: string,
  before: ReadonlyMap<string, string | undefined> | undefined,
): (name: string) => string | undefined {
  let asleep: boolean | undefined;
  return (name) => {
    const known = before?.get(name);
    if (known !== undefined) return known;
    asleep ??= isAsleep(directory);
    if (!asleep) return valueOr<string | undefined>(readAttribute(`${directory}/${name}`), undefined);
    return name === "secondary_bus_number" ? busBehind(directory) : undefined;
  };
}

function busBehind(bridge: string): string | undefined {
  const [name = ""] = valueOr(readNames(`${bridge}/pci_bus`), []);
  const [, bus] = /^[0-9a-f]{4,}:([0-9a-f]{2})$/.exec(name) ?? [];
  return bus === undefined ? undefined : String(Number.parseInt(bus, 16));
}
