import type { StartAttempt } from "../model/attempt.ts";
import type { ServiceLog } from "./log.ts";

/** Late evidence comes within minutes; so many attempts back nothing is announced again. */
const REMEMBERED = 100;

/** Makes what logs settled attempts: each once, and once more only when late evidence changes what is said of it. */
export function createSettledLog(log: Pick<ServiceLog, "info">): (attempt: StartAttempt) => void {
  const said = new Map<string, string>();
  return ({ id, vm, outcome, diagnosis }) => {
    const line = `start of '${vm}': ${outcome ?? "open"}${diagnosis === undefined ? "" : `. ${diagnosis.summary}`}`;
    if (said.get(id) === line) return;
    said.set(id, line);
    const [oldest] = said.keys();
    if (said.size > REMEMBERED && oldest !== undefined) said.delete(oldest);
    log.info(line);
  };
}
