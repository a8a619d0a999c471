/** One line of a boot menu. */
export interface BootEntry {
  readonly title: string;
  /** What it gives the kernel; undefined where it starts something else (another loader, a folder of entries). */
  readonly commandLine: string | undefined;
}

/** What a boot loader's configuration says. */
export interface BootConfiguration {
  readonly entries: readonly BootEntry[];
  /** Index of the entry that boots unattended; undefined where the file leaves it open. */
  readonly defaultIndex: number | undefined;
}

/** More entries than any menu has; what follows is not read. */
export const ENTRIES_LIMIT = 500;

/** Lines of a configuration file, trimmed, without those that are longer than any loader reads. */
export function configurationLines(text: string): readonly string[] {
  return text
    .split(/\r?\n/)
    .filter((line) => line.length <= 16 * 1024)
    .map((line) => line.trim());
}
