import { type BootConfiguration, type BootEntry, configurationLines } from "./boot-loader-entry.ts";

/**
 * Reads one Boot Loader Specification entry (`loader/entries/NAME.conf`). Repeated `options` add up; a word that is
 * a GRUB variable (`$kernelopts`) is dropped, since its value stands elsewhere.
 */
function parseLoaderEntry(name: string, text: string): BootEntry {
  let title = name;
  let linux = false;
  const options: string[] = [];
  for (const line of configurationLines(text)) {
    const [key, rest] = /^(\S+)\s+(.*)$/.exec(line)?.slice(1) ?? [];
    if (key === "title") title = rest ?? name;
    if (key === "linux" || key === "uki") linux = true;
    if (key === "options") options.push(rest ?? "");
  }
  const words = options.join(" ").split(/\s+/);
  return { title, commandLine: linux ? words.filter((word) => !word.startsWith("$")).join(" ") : undefined };
}

/**
 * Puts systemd-boot's entries (file name and text) and `loader.conf` together. `selected` is the EFI variable
 * LoaderEntrySelected, which names the entry that booted and beats the pattern in the file.
 */
export function parseSystemdBoot(
  loader: string,
  entries: readonly { readonly file: string; readonly text: string }[],
  selected?: string,
): BootConfiguration {
  const pattern = selected ?? /^default\s+(\S+)/m.exec(loader)?.[1];
  // systemd-boot shows newer versions first; without a default the first shown one boots, which only it can tell.
  const matching = entries.findIndex(({ file }) => pattern !== undefined && matches(pattern, file));
  return {
    entries: entries.map(({ file, text }) => parseLoaderEntry(file.replace(/\.conf$/, ""), text)),
    defaultIndex: matching >= 0 ? matching : entries.length === 1 ? 0 : undefined,
  };
}

/** A file name pattern with `*`, in any case, with or without `.conf`; compared piece by piece, never as a regexp. */
function matches(pattern: string, file: string): boolean {
  const pieces = pattern
    .toLowerCase()
    .replace(/\.conf$/, "")
    .split("*");
  const name = file
    .toLowerCase()
    .replace(/\.conf$/, "")
    .replace(/\+\d+(?:-\d+)?$/, "");
  const first = pieces[0] ?? "";
  if (pieces.length === 1) return name === first;
  const last = pieces.at(-1) ?? "";
  if (!name.startsWith(first) || !name.endsWith(last) || name.length < first.length + last.length)
    return false;
  let at = first.length;
  for (const piece of pieces.slice(1, -1)) {
    const found = name.indexOf(piece, at);
    if (found < 0 || found + piece.length > name.length - last.length) return false;
    at = found + piece.length;
  }
  return true;
}
