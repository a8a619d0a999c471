import { DMI_FIELDS } from "../../host/firmware.ts";
import { isSameBiosVersion } from "../../knowledge/bios-version.ts";
import { type FactForm, type FactKind, type FactRole, form } from "../kind.ts";

const BOARD: FactRole = { knob: "mainboard" };
const board = (field: string): FactForm => ({
  key: `firmware.board.${field}`,
  label: `Mainboard ${field}`,
  importance: 4,
  role: BOARD,
  odds: "mainboard",
});
const system = (field: string): FactForm => ({
  key: `firmware.system.${field}`,
  label: `System ${field}`,
  importance: 4,
  role: BOARD,
  odds: "mainboard",
});

/** The BIOS's build and the machine that it is made for. */
export const FIRMWARE: FactKind = {
  group: "firmware",
  root: "firmware",
  odds: "firmware-other",
  role: { knob: "BIOS" },
  forms: [
    form("firmware.bios.version", "BIOS version", 0, { shown: "firmware", isSame: isSameBiosVersion }),
    form("firmware.bios.date", "BIOS date", 1, { shown: "firmware" }),
    form("firmware.bios.vendor", "BIOS vendor", 1, { shown: "firmware" }),
    form("firmware.bios.release", "BIOS release", 1),
    ...["vendor", "name", "version"].map(board),
    { ...system("vendor") },
    { ...system("product"), label: "System", shown: "hardware" },
  ],
  collect({ dmi }, tell) {
    for (const field of DMI_FIELDS) tell(`firmware.${field}`, dmi[field]);
  },
};

/** How the firmware started the kernel, and the microcode that it or the kernel loaded. */
export const FIRMWARE_MODE: FactKind = {
  group: "firmware",
  root: "firmware",
  odds: "firmware-mode",
  role: { follows: ["BIOS", "BIOS setting"] },
  forms: [
    form("firmware.boot-mode", "Boot mode", 2, { shown: "firmware" }),
    form("firmware.secure-boot", "Secure Boot", 2, { shown: "firmware" }),
    form("firmware.microcode", "CPU microcode", 3, {
      odds: "firmware-other",
      role: { follows: ["BIOS", "operating system"] },
      shown: "firmware",
    }),
  ],
  collect({ bootMode, secureBoot, microcode }, tell) {
    tell("firmware.boot-mode", bootMode);
    tell("firmware.secure-boot", secureBoot);
    tell("firmware.microcode", microcode);
  },
};
