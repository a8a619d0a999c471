import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";

/** Waits for what another process does. Fails after twenty seconds or more. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  for (let round = 0; !condition(); round++) {
    assert.ok(round < 1_000, `it never came: ${what}`);
    await pause(20);
  }
}

/** Whether the process runs; one that has ended and that nobody has asked after yet (a zombie) does not. */
export function isAlive(pid: number): boolean {
  return pid > 0 && existsSync(`/proc/${pid}`) && !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
}
