import { createHash } from "node:crypto";
import type { HostPaths } from "../host-paths.ts";
import { valueOr } from "../model/reading.ts";
import { readDmi } from "./firmware.ts";
import { createHostMemory } from "./host-memory.ts";
import { readLink, readNames, readValue } from "./read-file.ts";

/** Which machine it is, as far as that can be read. */
export interface Machine {
  /** Name of the board, as SMBIOS has it. */
  readonly board: string | undefined;
  /** It has no SMBIOS, as small virtual machines and most boards without x86: a machine with a board is another one. */
  readonly isNameless?: true;
  /** Of this one machine alone: a hash, since the numbers themselves are nobody else's business. */
  readonly id: string | undefined;
  /** Its network cards, hashed likewise: what tells two machines of one board apart in logs, which hold no number. */
  readonly cards: readonly string[];
}

/** Numbers that whole series of boards have, because nobody gave them one of their own. */
const NO_NUMBER = /^(?:(.)\1*|03000200-0400-0500-0006-000700080009|12345678.*)$/;

/** Reads which machine this is; the numbers need root. */
export function readMachine(paths: HostPaths): Machine {
  const uuid = valueOr(readValue(paths.at("/sys/class/dmi/id/product_uuid")), "");
  const isOwn = uuid !== "" && !NO_NUMBER.test(uuid.replaceAll("-", "")) && !NO_NUMBER.test(uuid);
  return {
    board: valueOr(readDmi(paths, createHostMemory(), "board.name"), undefined),
    id: isOwn ? hashed(uuid) : undefined,
    cards: readCards(paths),
    ...(hasNoSmbios(paths) && { isNameless: true }),
  };
}

function hasNoSmbios(paths: HostPaths): boolean {
  const classes = readNames(paths.at("/sys/class"));
  return classes.state === "read" && classes.value.length > 0 && !classes.value.includes("dmi");
}

const NET = "/sys/class/net";

/** Of the interfaces that have a device behind them. */
function readCards(paths: HostPaths): readonly string[] {
  return valueOr(readNames(paths.at(NET)), [])
    .filter((name) => readLink(paths.at(`${NET}/${name}/device`)).state === "read")
    .flatMap((name) => cardOf(valueOr(readValue(paths.at(`${NET}/${name}/address`)), "")) ?? []);
}

/**
 * What the kernel says of a network card at boot, as most drivers do: `r8169 0000:03:00.0 eth0: RTL8125B,
 * 04:7c:16:00:00:01, XID 641`, `e1000e 0000:00:1f.6 eth0: (PCI Express:2.5GT/s:Width x1) 04:…`.
 */
export const CARD_LINE =
  /^\S{1,32} [0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7][ :].{0,160}?[ ,=]((?:[0-9a-f]{2}:){5}[0-9a-f]{2})(?:[ ,]|$)/;

/** The network cards that a boot's kernel lines name. */
export function cardsInKernelLines(lines: readonly string[]): readonly string[] {
  return [...new Set(lines.flatMap((line) => cardOf(CARD_LINE.exec(line)?.[1] ?? "") ?? []))];
}

/** Undefined for an address that its driver made up, or that is none: others may have it too. */
function cardOf(address: string): string | undefined {
  const isOwn = /^[0-9a-f][048c](?::[0-9a-f]{2}){5}$/.test(address) && !/^00(?::00){5}$/.test(address);
  return isOwn ? hashed(address) : undefined;
}

function hashed(number: string): string {
  return createHash("sha256").update(`vfio-watch machine ${number}`).digest("hex").slice(0, 16);
}
