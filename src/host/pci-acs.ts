import { closeSync, openSync, readSync } from "node:fs";
import type { HostPaths } from "../host-paths.ts";
import type { Bdf } from "../model/identifiers.ts";
import { absent, type Reading, read, unreadable } from "../model/reading.ts";
import type { HostMemory } from "./host-memory.ts";
import { isAsleep } from "./power-state.ts";

const EXTENDED = 0x100;
const ACS = 0x0d;
/** Extended capabilities of at least 8 bytes each fill the 3840 bytes behind the classic ones. */
const MOST_CAPABILITIES = 480;
/** Bits of the control register, as lspci calls them: source validation, translation blocking, … */
const CONTROLS = ["SV", "TB", "RR", "CR", "UF", "EC", "DT"];

/**
 * What a PCI Express port has switched on of Access Control Services, `SV RR CR UF`; an empty text where nothing is on.
 * Absent: it has none. Unreadable without root, and of a port that sleeps, which is not woken for it.
 */
export function readAcs(paths: HostPaths, bdf: Bdf, memory: HostMemory): Reading<string> {
  return memory.onceABoot(`ACS of ${bdf}`, () => {
    const directory = paths.at(`/sys/bus/pci/devices/${bdf}`);
    return isAsleep(directory)
      ? unreadable("the port sleeps, and is not woken")
      : acsIn(`${directory}/config`);
  });
}

function acsIn(path: string): Reading<string> {
  let file: number | undefined;
  try {
    file = openSync(path, "r");
    const word = Buffer.alloc(4);
    let place = EXTENDED;
    for (let seen = 0; seen < MOST_CAPABILITIES; seen += 1) {
      // The kernel gives only the first 64 bytes to others than root.
      if (readSync(file, word, 0, 4, place) < 4) return unreadable("needs root");
      const header = word.readUInt32LE();
      if ((header & 0xffff) === ACS) {
        readSync(file, word, 0, 4, place + 4);
        const control = word.readUInt16LE(2);
        return read(CONTROLS.filter((_name, bit) => (control & (1 << bit)) !== 0).join(" "));
      }
      place = header >>> 20;
      if (header === 0 || header === 0xffffffff || place < EXTENDED) return absent;
    }
    return absent;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "unknown error";
    return code === "ENOENT" ? absent : unreadable(`reading it failed with ${code}`);
  } finally {
    if (file !== undefined) closeSync(file);
  }
}
