import { areBounds, isWithin } from "./bios-version.ts";

/** AMD's part of a BIOS, which vendors build into theirs: what their version names cannot be compared by. */
export interface Agesa {
  /** In small letters without signs and without the trailing "pi": `comboam5`. */
  readonly family: string;
  /** For comparing: four numbers, the letter of a build, the letter of a patch. */
  readonly parts: readonly number[];
}

/** The parts of a name like `ComboAm5PI 1.2.0.3a Patch A`; undefined for what is none. */
export function parseAgesa(text: string): Agesa | undefined {
  const found =
    /^(.*?)(?<![a-z0-9.])(\d+)\.(\d+)\.(\d+)\.(\d+|[A-F])([a-z])?(?:[ _]*patch[ _]?([a-z]))?(?![a-z0-9])/i.exec(
      text.trim(),
    );
  if (found === null) return undefined;
  const [, family = "", first, second, third, fourth = "", build = "", patch = ""] = found;
  const last = /^\d+$/.test(fourth) ? Number(fourth) : Number.parseInt(fourth, 16);
  return {
    family: familyOf(family),
    parts: [Number(first), Number(second), Number(third), last, letterOf(build), letterOf(patch)],
  };
}

/** Vendors write one family in several ways: ComboAM5PI, Combo-AM4, AGESA ComboAM4v2, AM4 Combo V2 PI, ComboV2PI. */
function familyOf(text: string): string {
  const name = text
    .toLowerCase()
    .replace(/agesa(?:!v\d+)?/, "")
    .replace(/[^a-z0-9]/g, "")
    .replace(/pi(?=$|fp|fl|sp|am)/, "");
  if (!name.includes("combo")) return name;
  // The second is AM4's alone.
  const second = name.includes("v2") ? "v2" : "";
  const [socket = second === "" ? "" : "am4"] = /am\d/.exec(name) ?? [];
  return `combo${socket}${second}`;
}

function letterOf(letter: string): number {
  return letter === "" ? 0 : letter.toLowerCase().charCodeAt(0) - 96;
}

/**
 * Below 0 where the first is older, 0 where they are the same; undefined where they are of different families, or of one
 * that is not said: each socket has a 1.0.0.6 of its own.
 */
export function compareAgesa(one: Agesa, other: Agesa): number | undefined {
  if (one.family !== other.family || one.family === "") return undefined;
  for (const [place, part] of one.parts.entries()) {
    const difference = part - (other.parts[place] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Whether two names are one AGESA. */
export function isSameAgesa(one: string, other: string): boolean {
  const [left, right] = [parseAgesa(one), parseAgesa(other)];
  return left !== undefined && right !== undefined && compareAgesa(left, right) === 0;
}

/** Whether an AGESA is what a record says: `ComboAM4 1.0.0.3`, or a family with bounds, `ComboAM4 >=0.0.7.2 <1.0.0.4`. */
export function fitsAgesa(wanted: string, agesa: string): boolean {
  const bounds = boundsOf(wanted);
  if (bounds === undefined) return isSameAgesa(wanted, agesa);
  const own = parseAgesa(agesa);
  return (
    own !== undefined &&
    isWithin(bounds.text, (bound) => {
      const limit = parseAgesa(`${bounds.family} ${bound}`);
      const order = limit === undefined ? undefined : compareAgesa(own, limit);
      // Of another family no bound is met, neither an upper nor a lower one.
      return order ?? Number.NaN;
    })
  );
}

/** Whether a record's AGESA can be understood. */
export function isAgesaCondition(text: string): boolean {
  const bounds = boundsOf(text);
  return bounds === undefined ? parseAgesa(text) !== undefined : areBounds(bounds.text);
}

function boundsOf(text: string): { readonly family: string; readonly text: string } | undefined {
  const [, family, bounds] = /^([^<>]+?) ([<>].*)$/.exec(text) ?? [];
  return family === undefined || bounds === undefined ? undefined : { family, text: bounds };
}
