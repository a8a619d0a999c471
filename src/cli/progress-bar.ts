import { printable } from "../terminal-text.ts";
import { shortened } from "../text-columns.ts";
import type { CommandIo } from "./command.ts";

const WIDTH = 20;
/** Moves to the beginning of the line, and clears it to its end (ECMA-48). */
const [HOME, CLEAR] = ["\r", "\u001b[K"];

/** How far something is, on standard error: one line that is written over on a terminal, else a line each. */
export interface ProgressBar {
  /** Takes `[2/7] what: more` or `what 3 of 40`. */
  tell(text: string): void;
  /** Leaves the terminal as it was. */
  end(): void;
}

/** Makes the bar. */
export function createProgressBar({ err, errIsTerminal, columns }: CommandIo): ProgressBar {
  if (errIsTerminal !== true)
    return { tell: (text) => err(`vfio-watch: ${printable(text)}\n`), end: () => {} };
  return {
    tell(text) {
      const [, done, all, rest = text] =
        /^\[(\d+)\/(\d+)\] (.*)$/s.exec(text) ?? /^(?=.*?(\d+) of (\d+)$)(.*)$/s.exec(text) ?? [];
      const share = all === undefined || Number(all) === 0 ? 0 : Math.min(1, Number(done) / Number(all));
      const full = Math.round(share * WIDTH);
      const bar = `[${"#".repeat(full)}${".".repeat(WIDTH - full)}] `;
      err(`${HOME}${shortened(`${bar}${printable(rest)}`, columns - 1)}${CLEAR}`);
    },
    end: () => err(`${HOME}${CLEAR}`),
  };
}
