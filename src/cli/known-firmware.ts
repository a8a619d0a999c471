import type { HostReading } from "../host/host-reading.ts";
import { type BoardNames, firmwareElsewhere } from "../knowledge/firmware-elsewhere.ts";
import { wordsElsewhere } from "../knowledge/firmware-words.ts";
import { type KnownFirmware, loadKnownFirmware } from "../knowledge/load-known-firmware.ts";
import { valueOr } from "../model/reading.ts";
import { knownFirmwareDirectories } from "../places.ts";
import type { CommandIo } from "./command.ts";
import { askFleetOfBoard, cachedFleet, type FleetSays } from "./fleet-says.ts";
import type { Surroundings } from "./surroundings.ts";

/**
 * What is known of the world's firmware, with the owner's own beside the settings and what the fleet says; problems of
 * files go to standard error.
 */
export function findKnownFirmware(
  { settingsFile }: Surroundings,
  io: Pick<CommandIo, "err">,
  fleet: Pick<FleetSays, "records">,
): KnownFirmware {
  const { known, problems } = loadKnownFirmware(knownFirmwareDirectories(settingsFile));
  for (const { file, line, reason } of problems)
    io.err(`vfio-watch: ${file}${line === undefined ? "" : `:${line}`}: ${reason}\n`);
  return { ...known, records: [...known.records, ...fleet.records] };
}

/** The board as SMBIOS names it; what it does not say is undefined. */
export function boardNamesOf({ dmi }: Pick<HostReading, "dmi">): BoardNames {
  return {
    vendor: valueOr(dmi["board.vendor"], undefined),
    board: valueOr(dmi["board.name"], undefined),
    systemVendor: valueOr(dmi["system.vendor"], undefined),
    product: valueOr(dmi["system.product"], undefined),
  };
}

/** What other owners' records say of a board with the BIOS in use, a sentence each; empty where they say nothing. */
export async function readElsewhere(
  surroundings: Surroundings,
  io: Pick<CommandIo, "err">,
  fleet: "ask the fleet" | "what it said last",
  host: Pick<HostReading, "dmi" | "agesa">,
): Promise<readonly string[]> {
  const names = boardNamesOf(host);
  const bios = valueOr(host.dmi["bios.version"], undefined);
  if (bios === undefined) return [];
  const board = names.board ?? names.product;
  const said =
    fleet === "ask the fleet"
      ? await askFleetOfBoard(surroundings, board, bios)
      : cachedFleet(surroundings, board, bios);
  const known = findKnownFirmware(surroundings, io, said);
  const question = { names, bios, agesa: valueOr(host.agesa, undefined) };
  return [...said.sentences, ...wordsElsewhere(firmwareElsewhere(known, question), bios)];
}
