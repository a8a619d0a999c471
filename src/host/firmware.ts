import type { HostPaths } from "../host-paths.ts";
import { isPlaceholder } from "../knowledge/board-names.ts";
import { absent, mapReading, type Reading, read, unreadable, valueOr } from "../model/reading.ts";
import type { HostMemory } from "./host-memory.ts";
import { readBeginning, readBytes, readNames, readValue } from "./read-file.ts";

/**
 * What is read of the DMI tables, and the file below /sys/class/dmi/id that holds it. No serial, UUID or asset tag:
 * those name a person's machine.
 */
const DMI_FILES = {
  "bios.vendor": "bios_vendor",
  "bios.version": "bios_version",
  "bios.date": "bios_date",
  "bios.release": "bios_release",
  "board.vendor": "board_vendor",
  "board.name": "board_name",
  "board.version": "board_version",
  "system.vendor": "sys_vendor",
  "system.product": "product_name",
} as const;
export type DmiField = keyof typeof DMI_FILES;
export const DMI_FIELDS = Object.keys(DMI_FILES) as readonly DmiField[];

const SECURE_BOOT = "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
const SETTINGS_LIMIT = 2000;
/** A BIOS setting that the board shows. */
export interface FirmwareSetting {
  /** The driver that shows it: `thinklmi`, `dell-wmi-sysman`. */
  readonly board: string;
  /** Undefined where the driver's whole list could not be read. */
  readonly name: string | undefined;
  readonly value: Reading<string>;
}

/** One field of the DMI tables; what a vendor forgot to fill in is absent. */
export function readDmi(paths: HostPaths, memory: HostMemory, field: DmiField): Reading<string> {
  const file = DMI_FILES[field];
  const reading = memory.onceABoot(`DMI ${file}`, () => readValue(paths.at(`/sys/class/dmi/id/${file}`)));
  return reading.state === "read" && isPlaceholder(reading.value) ? absent : reading;
}

/** `uefi` or `legacy`. */
export function readBootMode(paths: HostPaths): Reading<string> {
  const firmware = readNames(paths.at("/sys/firmware"));
  if (firmware.state === "absent") return unreadable("/sys/firmware does not exist");
  return mapReading(firmware, (names) => (names.includes("efi") ? "uefi" : "legacy"));
}

/** efivarfs puts four bytes of attributes in front of the variable, whose one byte is 1 when Secure Boot is on. */
export function readSecureBoot(paths: HostPaths): Reading<string> {
  const variable = readBytes(paths.at(`/sys/firmware/efi/efivars/${SECURE_BOOT}`), 64);
  if (variable.state !== "read") return variable;
  if (variable.value.length !== 5) return unreadable("the SecureBoot variable is not five bytes long");
  return read(variable.value[4] === 1 ? "enabled" : "disabled");
}

/** The version of the microcode that runs. */
export function readMicrocode(paths: HostPaths): Reading<string> {
  const version = readValue(paths.at("/sys/devices/system/cpu/cpu0/microcode/version"));
  if (version.state === "read") return version;
  // Only the first processor is looked at, of some 2 KiB; the kernel asks every processor it tells of for its speed.
  const information = readBeginning(paths.at("/proc/cpuinfo"), 8192);
  if (information.state !== "read") return version.state === "absent" ? information : version;
  const line = /^microcode\s*:\s*(0x[0-9a-f]+)/im.exec(information.value);
  return line?.[1] === undefined ? absent : read(line[1]);
}

/** Settings below /sys/class/firmware-attributes; one unreadable setting is unknown by itself. */
export function readFirmwareSettings(paths: HostPaths): Reading<readonly FirmwareSetting[]> {
  const base = "/sys/class/firmware-attributes";
  const boards = readNames(paths.at(base));
  return mapReading(boards, (names) =>
    names
      .toSorted()
      .flatMap((board): readonly FirmwareSetting[] => {
        const settings = readNames(paths.at(`${base}/${board}/attributes`));
        if (settings.state === "unreadable") return [{ board, name: undefined, value: settings }];
        return valueOr(settings, [])
          .toSorted()
          .map((name) => ({
            board,
            name,
            value: readValue(paths.at(`${base}/${board}/attributes/${name}/current_value`)),
          }));
      })
      .filter(({ value }) => value.state !== "absent")
      .slice(0, SETTINGS_LIMIT),
  );
}
