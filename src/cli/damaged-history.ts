import { damageOf } from "../store/database.ts";
import { StoreRefusal } from "../store/refusal.ts";
import type { CommandIo } from "./command.ts";
import { findSurroundings } from "./surroundings.ts";

/**
 * What is to be said of an error that a command met, where the history is to blame for it: the disk refused, or what
 * stands in the file is none that this program writes. Undefined for everything else, which is a fault of the program.
 */
export function whyDamaged(error: unknown, database: string | undefined, io: CommandIo): string | undefined {
  if (error instanceof StoreRefusal) return `${error.trouble.why} ${error.trouble.remedy}`;
  const damage = damageOf(findSurroundings(io.env, database).database);
  return damage && `${damage.why} ${damage.remedy}`;
}
