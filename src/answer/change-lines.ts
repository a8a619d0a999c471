import { textOf } from "../facts/fact-value.ts";
import { roleOf } from "../facts/vocabulary.ts";
import { type CauseClass, KNOBS, type Knob } from "../model/catalogue.ts";
import type { Change } from "../model/fact.ts";

/** One thing that changed, with what followed from it. */
export interface ChangeLine {
  /** What a person or an update changed; undefined for what is known by its consequences alone. */
  readonly knob: Knob | undefined;
  readonly sentence: string;
  /** Facts that changed with it because of it, the most telling first. */
  readonly consequences: readonly string[];
  /** It had not changed yet when the VM failed the time before. */
  readonly isNew: boolean;
  /** How likely it is what broke it, 0 to 1; undefined where the history does not tell. */
  readonly probability: number | undefined;
  /** The facts themselves, the one that speaks for them first. */
  readonly changes: readonly Change[];
}

/** A change as the history suspects it. */
export interface SuspectShare {
  /** Keys of its facts. */
  readonly keys: ReadonlySet<string>;
  readonly probability: number;
}

/** Facts that speak for all others of their knob. */
const SPEAKERS =
  /^(?:firmware\.bios\.version|software\.os\.version|vm\.[^.]+\.devices|pci\.[^.]+(?:\.address)?)$/;
/** What shows the working of the change best: the demand for memory, then who is in the group. */
const TELLING = [
  /^iommu\.group\.[^.]+\.direct$/,
  /^firmware-tables\.\w+\.(?:ivmd|rmrr)/,
  /^iommu\.group\.[^.]+\.members$/,
];

/** Puts changes in lines: the likeliest first, an update is one, and what follows from a change stands with it. */
export function changeLines(options: {
  readonly changes: readonly Change[];
  /** Whether a fact can matter for the VM. */
  readonly matters: (key: string) => boolean;
  readonly suspects: readonly SuspectShare[];
  readonly newKeys: ReadonlySet<string> | undefined;
  /** Knobs that can have brought the failure, the most plausible first. */
  readonly plausible: readonly Knob[];
}): { readonly lines: readonly ChangeLine[]; readonly bystanders: number } {
  const { changes, matters, suspects, newKeys, plausible } = options;
  const telling = changes.filter(({ key }) => matters(key) && roleOf(key) !== "bystander");
  const families = new Map<string, Change[]>();
  const following: Change[] = [];
  for (const change of telling) {
    const family = familyOf(change);
    if (family === undefined) following.push(change);
    else families.set(family, [...(families.get(family) ?? []), change]);
  }
  const roots = [...families.values()]
    .map((all) => lineOf(all, suspects))
    .sort((a, b) => compare(a, b, plausible));
  const below = new Map<ChangeLine, Change[]>();
  const alone: ChangeLine[] = [];
  for (const change of following.toSorted((a, b) => tellingRank(a) - tellingRank(b))) {
    const root = roots.find(({ knob }) => knob !== undefined && followsFrom(change.key).includes(knob));
    if (root === undefined) alone.push(lineOf([change], suspects));
    else below.set(root, [...(below.get(root) ?? []), change]);
  }
  const lines = [...roots, ...alone].map((line): ChangeLine => {
    const consequences = below.get(line) ?? [];
    const all = [...line.changes, ...consequences];
    return {
      ...line,
      probability: shareOf(all, suspects),
      isNew: newKeys !== undefined && line.changes.some(({ key }) => newKeys.has(key)),
      consequences: [...consequences, ...line.changes.slice(1)].map(({ sentence }) => sentence),
      changes: all,
    };
  });
  return {
    lines: lines.sort((a, b) => compare(a, b, plausible)),
    bystanders: changes.length - telling.length,
  };
}

/** What is one change for a person; undefined for what follows from another. */
function familyOf({ key, before, after }: Change): string | undefined {
  const role = roleOf(key);
  if (role === "bystander" || !("knob" in role)) return undefined;
  switch (role.knob) {
    case "kernel parameter":
    case "module option":
    case "plugin":
    case "BIOS setting":
      return key;
    case "card in its slot": {
      // The functions of one card come, go and move together.
      const [place] = [after, before].flatMap((value) => textOf(value) ?? []);
      return `card ${/[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}(?=\.[0-7])/.exec(place ?? "")?.[0] ?? key}`;
    }
    default:
      return role.knob;
  }
}

function followsFrom(key: string): readonly Knob[] {
  const role = roleOf(key);
  return role === "bystander" || !("follows" in role) ? [] : role.follows;
}

function lineOf(changes: readonly Change[], suspects: readonly SuspectShare[]): ChangeLine {
  const ordered = changes.toSorted((a, b) => Number(SPEAKERS.test(b.key)) - Number(SPEAKERS.test(a.key)));
  const role = roleOf(ordered[0]?.key ?? "");
  return {
    knob: role !== "bystander" && "knob" in role ? role.knob : undefined,
    sentence: ordered[0]?.sentence ?? "",
    consequences: [],
    isNew: false,
    probability: shareOf(ordered, suspects),
    changes: ordered,
  };
}

function shareOf(changes: readonly Change[], suspects: readonly SuspectShare[]): number | undefined {
  const shares = suspects.filter(({ keys }) => changes.some(({ key }) => keys.has(key)));
  return shares.length === 0 ? undefined : Math.max(...shares.map(({ probability }) => probability));
}

function compare(a: ChangeLine, b: ChangeLine, plausible: readonly Knob[]): number {
  return (
    (b.probability ?? 0) - (a.probability ?? 0) ||
    rankOf(a.knob, plausible) - rankOf(b.knob, plausible) ||
    rankOf(a.knob, KNOBS) - rankOf(b.knob, KNOBS)
  );
}

function rankOf(knob: Knob | undefined, order: readonly Knob[]): number {
  const rank = knob === undefined ? -1 : order.indexOf(knob);
  return rank < 0 ? order.length : rank;
}

function tellingRank({ key }: Change): number {
  const rank = TELLING.findIndex((pattern) => pattern.test(key));
  return rank < 0 ? TELLING.length : rank;
}

/** What another VM, a shared group or a driver has brought no BIOS version heals. */
export const NEVER_BY_BIOS: ReadonlySet<CauseClass> = new Set([
  "device-busy",
  "group-not-viable",
  "driver-binding",
]);
