import { oneLine } from "../hostile-text.ts";
import type { VmName } from "../model/identifiers.ts";

/**
 * A name that others chose (a VM, a firmware setting) as one part of a key. Keys are divided by dots, so a dot in
 * the name is written `%2e`; ordinary names stand as they are.
 */
export function keyPart(name: string): string {
  return oneLine(name.slice(0, 256).replaceAll("%", "%25").replaceAll(".", "%2e"));
}

/** The name that {@link keyPart} wrote. */
export function nameOfKeyPart(part: string): string {
  return part.replaceAll("%2e", ".").replaceAll("%25", "%");
}

/** Key prefix of a VM's facts, with the final dot: `vm.Windows 11.`. */
export function vmFactPrefix(vm: VmName): string {
  return `vm.${keyPart(vm)}.`;
}
