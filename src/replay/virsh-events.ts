import { vmName } from "../model/identifiers.ts";
import type { Observation, VmLifecycle } from "../model/observation.ts";

const LINE =
  /^(?<date>\d{4}-\d\d-\d\d) (?<time>\d\d:\d\d:\d\d\.\d{3})\+0000: event '(?<event>[a-z-]+)' for domain '(?<vm>.*?)'(?:: (?<detail>.*))?$/;
const EVENTS: ReadonlySet<string> = new Set([
  "defined",
  "undefined",
  "started",
  "suspended",
  "resumed",
  "stopped",
  "shutdown",
  "pmsuspended",
  "crashed",
]);

/**
 * Reads what `virsh event --all --loop --timestamp` printed in the C locale, so that a recorded host can be
 * replayed. Lines of other events and other text are passed over.
 */
export function readVirshEvents(text: string): readonly Observation[] {
  const observations: Observation[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    const parts = LINE.exec(line)?.groups;
    if (parts === undefined) continue;
    const base = {
      source: "libvirt" as const,
      at: Date.parse(`${parts.date}T${parts.time}Z`),
      exactTime: true,
      identity: `virsh-event:${index}`,
      vm: vmName(parts.vm ?? ""),
    };
    if (parts.event === "control-error") observations.push({ ...base, kind: "vm-control-error" });
    if (parts.event === "reboot") observations.push({ ...base, kind: "vm-reboot" });
    if (parts.event !== "lifecycle") continue;
    const [event = "", ...detail] = (parts.detail ?? "").toLowerCase().split(" ");
    if (!EVENTS.has(event)) continue;
    observations.push({
      ...base,
      kind: "vm-lifecycle",
      event: event as VmLifecycle["event"],
      detail: detail.join(" "),
    });
  }
  return observations;
}
