import { createLiteralScanner } from "../diagnosis/literal-scanner.ts";
import type { Matcher } from "../diagnosis/matcher.ts";
import type { OrdinaryFilter, TextFilter } from "../sources/kernel-log/record-teller.ts";

/** Stands in all that either driver says of it (see `remappingInKernelLog`). */
const REMAPPING = "remapping";

/** Whether the kernel tells of interrupt remapping by this text; sysfs does not show it on every host. */
export function tellsOfRemapping(text: string): boolean {
  return text.includes(REMAPPING);
}

/** Chooses the kernel texts that become observations. */
export interface KernelTextFilter {
  /** Whether anything may ever be asked about a text. */
  readonly worthTelling: TextFilter;
  /** Finds out for most texts, before they are strings, that it says no. Absent where the catalogue does not allow it. */
  readonly isOrdinary?: OrdinaryFilter;
}

/** Makes the filter: what a signature knows is told, and what facts are made of. */
export function createKernelTextFilter(matcher: Matcher): KernelTextFilter {
  const worthTelling = (text: string) => tellsOfRemapping(text) || matcher.knows("kernel", text);
  const words = matcher.words("kernel");
  if (words === undefined) return { worthTelling };
  const scanner = createLiteralScanner([...words, REMAPPING]);
  return { worthTelling, isOrdinary: (bytes, from, to) => !scanner.standsIn(bytes, from, to) };
}

/** Counts each text that is judged; the few of which the bytes were not enough count twice. */
export function countedTexts(filter: KernelTextFilter, lineRead: () => void): KernelTextFilter {
  const { worthTelling, isOrdinary } = filter;
  return {
    worthTelling(text) {
      lineRead();
      return worthTelling(text);
    },
    ...(isOrdinary !== undefined && {
      isOrdinary(bytes: Uint8Array, from: number, to: number) {
        lineRead();
        return isOrdinary(bytes, from, to);
      },
    }),
  };
}
