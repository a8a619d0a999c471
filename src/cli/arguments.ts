import { UsageError } from "./command.ts";

/** Reads a positive whole number. Throws `UsageError` for anything else. */
export function parseCount(text: string, option: string): number {
  if (!/^[1-9]\d{0,6}$/.test(text))
    throw new UsageError(`--${option} takes a whole number from 1, not '${text}'`);
  return Number(text);
}
