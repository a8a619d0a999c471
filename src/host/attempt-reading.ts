import { type Reading, unreadable } from "../model/reading.ts";

/** What `readIt` reads. A bug in one reader must not take the others along: what it throws becomes "unreadable". */
export function attemptReading<T>(readIt: () => Reading<T>): Reading<T> {
  try {
    return readIt();
  } catch (error) {
    return unreadable(`reading failed: ${error instanceof Error ? error.message : error}`);
  }
}
