import { DMI_FIELDS } from "../../host/firmware.ts";
import type { FactForm, FactKind, FactRole } from "../kind.ts";

const BOARD: FactRole = { knob: "mainboard" };
const board = (field: string): FactForm => ({
  key: `firmware.board.${field}`,
  label: `Mainboard ${field}`,
  importance: 4,
  role: BOARD,
});
const system = (field: string): FactForm => ({
  key: `firmware.system.${field}`,
  label: `System ${field}`,
  importance: 4,
  role: BOARD,
});

/** The BIOS's build and the machine that it is made for. */
export const FIRMWARE: FactKind = {
  group: "firmware",
  root: "firmware",
  role: { knob: "BIOS" },
  forms: [
    { key: "firmware.bios.version", label: "BIOS version", importance: 0, shown: "firmware" },
    { key: "firmware.bios.date", label: "BIOS date", importance: 1, shown: "firmware" },
    { key: "firmware.bios.vendor", label: "BIOS vendor", importance: 1, shown: "firmware" },
    { key: "firmware.bios.release", label: "BIOS release", importance: 1 },
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
  role: { follows: ["BIOS", "BIOS setting"] },
  forms: [
    { key: "firmware.boot-mode", label: "Boot mode", importance: 2, shown: "firmware" },
    { key: "firmware.secure-boot", label: "Secure Boot", importance: 2, shown: "firmware" },
    {
      key: "firmware.microcode",
      label: "CPU microcode",
      importance: 3,
      role: { follows: ["BIOS", "operating system"] },
      shown: "firmware",
    },
  ],
  collect({ bootMode, secureBoot, microcode }, tell) {
    tell("firmware.boot-mode", bootMode);
    tell("firmware.secure-boot", secureBoot);
    tell("firmware.microcode", microcode);
  },
};
