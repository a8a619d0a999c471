import { existsSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Makes a directory and those above it that are missing. One at a time, because Node's own recursive way goes round
 * for ever below `/proc`, where making one fails as if its parent were missing. Throws what the system says.
 */
export function makeDirectory(directory: string, mode: number): void {
  if (existsSync(directory)) return;
  const parent = dirname(directory);
  if (parent !== directory) makeDirectory(parent, mode);
  mkdirSync(directory, { mode });
}
