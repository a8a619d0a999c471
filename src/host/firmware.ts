import type { HostPaths } from "../host-paths.ts";
import type { Fact } from "../model/fact.ts";
import { absent, mapReading, type Reading, read, unreadable } from "../model/reading.ts";
import { createHostMemory, type HostMemory } from "./host-memory.ts";
import { absentFact, factOfReading, keyPart, unknownFact, valueFact } from "./make-fact.ts";
import { readBeginning, readBytes, readNames, readValue } from "./read-file.ts";

/** Fact key and file below /sys/class/dmi/id. No serial, UUID or asset tag: those name a person's machine. */
const DMI_FACTS = [
  ["firmware.bios.vendor", "bios_vendor"],
  ["firmware.bios.version", "bios_version"],
  ["firmware.bios.date", "bios_date"],
  ["firmware.bios.release", "bios_release"],
  ["firmware.board.vendor", "board_vendor"],
  ["firmware.board.name", "board_name"],
  ["firmware.board.version", "board_version"],
  ["firmware.system.vendor", "sys_vendor"],
  ["firmware.system.product", "product_name"],
] as const;

/** What vendors leave in a field that they forgot to fill. */
const PLACEHOLDER =
  /^(?:default string|to be filled by o\.?e\.?m\.?|not (?:specified|applicable|available)|system (?:manufacturer|product name|version)|none|n\/?a|unknown|o\.?e\.?m\.?|x+|\.*)$/i;

const SECURE_BOOT = "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
const SETTINGS_LIMIT = 2000;
/** Passwords, and what tells one machine from another; also everything that is only for the vendor's tools. */
const PRIVATE_SETTING =
  /pass(?:word|phrase|wd)|pin\b|secret|serial|uuid|guid|asset|service_?tag|owner|token|_key$/i;

/** What the reader of a diagnosis wants to know of the BIOS. */
export interface BiosIdentity {
  readonly version: string;
  readonly date?: string;
  readonly vendor?: string;
}

/** BIOS version, date and vendor; absent where the machine has no DMI tables or names no version. */
export function readBios(paths: HostPaths, memory = createHostMemory()): Reading<BiosIdentity> {
  const dmi = (file: string) => readDmi(paths, memory, file);
  const version = dmi("bios_version");
  if (version.state !== "read") return version;
  const date = dmi("bios_date");
  const vendor = dmi("bios_vendor");
  return read({
    version: version.value,
    ...(date.state === "read" ? { date: date.value } : {}),
    ...(vendor.state === "read" ? { vendor: vendor.value } : {}),
  });
}

/** Firmware, board, boot mode, Secure Boot, microcode, and the firmware settings that the board exposes. */
export function firmwareFacts(paths: HostPaths, memory = createHostMemory()): readonly Fact[] {
  return [
    ...DMI_FACTS.map(([key, file]) => factOfReading("firmware", key, readDmi(paths, memory, file))),
    factOfReading("firmware", "firmware.boot-mode", readBootMode(paths)),
    factOfReading(
      "firmware",
      "firmware.secure-boot",
      // The firmware sets it before the kernel runs; to ask for it is to ask the firmware.
      memory.onceABoot("Secure Boot", () => readSecureBoot(paths)),
    ),
    factOfReading("firmware", "firmware.microcode", readMicrocode(paths)),
    ...settingFacts(paths),
  ];
}

function readDmi(paths: HostPaths, memory: HostMemory, file: string): Reading<string> {
  const reading = memory.onceABoot(`DMI ${file}`, () => readValue(paths.at(`/sys/class/dmi/id/${file}`)));
  return reading.state === "read" && PLACEHOLDER.test(reading.value) ? absent : reading;
}

/** `uefi` or `legacy`. */
function readBootMode(paths: HostPaths): Reading<string> {
  const firmware = readNames(paths.at("/sys/firmware"));
  if (firmware.state === "absent") return unreadable("/sys/firmware does not exist");
  return mapReading(firmware, (names) => (names.includes("efi") ? "uefi" : "legacy"));
}

/** efivarfs puts four bytes of attributes in front of the variable, whose one byte is 1 when Secure Boot is on. */
function readSecureBoot(paths: HostPaths): Reading<string> {
  const variable = readBytes(paths.at(`/sys/firmware/efi/efivars/${SECURE_BOOT}`), 64);
  if (variable.state !== "read") return variable;
  if (variable.value.length !== 5) return unreadable("the SecureBoot variable is not five bytes long");
  return read(variable.value[4] === 1 ? "enabled" : "disabled");
}

function readMicrocode(paths: HostPaths): Reading<string> {
  const version = readValue(paths.at("/sys/devices/system/cpu/cpu0/microcode/version"));
  if (version.state === "read") return version;
  // Only the first processor is looked at, of some 2 KiB; the kernel asks every processor it tells of for its speed.
  const information = readBeginning(paths.at("/proc/cpuinfo"), 8192);
  if (information.state !== "read") return version.state === "absent" ? information : version;
  const line = /^microcode\s*:\s*(0x[0-9a-f]+)/im.exec(information.value);
  return line?.[1] === undefined ? absent : read(line[1]);
}

/**
 * Settings below /sys/class/firmware-attributes (`thinklmi`, `dell-wmi-sysman`, `hp-bioscfg`, …), so that a changed
 * BIOS setting is a dated fact too. One unreadable setting is unknown by itself.
 */
function settingFacts(paths: HostPaths): readonly Fact[] {
  const base = "/sys/class/firmware-attributes";
  const interfaces = readNames(paths.at(base));
  if (interfaces.state === "unreadable") return [unknownFact("firmware", "firmware.setting", interfaces.why)];
  if (interfaces.state === "absent") return [absentFact("firmware", "firmware.setting")];
  const facts: Fact[] = [valueFact("firmware", "firmware.setting", "listed")];
  for (const device of interfaces.value.toSorted()) {
    const names = readNames(paths.at(`${base}/${device}/attributes`));
    if (names.state === "unreadable") {
      facts.push(unknownFact("firmware", `firmware.setting.${keyPart(device)}`, names.why));
    }
    for (const name of names.state === "read" ? names.value.toSorted() : []) {
      if (facts.length > SETTINGS_LIMIT) return facts;
      if (PRIVATE_SETTING.test(name)) continue;
      const value = readValue(paths.at(`${base}/${device}/attributes/${name}/current_value`));
      if (value.state === "absent") continue;
      facts.push(factOfReading("firmware", `firmware.setting.${keyPart(device)}.${keyPart(name)}`, value));
    }
  }
  return facts;
}
