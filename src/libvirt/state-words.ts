import type { VmLifecycle } from "../model/observation.ts";
import type { VmState } from "../model/virtual-machine.ts";

/** virDomainState and its reasons, in the order of their numbers (libvirt-domain.h). */
const STATES: readonly { readonly state: VmState["state"]; readonly reasons: readonly string[] }[] = [
  { state: "nostate", reasons: ["unknown"] },
  {
    state: "running",
    reasons: [
      "unknown",
      "booted",
      "migrated",
      "restored",
      "from snapshot",
      "unpaused",
      "migration canceled",
      "save canceled",
      "wakeup",
      "crashed",
      "post-copy",
      "post-copy failed",
    ],
  },
  { state: "blocked", reasons: ["unknown"] },
  {
    state: "paused",
    reasons: [
      "unknown",
      "user",
      "migration",
      "save",
      "dump",
      "ioerror",
      "watchdog",
      "from snapshot",
      "shutdown",
      "snapshot",
      "panicked",
      "starting up",
      "post-copy",
      "post-copy failed",
    ],
  },
  { state: "shutdown", reasons: ["unknown", "user"] },
  {
    state: "shutoff",
    reasons: [
      "unknown",
      "shutdown",
      "destroyed",
      "crashed",
      "migrated",
      "saved",
      "failed",
      "from snapshot",
      "daemon",
    ],
  },
  { state: "crashed", reasons: ["unknown", "panicked"] },
  { state: "pmsuspended", reasons: ["unknown"] },
];

/** Words for the numbers of a state; one that a later libvirt added is `nostate` or `reason 12`. */
export function vmStateOf(state: number, reason: number): VmState {
  const known = STATES[state];
  if (known === undefined) return { state: "nostate", reason: `state ${state}, reason ${reason}` };
  return { state: known.state, reason: known.reasons[reason] ?? `reason ${reason}` };
}

/** virDomainEventType and its details; the words are those of `virsh event`, in lower case. */
const LIFECYCLE: readonly { readonly event: VmLifecycle["event"]; readonly details: readonly string[] }[] = [
  { event: "defined", details: ["added", "updated", "renamed", "snapshot"] },
  { event: "undefined", details: ["removed", "renamed"] },
  { event: "started", details: ["booted", "migrated", "restored", "snapshot", "event wakeup"] },
  {
    event: "suspended",
    details: [
      "paused",
      "migrated",
      "i/o error",
      "watchdog",
      "restored",
      "snapshot",
      "api error",
      "post-copy",
      "post-copy error",
    ],
  },
  { event: "resumed", details: ["unpaused", "migrated", "snapshot", "post-copy", "post-copy error"] },
  {
    event: "stopped",
    details: ["shutdown", "destroyed", "crashed", "migrated", "saved", "failed", "snapshot"],
  },
  {
    event: "shutdown",
    details: ["finished", "finished after guest request", "finished after host request"],
  },
  { event: "pmsuspended", details: ["memory", "disk"] },
  { event: "crashed", details: ["panicked", "crashloaded"] },
];

/** Words for the numbers of a lifecycle event; undefined for an event that a later libvirt added. */
export function lifecycleOf(
  event: number,
  detail: number,
): { readonly event: VmLifecycle["event"]; readonly detail: string } | undefined {
  const known = LIFECYCLE[event];
  if (known === undefined) return undefined;
  return { event: known.event, detail: known.details[detail] ?? `detail ${detail}` };
}
