import { keyPart } from "../key-parts.ts";
import { type FactKind, form, LISTED } from "../kind.ts";

/** BIOS settings that the board shows to Linux, so that a changed one is a dated fact too. */
export const FIRMWARE_SETTINGS: FactKind = {
  group: "firmware",
  root: "firmware.setting",
  thing: "firmware.setting.{board}.{setting}",
  odds: "bios-setting",
  role: { knob: "BIOS setting", which: "setting" },
  // Passwords, and what tells one machine from another; also everything that is only for the vendor's tools.
  private: /pass(?:word|phrase|wd)|pin\b|secret|serial|uuid|guid|asset|service_?tag|owner|token|_key$/i,
  forms: [form("firmware.setting.{board}.{setting}", "BIOS setting {setting}", 2, { shown: "firmware" })],
  collect({ firmwareSettings }, tell) {
    const root = "firmware.setting";
    if (firmwareSettings.state !== "read") return tell(root, firmwareSettings);
    tell(root, LISTED);
    for (const { board, name, value } of firmwareSettings.value)
      tell([root, keyPart(board), ...(name === undefined ? [] : [keyPart(name)])].join("."), value);
  },
};
