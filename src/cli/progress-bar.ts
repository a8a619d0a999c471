import { printable } from "../terminal-text.ts";
import { shortened, textWidth } from "../text-columns.ts";
import type { CommandIo } from "./command.ts";

const WIDTH = 20;
/** Moves to the beginning of the line, and clears it to its end (ECMA-48). */
const [HOME, CLEAR] = ["\r", "\u001b[K"];

/** How far something is, on standard error: one line that is written over on a terminal, else a line each. */
export interface ProgressBar {
  /** Takes `[2/7] what`, `[2/7] what: more 3 of 40` or `what 3 of 40`. */
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
      const [, place, places, rest = text] = /^\[(\d+)\/(\d+)\] (.*)$/s.exec(text) ?? [];
      const [, step, steps] = /(\d+) of (\d+)$/.exec(rest) ?? [];
      // What is told begins only now, so it is not yet done.
      const share = ((place === undefined ? 0 : Number(place) - 1) + done(step, steps)) / Number(places ?? 1);
      const full = Math.round(share * WIDTH);
      const bar = `[${"#".repeat(full)}${".".repeat(WIDTH - full)}] `;
      // Where not all of it fits, what moves is told, and not where it is from.
      const whole = printable(rest);
      const fits = textWidth(bar) + textWidth(whole) < columns;
      const said = fits ? whole : (whole.split(": ").at(-1) ?? whole);
      err(`${HOME}${shortened(`${bar}${said}`, columns - 1)}${CLEAR}`);
    },
    end: () => err(`${HOME}${CLEAR}`),
  };
}

/** How much of it is behind, from 0 to 1. */
function done(step: string | undefined, steps: string | undefined): number {
  return step === undefined || Number(steps) === 0 ? 0 : Math.min(1, (Number(step) - 1) / Number(steps));
}
