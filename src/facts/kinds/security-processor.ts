import type { HostFiles } from "../../host/host-reading.ts";
import { absent, mapReading, type Reading, read } from "../../model/reading.ts";
import { type FactKind, form } from "../kind.ts";

const CCP = "/sys/bus/pci/drivers/ccp";
const MEI = "/sys/class/mei";

/**
 * The processor beside the processor, whose firmware comes with the BIOS: AMD's PSP (Documentation/ABI/testing/
 * sysfs-driver-ccp) and Intel's ME (sysfs-class-mei), and whether the firmware encrypts all memory (TSME).
 */
export const SECURITY_PROCESSOR: FactKind = {
  group: "firmware",
  root: "firmware.security-processor",
  odds: "firmware-other",
  role: { follows: ["BIOS"] },
  forms: [
    form("firmware.security-processor.psp-boot-loader", "PSP boot loader", 4, { shown: "firmware" }),
    form("firmware.security-processor.psp-tee", "PSP trusted environment", 5, { shown: "firmware" }),
    form("firmware.security-processor.me", "Intel ME", 4, { shown: "firmware" }),
    form("firmware.security-processor.tsme", "Memory encrypted by the firmware (TSME)", 3, {
      role: { follows: ["BIOS setting", "BIOS"] },
      shown: "firmware",
    }),
  ],
  collect({ files }, tell) {
    const psp = firstOf(files, CCP, /^[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/);
    tell(`${this.root}.psp-boot-loader`, psp("bootloader_version"));
    tell(`${this.root}.psp-tee`, psp("tee_version"));
    tell(
      `${this.root}.tsme`,
      mapReading(psp("tsme_status"), (text) => (text === "1" ? "on" : "off")),
    );
    // Several lines, one a partition, in which the first is the one that runs: `0:16.1.25.1917`.
    const version = firstOf(files, MEI, /^mei\d+$/)("fw_ver");
    tell(
      `${this.root}.me`,
      mapReading(version, (text) => /^\d+:(\S+)/.exec(text)?.[1] ?? text.split("\n")[0] ?? ""),
    );
  },
};

/** Reads attributes of the first device below a directory that has them; absent where none has. */
function firstOf(files: HostFiles, directory: string, name: RegExp): (attribute: string) => Reading<string> {
  const names = mapReading(files.names(directory), (all) => all.filter((one) => name.test(one)).toSorted());
  return (attribute) => {
    if (names.state !== "read") return names;
    for (const device of names.value) {
      const text = files.value(`${directory}/${device}/${attribute}`);
      if (text.state !== "absent") return text.state === "read" ? read(text.value) : text;
    }
    return absent;
  };
}
