import { type HostReading, readHost } from "../host/host-reading.ts";
import { type BoardNames, firmwareElsewhere } from "../knowledge/firmware-elsewhere.ts";
import { wordsElsewhere } from "../knowledge/firmware-words.ts";
import { type KnownFirmware, loadKnownFirmware } from "../knowledge/load-known-firmware.ts";
import { valueOr } from "../model/reading.ts";
import { knownFirmwareDirectories } from "../places.ts";
import type { CommandIo } from "./command.ts";
import type { Surroundings } from "./surroundings.ts";

/** What is known of the world's firmware, with the owner's own beside the settings; its problems go to standard error. */
export function findKnownFirmware({ settingsFile }: Surroundings, io: Pick<CommandIo, "err">): KnownFirmware {
  const { known, problems } = loadKnownFirmware(knownFirmwareDirectories(settingsFile));
  for (const { file, line, reason } of problems)
    io.err(`vfio-watch: ${file}${line === undefined ? "" : `:${line}`}: ${reason}\n`);
  return known;
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

/** What other owners' records say of this board with the BIOS in use, a sentence each; empty where they say nothing. */
export function readElsewhere(surroundings: Surroundings, io: Pick<CommandIo, "err">): readonly string[] {
  const host = readHost({ paths: surroundings.paths });
  const bios = valueOr(host.dmi["bios.version"], undefined);
  if (bios === undefined) return [];
  const known = findKnownFirmware(surroundings, io);
  const question = { names: boardNamesOf(host), bios, agesa: valueOr(host.agesa, undefined) };
  return wordsElsewhere(firmwareElsewhere(known, question), bios);
}
