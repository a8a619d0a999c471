import { ERRNO_TEXTS } from "./errno.ts";
import { allowLinearEngine } from "./linear-engine.ts";

/** The longest pattern that is accepted, in characters. */
const LONGEST_PATTERN = 1000;

/**
 * Abbreviations that a pattern in a catalogue file may use. They keep the files readable and make every
 * signature name what it finds in the same way.
 */
const ADDRESS = "(?:[0-9a-f]{4,8}:)?[0-9a-f]{2}:[01][0-9a-f]\\.[0-7]";
const ABBREVIATIONS: ReadonlyMap<string, string> = new Map([
  // A PCI address; people and old QEMU leave the domain out.
  ["bdf", `(?<bdf>${ADDRESS})`],
  // The same where the words around it say enough: people also write `<BDF>`, `XX:XX.X` or what they like there.
  ["address", `(?:(?<bdf>${ADDRESS})|[^ ,'"\\n]+)`],
  ["group", "(?<group>[0-9]{1,6})"],
  // What the kernel puts in front, if it does: `driver address: `; the bus stands for a driver while none is bound.
  ["device", `(?:(?<driver>[A-Za-z][A-Za-z0-9_-]*) (?<bdf>${ADDRESS}): )?`],
  // The same where only a device that is given to user space is meant. People quote the bare message; the kernel itself
  // never leaves its device out.
  ["vfio-device", `(?:^|(?<driver>vfio-pci|vfio|[a-z0-9]+[-_]vfio[-_]pci) (?<bdf>${ADDRESS}): )`],
  // What QEMU puts in front, if it does: `vfio ADDRESS: `, before 3.0 `vfio error: ADDRESS: `, before 2.7 `vfio: `;
  // the path in sysfs or a mediated device's UUID may stand for the address.
  ["vfio", `(?:vfio(?: error)?:? (?:[^ ]*/)?(?:(?<bdf>${ADDRESS})|[0-9a-f]+-[0-9a-f-]+|error)?(?:: |, )?)?`],
  ["errno", `(?<errno>${ERRNO_TEXTS.join("|")})`],
]);

/** Writes out the abbreviations (`{{bdf}}`) of a pattern; an unknown one is an Error. */
export function expandPattern(source: string): string {
  return source.replace(/\{\{([a-z-]+)\}\}/g, (_, name: string) => {
    const expansion = ABBREVIATIONS.get(name);
    if (expansion === undefined) {
      throw new Error(`{{${name}}} is unknown; there are {{${[...ABBREVIATIONS.keys()].join("}}, {{")}}}`);
    }
    return expansion;
  });
}

/**
 * Says why a pattern (written out) is not accepted, undefined where it is. Look-around and back-references
 * are refused because no engine that runs in linear time knows them: with one, a rule could hang the daemon.
 */
export function faultOfPattern(source: string): string | undefined {
  if (source.length > LONGEST_PATTERN) return `the pattern has more than ${LONGEST_PATTERN} characters`;
  const forbidden = forbiddenConstruct(source);
  if (forbidden !== undefined) return `${forbidden} is not allowed in a pattern`;
  allowLinearEngine();
  try {
    if (new RegExp(source, "m").test("")) return "the pattern fits an empty line, so it would fit everything";
  } catch (error) {
    return `not a regular expression: ${error instanceof Error ? error.message : String(error)}`;
  }
  return runsInLinearTime(source)
    ? undefined
    : "repetitions like {0,200}, or nested ones, are too large: use * or +";
}

/** V8's linear engine says itself which patterns it can run. */
function runsInLinearTime(source: string): boolean {
  try {
    return new RegExp(source, "ml") instanceof RegExp;
  } catch {
    return false;
  }
}

function forbiddenConstruct(source: string): string | undefined {
  let inClass = false;
  for (let index = 0; index < source.length; index++) {
    const character = source[index];
    if (character === "\\") {
      const escaped = source[++index] ?? "";
      if (!inClass && /[1-9]/.test(escaped)) return `the back-reference \\${escaped}`;
      if (!inClass && escaped === "k") return "the back-reference \\k";
    } else if (character === "[") {
      inClass = true;
    } else if (character === "]") {
      inClass = false;
    } else if (character === "(" && !inClass) {
      const around = /^\((?:\?[=!]|\?<[=!])/.exec(source.slice(index, index + 4));
      if (around !== null) return `look-around ${around[0]}…)`;
    }
  }
  return undefined;
}
