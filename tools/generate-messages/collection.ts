import { normalForms } from "./normal-form.ts";
import type { PrintedFormat } from "./printed-format.ts";

interface Place {
  readonly path: string;
  readonly function: string;
}

interface Entry {
  readonly severity: PrintedFormat["severity"];
  /** Where the newest version that has it prints it; several places may say the same words. */
  places: Place[];
  /** Numbers of the versions that print it. */
  readonly versions: Set<number>;
}

interface ProgramEntries {
  readonly versions: string[];
  readonly entries: Map<string, Entry>;
  tooGeneral: number;
}

/** What was found in all trees, the same message of several places and versions once. */
export interface Collection {
  /** The versions of a program have to come in their order. */
  add(program: string, version: string, path: string, format: PrintedFormat): void;
  /** The data file. */
  text(): string;
  /** What a person who runs the tool wants to know. */
  summary(): readonly string[];
}

const LETTERS: Readonly<Record<PrintedFormat["severity"], string>> = { error: "E", warning: "W", info: "I" };

/** Makes an empty collection. */
export function collect(): Collection {
  const programs = new Map<string, ProgramEntries>();

  function entriesOf(program: string): ProgramEntries {
    const known = programs.get(program) ?? { versions: [], entries: new Map<string, Entry>(), tooGeneral: 0 };
    programs.set(program, known);
    return known;
  }

  return {
    add(program, version, path, format) {
      const known = entriesOf(program);
      if (!known.versions.includes(version)) known.versions.push(version);
      const number = known.versions.indexOf(version);
      const place = { path, function: format.function };
      const forms = normalForms(format);
      if (forms.length === 0) known.tooGeneral++;
      for (const text of forms) {
        const same = known.entries.get(text);
        if (same === undefined)
          known.entries.set(text, {
            severity: format.severity,
            places: [place],
            versions: new Set([number]),
          });
        else if (same.versions.has(number)) same.places.push(place);
        else {
          // A file that was moved between two versions is the same speaker: the newest place is told.
          same.versions.add(number);
          same.places = [place];
        }
      }
    },
    text: () =>
      [...programs]
        .map(([program, { versions, entries }]) => programText(program, versions, entries))
        .join(""),
    summary: () =>
      [...programs].map(([program, { versions, entries, tooGeneral }]) => {
        const count = (severity: PrintedFormat["severity"]) =>
          [...entries.values()].filter((entry) => entry.severity === severity).length;
        return `${program} ${versions.join(", ")}: ${entries.size} formats (${count("error")} errors, ${count("warning")} warnings, ${count("info")} notes), ${tooGeneral} too general`;
      }),
  };
}

function programText(
  program: string,
  versions: readonly string[],
  entries: ReadonlyMap<string, Entry>,
): string {
  const lines = [`= ${program} ${versions.join(" ")}`];
  const placed = [...entries]
    .map(([text, entry]) => ({ text, entry, place: placeOf(entry.places) }))
    .sort(
      (a, b) =>
        compare(a.place.path, b.place.path) ||
        compare(a.place.function, b.place.function) ||
        compare(a.text, b.text),
    );
  let before: Place = { path: "", function: "" };
  for (const { text, entry, place } of placed) {
    const isNewPath = place.path !== before.path || lines.length === 1;
    if (isNewPath) lines.push(`@ ${place.path}`);
    if (isNewPath || place.function !== before.function) lines.push(`: ${place.function}`);
    before = place;
    const mask = [...entry.versions].reduce((sum, number) => sum | (1 << number), 0);
    const everywhere = mask === (1 << versions.length) - 1;
    lines.push(`${LETTERS[entry.severity]}${everywhere ? "" : mask.toString(16)} ${text}`);
  }
  return `${lines.join("\n")}\n`;
}

/** Of what several places say, only what they have in common is known. */
function placeOf(places: readonly Place[]): Place {
  const [first] = places;
  if (first === undefined) return { path: "", function: "" };
  if (places.every(({ path }) => path === first.path))
    return {
      path: first.path,
      function: places.every((other) => other.function === first.function) ? first.function : "",
    };
  const parts = places.map(({ path }) => path.split("/"));
  const shared = (parts[0] ?? []).findIndex((part, index) => parts.some((other) => other[index] !== part));
  return {
    path: (parts[0] ?? [])
      .slice(0, shared)
      .map((part) => `${part}/`)
      .join(""),
    function: "",
  };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
