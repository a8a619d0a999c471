import { type BootConfiguration, configurationLines, ENTRIES_LIMIT } from "./boot-loader-entry.ts";

interface Line {
  readonly title: string;
  readonly depth: number;
  readonly expanded: boolean;
  readonly keys: Map<string, string>;
}

const MACROS_LIMIT = 64;
const EXPANDED_LIMIT = 16 * 1024;

/**
 * Reads Limine's configuration in both of its forms: up to version 7 `:Entry` and `KEY=value` (limine.cfg), from
 * version 8 `/Entry` and `key: value` (limine.conf). More marks in front of a title go deeper, `+` shows a folder
 * opened, `${NAME}=text` is a macro.
 */
export function parseLimine(text: string): BootConfiguration {
  const lines: Line[] = [];
  const globals = new Map<string, string>();
  const macros = new Map<string, string>();
  for (const raw of configurationLines(text)) {
    const macro = /^\$\{([^}]{1,64})\}\s*=(.*)$/.exec(raw);
    if (macro?.[1] !== undefined) {
      if (macros.size < MACROS_LIMIT) macros.set(macro[1], expand((macro[2] ?? "").trim(), macros));
      continue;
    }
    if (raw === "" || raw.startsWith("#")) continue;
    const marks = /^(?:\/+|:+)/.exec(raw)?.[0];
    if (marks !== undefined) {
      if (lines.length >= ENTRIES_LIMIT) break;
      const rest = raw.slice(marks.length);
      lines.push({
        title: expand(rest.replace(/^\+/, ""), macros).trim(),
        depth: marks.length,
        expanded: rest.startsWith("+"),
        keys: new Map(),
      });
      continue;
    }
    const assignment = /^([A-Za-z0-9_]{1,64})\s*(?:=|:)\s*(.*)$/.exec(raw);
    const key = assignment?.[1]?.toLowerCase();
    if (key === undefined) continue;
    (lines.at(-1)?.keys ?? globals).set(key, expand(assignment?.[2] ?? "", macros));
    // Global keys may stand anywhere in the file, also below an entry.
    if (key === "default_entry") globals.set(key, assignment?.[2] ?? "");
  }
  const defaultLine = chooseDefault(lines, globals.get("default_entry") ?? "1");
  return {
    entries: lines.map((line, index) => ({
      title: line.title,
      commandLine: startsLinux(line) && !isFolder(lines, index) ? commandLine(line) : undefined,
    })),
    defaultIndex: defaultLine,
  };
}

function expand(text: string, macros: ReadonlyMap<string, string>): string {
  if (!text.includes("${")) return text;
  return text
    .replace(/\$\{([^}]{1,64})\}/g, (whole, name) => macros.get(name) ?? whole)
    .slice(0, EXPANDED_LIMIT);
}

function startsLinux(line: Line): boolean {
  const protocol = line.keys.get("protocol")?.trim().toLowerCase();
  return protocol === undefined || protocol === "" || protocol === "linux";
}

function commandLine(line: Line): string {
  return line.keys.get("cmdline") ?? line.keys.get("kernel_cmdline") ?? "";
}

function isFolder(lines: readonly Line[], index: number): boolean {
  return (lines[index + 1]?.depth ?? 0) > (lines[index]?.depth ?? 0);
}

/**
 * `default_entry` counts the lines of the menu from 1, opened folders with their content and closed ones without;
 * newer versions also take a title. A folder leads to its first entry.
 */
function chooseDefault(lines: readonly Line[], wanted: string): number | undefined {
  const visible: number[] = [];
  let closedAt = Number.POSITIVE_INFINITY;
  for (const [index, line] of lines.entries()) {
    if (line.depth > closedAt) continue;
    closedAt = isFolder(lines, index) && !line.expanded ? line.depth : Number.POSITIVE_INFINITY;
    visible.push(index);
  }
  const title = wanted.trim().split("/").at(-1);
  let chosen = /^\d{1,5}$/.test(wanted.trim())
    ? visible[Number(wanted.trim()) - 1]
    : lines.findIndex((line) => line.title === title);
  while (chosen !== undefined && chosen >= 0 && isFolder(lines, chosen)) chosen += 1;
  return chosen !== undefined && chosen >= 0 ? chosen : undefined;
}
