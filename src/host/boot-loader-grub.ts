import {
  type BootConfiguration,
  type BootEntry,
  configurationLines,
  ENTRIES_LIMIT,
} from "./boot-loader-entry.ts";

interface MenuLine {
  readonly title: string;
  readonly id: string | undefined;
  /** Position in its menu, by which `default` counts. */
  readonly path: string;
  readonly depth: number;
  commandLine: string | undefined;
  readonly submenu: boolean;
}

const QUOTED = /"((?:[^"\\]|\\.)*)"|'([^']*)'|(\S+)/;

/**
 * Reads a `grub.cfg`: menu entries in submenus, the `linux` line of each, and which one boots unattended.
 * `savedEntry` is `saved_entry` of grubenv, which `set default="${saved_entry}"` refers to. The file is a script;
 * only what grub-mkconfig and Unraid's generator write is understood, and variables in a `linux` line are dropped.
 */
export function parseGrub(text: string, savedEntry?: string): BootConfiguration {
  const lines: MenuLine[] = [];
  const open: (MenuLine | undefined)[] = [];
  const counters = [0];
  let wanted = "0";
  for (const line of configurationLines(text)) {
    const menu = /^(menuentry|submenu)\s+(.*)$/.exec(line);
    if (menu !== null) {
      if (lines.length >= ENTRIES_LIMIT) break;
      const depth = open.filter((entry) => entry?.submenu === true).length;
      const index = counters[depth] ?? 0;
      counters[depth] = index + 1;
      counters.length = depth + 1;
      const parent = open.findLast((entry) => entry?.submenu === true);
      const entry: MenuLine = {
        title: firstWord(menu[2] ?? ""),
        id: entryId(menu[2] ?? ""),
        path: parent === undefined ? `${index}` : `${parent.path}>${index}`,
        depth,
        commandLine: undefined,
        submenu: menu[1] === "submenu",
      };
      lines.push(entry);
      open.push(entry);
    } else if (/^(?:function\b.*)?\{$|^function\b.*\{$/.test(line)) {
      open.push(undefined);
    } else if (line === "}") {
      open.pop();
    } else {
      const linux = /^linux(?:16|efi)?\s+(.*)$/.exec(line);
      const entry = open.at(-1);
      if (linux !== null && entry !== undefined) entry.commandLine = kernelWords(linux[1] ?? "");
      const set = /^set\s+default=(.*)$/.exec(line);
      if (set !== null) wanted = defaultWord(firstWord(set[1] ?? ""), wanted, savedEntry);
    }
  }
  const bootable = lines.filter(({ submenu }) => !submenu);
  const chosen = chooseLine(lines, wanted);
  const defaultIndex = chosen === undefined ? -1 : bootable.indexOf(chosen);
  return {
    entries: bootable.map(({ title, commandLine }): BootEntry => ({ title, commandLine })),
    defaultIndex: defaultIndex >= 0 ? defaultIndex : undefined,
  };
}

function firstWord(text: string): string {
  const match = QUOTED.exec(text);
  return match?.[1]?.replace(/\\(.)/g, "$1") ?? match?.[2] ?? match?.[3] ?? "";
}

function entryId(text: string): string | undefined {
  // grub-mkconfig writes `$menuentry_id_option 'gnulinux-simple-…'`, which stands for `--id`.
  const at = /(?:--id(?:=|\s+)|\$menuentry_id_option\s+)/.exec(text);
  return at === null ? undefined : firstWord(text.slice(at.index + at[0].length));
}

/** A `default` that is a variable: `saved_entry` is known from grubenv, `next_entry` only counts for one boot. */
function defaultWord(word: string, before: string, savedEntry: string | undefined): string {
  if (!word.startsWith("$")) return word === "" ? "0" : word;
  return word.includes("saved_entry") ? (savedEntry ?? "0") : before;
}

/** Without the kernel's path and without words that are GRUB variables, whose values are not in the file. */
function kernelWords(rest: string): string {
  const words = rest.split(/\s+/).slice(1);
  return words.filter((word) => !word.startsWith("$")).join(" ");
}

function chooseLine(lines: readonly MenuLine[], wanted: string): MenuLine | undefined {
  const parts = wanted.split(">");
  let within: readonly MenuLine[] = lines.filter(({ depth }) => depth === 0);
  let chosen: MenuLine | undefined;
  for (const part of parts) {
    const next: MenuLine | undefined =
      within.find(({ id, title }) => id === part || title === part) ??
      (/^\d{1,4}$/.test(part) ? within[Number(part)] : undefined);
    if (next === undefined) return undefined;
    chosen = next;
    const below = next.path;
    within = lines.filter(({ path, depth }) => depth === next.depth + 1 && path.startsWith(`${below}>`));
  }
  // A default that names a submenu opens it at its first entry.
  return chosen?.submenu === true ? within.find(({ submenu }) => !submenu) : chosen;
}

/** `saved_entry` of a grubenv block; undefined where it has none. */
export function savedGrubEntry(environment: string): string | undefined {
  return /^saved_entry=(.+)$/m.exec(environment)?.[1]?.trim();
}

/**
 * Parameters that `/etc/default/grub` adds to every kernel once grub-mkconfig has run: `GRUB_CMDLINE_LINUX` and
 * `GRUB_CMDLINE_LINUX_DEFAULT`. The file is a shell script; plain and `+=` assignments are understood.
 */
export function parseGrubDefaults(text: string): string {
  const values = new Map<string, string>();
  for (const line of configurationLines(text)) {
    const assignment = /^(?:export\s+)?(GRUB_CMDLINE_LINUX(?:_DEFAULT)?)(\+?)=(.*)$/.exec(line);
    const name = assignment?.[1];
    if (assignment === null || name === undefined) continue;
    const value = firstWord(assignment[3] ?? "").replace(
      /\$\{?GRUB_CMDLINE_LINUX(?:_DEFAULT)?\}?/g,
      (self) => values.get(self.replace(/[${}]/g, "")) ?? "",
    );
    values.set(name, assignment[2] === "+" ? `${values.get(name) ?? ""}${value}` : value);
  }
  const both = [values.get("GRUB_CMDLINE_LINUX"), values.get("GRUB_CMDLINE_LINUX_DEFAULT")];
  return both
    .filter((value) => value !== undefined && value.trim() !== "")
    .map((value) => value?.trim())
    .join(" ");
}
