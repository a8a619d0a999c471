import { createHash } from "node:crypto";
import type { HostPaths } from "../host-paths.ts";
import { valueOr } from "../model/reading.ts";
import { readDmi } from "./firmware.ts";
import { createHostMemory } from "./host-memory.ts";
import { readValue } from "./read-file.ts";

/** Which machine it is, as far as that can be read. */
export interface Machine {
  /** Name of the board, as SMBIOS has it. */
  readonly board: string | undefined;
  /** Of this one machine alone: a hash, since the numbers themselves are nobody else's business. */
  readonly id: string | undefined;
}

/** Numbers that whole series of boards have, because nobody gave them one of their own. */
const NO_NUMBER = /^(?:(.)\1*|03000200-0400-0500-0006-000700080009|12345678.*)$/;

/** Reads which machine this is; the numbers need root. */
export function readMachine(paths: HostPaths): Machine {
  const uuid = valueOr(readValue(paths.at("/sys/class/dmi/id/product_uuid")), "");
  const isOwn = uuid !== "" && !NO_NUMBER.test(uuid.replaceAll("-", "")) && !NO_NUMBER.test(uuid);
  return {
    board: valueOr(readDmi(paths, createHostMemory(), "board.name"), undefined),
    id: isOwn
      ? createHash("sha256").update(`vfio-watch machine ${uuid}`).digest("hex").slice(0, 16)
      : undefined,
  };
}
