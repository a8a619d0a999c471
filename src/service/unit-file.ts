/** Directories that the unit hides from the service (ProtectHome, PrivateTmp). */
const HIDDEN = ["/home", "/root", "/run/user", "/tmp", "/var/tmp"];

/** The first line of a unit that this program wrote; only such a one is overwritten or removed. */
export const UNIT_MARK =
  "# Written by 'vfio-watch service install'; 'vfio-watch service uninstall' removes it.";

/**
 * The shipped unit with another command to start: `command` is a program and its arguments, as they are. Throws when
 * the unit has no ExecStart line.
 */
export function unitFor(shippedUnit: string, command: readonly string[]): string {
  const line = `ExecStart=${command.map(unitWord).join(" ")}`;
  if (!/^ExecStart=.*$/m.test(shippedUnit)) throw new Error("the shipped unit has no ExecStart");
  return `${UNIT_MARK}\n${shippedUnit.replace(/^ExecStart=.*$/m, () => line)}`;
}

/** Writes a word so that systemd reads it back as it is: quotes, backslashes, `%` specifiers and `$` variables. */
export function unitWord(word: string): string {
  const escaped = word
    .replace(/[\\"]/g, (character) => `\\${character}`)
    .replaceAll("%", "%%")
    .replaceAll("$", "$$$$");
  return `"${escaped}"`;
}

/** The paths that the service could not see from within the unit. */
export function hiddenPaths(paths: readonly string[]): readonly string[] {
  return paths.filter((path) => HIDDEN.some((directory) => `${path}/`.startsWith(`${directory}/`)));
}
