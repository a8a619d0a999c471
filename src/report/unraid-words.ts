import type { SourceHealth } from "../model/source.ts";

const START_VMS = "start the VM service under Settings > VM Manager; it is noticed as soon as it runs";
/** Sources that have nothing to read before the VM service runs. */
const OF_VM_SERVICE: ReadonlySet<string> = new Set(["libvirt", "libvirtd-log", "domain-logs"]);

/**
 * What a source waits for, as a user of Unraid would do it. Every remedy of libvirt's sources is the same there while
 * libvirt itself is not to be reached: the VM service is off.
 */
export function inUnraidWords(remedy: string, sources: readonly SourceHealth[]): string {
  const waiting = sources.filter(({ state }) => state.state === "waiting");
  const isOff = waiting.some(({ name }) => name === "libvirt");
  const own = waiting.find(({ state }) => state.state === "waiting" && state.remedy === remedy);
  return isOff && own !== undefined && OF_VM_SERVICE.has(own.name) && /\blibvirt/i.test(remedy)
    ? START_VMS
    : remedy;
}

/** The same for a note on where the VMs were read. */
export function noteInUnraidWords(note: string): string {
  return note
    .replace("libvirt does not run", "the VM service does not run (Settings > VM Manager)")
    .replace("start libvirt (on Unraid: the VM service)", "start the VM service under Settings > VM Manager");
}
