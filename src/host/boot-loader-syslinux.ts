import { type BootConfiguration, configurationLines, ENTRIES_LIMIT } from "./boot-loader-entry.ts";

interface Label {
  readonly name: string;
  title: string;
  kernel: string | undefined;
  append: string | undefined;
}

const INCLUDE_DEPTH = 4;

/**
 * Reads the configuration of Syslinux, Isolinux or Extlinux. `include` gives the text of a file that an INCLUDE
 * line names. Keywords are in any case; `MENU DEFAULT` beats `DEFAULT`, which may also name the menu program.
 */
export function parseSyslinux(
  text: string,
  include: (file: string) => string | undefined = () => undefined,
): BootConfiguration {
  const labels: Label[] = [];
  let globalAppend = "";
  let defaultName: string | undefined;
  let menuDefault: number | undefined;
  const readLines = (source: string, depth: number) => {
    for (const line of configurationLines(source)) {
      const [keyword, rest] = splitWord(line);
      const label = labels.at(-1);
      switch (keyword.toLowerCase()) {
        case "include": {
          const more = depth < INCLUDE_DEPTH ? include(rest) : undefined;
          if (more !== undefined) readLines(more, depth + 1);
          break;
        }
        case "default":
        case "ontimeout":
          defaultName = rest;
          break;
        case "label":
          if (labels.length >= ENTRIES_LIMIT) return;
          labels.push({ name: rest, title: rest, kernel: undefined, append: undefined });
          break;
        case "kernel":
        case "linux":
          if (label !== undefined) label.kernel = rest;
          break;
        case "append":
          if (label === undefined) globalAppend = rest;
          else label.append = rest;
          break;
        case "menu": {
          const [what, value] = splitWord(rest);
          if (label === undefined) break;
          // A caret marks the hot key of a title.
          if (what.toLowerCase() === "label") label.title = value.replace("^", "");
          if (what.toLowerCase() === "default") menuDefault = labels.length - 1;
          break;
        }
      }
    }
  };
  readLines(text, 0);
  const named = labels.findIndex(({ name }) => name === defaultName?.trim());
  const first = labels.length > 0 ? 0 : undefined;
  return {
    entries: labels.map(({ title, kernel, append }) => ({
      title,
      // `APPEND -` cancels the global APPEND; a `.c32` is a program of the loader itself.
      commandLine:
        kernel === undefined || /\.c32$/i.test(kernel)
          ? undefined
          : append === "-"
            ? ""
            : (append ?? globalAppend),
    })),
    defaultIndex: menuDefault ?? (named >= 0 ? named : first),
  };
}

function splitWord(line: string): readonly [string, string] {
  const end = line.search(/\s/);
  return end < 0 ? [line, ""] : [line.slice(0, end), line.slice(end).trim()];
}
