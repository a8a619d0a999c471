import { isSameVendor } from "../knowledge/board-names.ts";
import type { CauseClass, Condition, Knob, Remedy } from "../model/catalogue.ts";
import type { SignatureId } from "../model/identifiers.ts";
import type { Catalogue } from "./catalogue.ts";
import { type Named, nameIn } from "./sentence.ts";
import { isInRange } from "./version-range.ts";

/** A passed-through device as conditions ask for it. */
export interface DeviceTruth {
  /** `10de:2805` */
  readonly id: string;
  /** The driver that has it; `none` where none has. */
  readonly driver: string | undefined;
}

/** What is so on a host, as far as advice depends on it; undefined: not known. */
export interface HostTruths {
  readonly kernel?: string | undefined;
  /** Whether the kernel was built with an option, without `CONFIG_`; those of which it is not known are missing. */
  readonly kernelOptions?: ReadonlyMap<string, boolean> | undefined;
  readonly cpu?: "amd" | "intel" | undefined;
  /** As SMBIOS names it. */
  readonly boardVendor?: string | undefined;
  readonly system?: "unraid" | "proxmox" | "other" | undefined;
  /** Of the operating system, e.g. `7.2.3`. */
  readonly systemVersion?: string | undefined;
  readonly loader?: string | undefined;
  /** The devices of the VM in question. */
  readonly devices?: readonly DeviceTruth[] | undefined;
  /** Modules that are loaded. */
  readonly modules?: ReadonlySet<string> | undefined;
  /** Words of `/proc/cmdline`. */
  readonly parameters?: readonly string[] | undefined;
  readonly preBootDmaProtection?: "on" | "off" | undefined;
  readonly secureBoot?: "on" | "off" | undefined;
  readonly hugepages?: "yes" | "no" | undefined;
  /** What besides its driver has a part of a device's BARs, by the names in `/proc/iomem`. */
  readonly windowUsers?: readonly string[] | undefined;
  /** What changed since it last worked; undefined where nothing can be compared. */
  readonly changed?: ReadonlySet<Knob> | undefined;
}

/**
 * The remedies that contradict nothing that is known, in their order, with the names put in. One that takes a change,
 * a parameter or a kind of card for granted is left out also where that is not known.
 */
export function chooseRemedies(
  remedies: readonly Remedy[],
  truths: HostTruths,
  named: Named,
): readonly { readonly text: string; readonly first: boolean }[] {
  return remedies
    .filter((remedy) => applies(remedy, truths))
    .map(({ text, first }) => ({ text: nameIn(text, named), first }));
}

/** What a remedy takes for granted when it speaks of it. */
const MUST_BE_KNOWN: ReadonlySet<string> = new Set<Condition>([
  ...(["board-vendor", "changed", "device", "driver", "loader", "module", "parameter"] as const),
  ...(["pre-boot-dma-protection", "window-user"] as const),
]);

/** Whether nothing that is known speaks against it. */
export function applies({ when }: Remedy, truths: HostTruths): boolean {
  return Object.entries(when).every(([condition, wanted]) => {
    const known = wanted.map((value) => holds(condition as Condition, value, truths));
    // Of several values one is enough, unless they say what must not be.
    const isDenied = wanted.every((value) => value.startsWith("!"));
    if (known.some((one) => one === true) && !isDenied) return true;
    if (MUST_BE_KNOWN.has(condition) && !isDenied) return false;
    return isDenied ? !known.includes(false) : known.includes(undefined);
  });
}

function holds(condition: Condition, value: string, truths: HostTruths): boolean | undefined {
  if (!value.startsWith("!")) return isSo(condition, value, truths);
  const so = isSo(condition, value.slice(1), truths);
  return so === undefined ? undefined : !so;
}

function isSo(condition: Condition, value: string, truths: HostTruths): boolean | undefined {
  switch (condition) {
    case "kernel":
      return truths.kernel === undefined ? undefined : isInRange(truths.kernel, value);
    case "kernel-option":
      return truths.kernelOptions?.get(value);
    case "device":
      return some(truths.devices, ({ id }) => fits(id, value));
    case "driver":
      return truths.devices?.some(({ driver }) => driver === undefined)
        ? undefined
        : some(truths.devices, ({ driver }) => driver === value);
    case "module":
      return truths.modules?.has(value);
    case "parameter":
      return truths.parameters?.some((word) => hasParameter(word, value));
    case "changed":
      return truths.changed?.has(value as Knob);
    case "cpu":
      return equals(truths.cpu, value);
    case "board-vendor":
      return truths.boardVendor === undefined ? undefined : isSameVendor(truths.boardVendor, value);
    case "system":
      return equals(truths.system, value);
    case "loader":
      return equals(truths.loader, value);
    case "pre-boot-dma-protection":
      return equals(truths.preBootDmaProtection, value);
    case "secure-boot":
      return equals(truths.secureBoot, value);
    case "hugepages":
      return equals(truths.hugepages, value);
    case "window-user":
      return truths.windowUsers?.some((name) => value === "*" || name === value);
  }
}

/** The kernel takes `-` and `_` for the same in names, and many parameters hold several values between commas. */
function hasParameter(word: string, wanted: string): boolean {
  const [name, value] = splitParameter(wanted);
  const [own, values] = splitParameter(word);
  if (own !== name) return false;
  return value === undefined || value.split(",").every((one) => values?.split(",").includes(one) === true);
}

function splitParameter(word: string): readonly [name: string, value: string | undefined] {
  const equals = word.indexOf("=");
  return equals < 0
    ? [word.replaceAll("-", "_"), undefined]
    : [word.slice(0, equals).replaceAll("-", "_"), word.slice(equals + 1)];
}

function some<T>(all: readonly T[] | undefined, test: (one: T) => boolean): boolean | undefined {
  return all === undefined || all.length === 0 ? undefined : all.some(test);
}

function equals(known: string | undefined, value: string): boolean | undefined {
  return known === undefined ? undefined : known.toLowerCase() === value.toLowerCase();
}

function fits(id: string, value: string): boolean {
  return value.endsWith("*") ? id.startsWith(value.slice(0, -1)) : id === value;
}

/** All that is advised for a cause, whatever the host: the signature's own remedies, the state check's, the class's. */
export function remediesFor(
  { signatures, advice }: Catalogue,
  cause: { readonly class: CauseClass; readonly signature: SignatureId },
): readonly Remedy[] {
  const ofClass = advice.get(cause.class);
  const own = signatures.find(({ id, class: named }) => id === cause.signature && named === cause.class);
  return own?.remedies ?? ofClass?.states[cause.signature] ?? ofClass?.remedies ?? [];
}
