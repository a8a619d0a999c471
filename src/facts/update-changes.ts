import type { Change } from "../model/fact.ts";
import { textOf } from "./fact-value.ts";
import type { FactView } from "./presence.ts";
import { importanceOf, knownKey } from "./vocabulary.ts";

/** Several facts that one update changes: one of them leads, and says all that a reader wants to know of it. */
interface Update {
  /** The first of these that changed. */
  readonly leads: readonly string[];
  /** Whether another change says nothing more. */
  readonly takesAlong: (key: string) => boolean;
  readonly sentence: (older: FactView, newer: FactView) => string;
}

const UPDATES: readonly Update[] = [
  {
    leads: ["firmware.bios.version", "firmware.bios.date"],
    // Its tables have another hash each time; a demand, a fault or a protection that came with it is news of its own.
    takesAlong: (key) =>
      key.startsWith("firmware.bios.") ||
      key === "firmware.microcode" ||
      (key.startsWith("firmware-tables.") &&
        importanceOf(key) >= 4 &&
        knownKey(key)?.form.breaks === undefined),
    sentence(older, newer) {
      const [was, is] = [older, newer].map((view) => textOf(view.valueOf("firmware.bios.version")));
      const [from, to] = [older, newer].map(biosDate);
      if (was === is) return `BIOS ${was ?? "version unknown"}${from} → another build of it${to}`;
      return `BIOS ${was ?? "none"}${from} → ${is ?? "none"}${to}`;
    },
  },
  {
    leads: ["kernel.release", "kernel.build"],
    takesAlong: (key) => key === "kernel.build",
    sentence(older, newer) {
      const [was, is] = [older, newer].map((view) => textOf(view.valueOf("kernel.release")));
      return was === is
        ? `Kernel ${is ?? ""} → another build of it`.replace("  ", " ")
        : `Kernel ${was} → ${is}`;
    },
  },
];

const CARD_OF_A_VM = /^vm\.[^.]+\.card\./;

/** Puts the changes that came with an update into the one that names it. */
export function foldUpdates(changes: readonly Change[], older: FactView, newer: FactView): readonly Change[] {
  // That another card stands where a VM asks for one follows from its move, which is told.
  const isTold = changes.some(({ group }) => group === "pci");
  let rest = isTold ? changes.filter(({ key }) => !CARD_OF_A_VM.test(key)) : changes;
  for (const { leads, takesAlong, sentence } of UPDATES) {
    const lead = leads.map((key) => rest.find((change) => change.key === key)).find((found) => found);
    if (lead === undefined) continue;
    const also = rest.filter((change) => change !== lead && takesAlong(change.key));
    rest = rest
      .filter((change) => !also.includes(change))
      .map((change) =>
        change === lead
          ? { ...lead, sentence: sentence(older, newer), ...(also.length > 0 && { also }) }
          : change,
      );
  }
  return rest;
}

/** ` (2026-06-18)`; DMI writes the month first. */
function biosDate(view: FactView): string {
  const date = textOf(view.valueOf("firmware.bios.date"));
  return date === undefined ? "" : ` (${date.replace(/^(\d\d)\/(\d\d)\/(\d{4})$/, "$3-$1-$2")})`;
}
