import { closeSync, openSync, readSync } from "node:fs";
import type { HostPaths } from "../host-paths.ts";
import type { Bdf } from "../model/identifiers.ts";
import { absent, type Reading, read, unreadable } from "../model/reading.ts";
import { isAsleep } from "./power-state.ts";

const CAPABILITIES = 0x34;
const PCI_EXPRESS = 0x10;
/** Within the capability of PCI Express, since its second version. */
const LINK_CONTROL_2 = 0x30;
/** Classic capabilities of four bytes each fill the 192 bytes behind the header. */
const MOST_CAPABILITIES = 48;
/** By number; those above are not specified yet. */
const SPEEDS = ["2.5 GT/s", "5.0 GT/s", "8.0 GT/s", "16.0 GT/s", "32.0 GT/s", "64.0 GT/s"];

/**
 * The speed up to which a PCI Express port trains its link. Unlike the speed in use it does not sink when a card idles:
 * firmware sets it, and the kernel lowers it to 2.5 GT/s where a link did not come up after a reset
 * (drivers/pci/quirks.c, pcie_failed_link_retrain). Absent: the port has none. Unreadable without root, and of a port
 * that sleeps, which is not woken for it.
 */
export function readLinkTarget(paths: HostPaths, bdf: Bdf): Reading<string> {
  const directory = paths.at(`/sys/bus/pci/devices/${bdf}`);
  if (isAsleep(directory)) return unreadable("the port sleeps, and is not woken");
  let file: number | undefined;
  try {
    file = openSync(`${directory}/config`, "r");
    return targetIn(file);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "unknown error";
    return code === "ENOENT" ? absent : unreadable(`reading it failed with ${code}`);
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

function targetIn(file: number): Reading<string> {
  const word = Buffer.alloc(4);
  const at = (place: number) => readSync(file, word, 0, 4, place) === 4;
  if (!at(CAPABILITIES)) return unreadable("its registers cannot be read");
  let place = word.readUInt8(0) & 0xfc;
  for (let seen = 0; seen < MOST_CAPABILITIES && place !== 0; seen += 1) {
    // The kernel gives only the first 64 bytes to others than root.
    if (!at(place)) return unreadable("needs root");
    if (word.readUInt32LE() === 0xffffffff) return unreadable("the port does not answer");
    if (word.readUInt8(0) === PCI_EXPRESS) {
      const version = word.readUInt8(2) & 0xf;
      if (version < 2) return absent;
      if (!at(place + LINK_CONTROL_2)) return unreadable("needs root");
      const speed = SPEEDS[(word.readUInt8(0) & 0xf) - 1];
      return speed === undefined ? absent : read(speed);
    }
    place = word.readUInt8(1) & 0xfc;
  }
  return absent;
}
