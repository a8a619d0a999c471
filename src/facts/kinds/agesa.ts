import { type FactKind, form } from "../kind.ts";

/** AMD's part of the BIOS: vendors' versions do not compare from board to board, and this does. */
export const AGESA: FactKind = {
  group: "firmware",
  root: "firmware.agesa",
  odds: "firmware-other",
  role: { follows: ["BIOS"] },
  forms: [form("firmware.agesa", "AGESA", 1, { shown: "firmware" })],
  collect({ agesa }, tell) {
    tell("firmware.agesa", agesa);
  },
};
