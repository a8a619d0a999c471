import type { StartAttempt } from "../model/attempt.ts";
import type { HotPlug } from "../model/hot-plug.ts";
import { oneOfVms, unknownVm, vmName } from "../model/identifiers.ts";

/** A device that is plugged in is refused for the same reasons as at a start, so it is diagnosed like one. */
export function asAttempt(hotPlug: HotPlug): StartAttempt {
  const { id, bootId, at, steady, devices, groups, evidence, vms } = hotPlug;
  const [only] = vms;
  const [device] = devices;
  const unknown = device === undefined ? vmName("a VM") : unknownVm(device);
  return {
    ...{ id, bootId, devices, groups, evidence },
    vm: only === undefined ? unknown : vms.length > 1 ? oneOfVms(vms) : only,
    openedAt: at,
    closedAt: at,
    ...(steady !== undefined && { steady, closedSteady: steady }),
    outcome: "failed",
  };
}

const LONGEST_QUOTE = 200;

/** Why it failed, in a sentence. */
export function summaryOf({ outcome, action, diagnosis, evidence }: HotPlug): string {
  const [cause] = diagnosis?.causes ?? [];
  if (cause !== undefined) return cause.sentence;
  if (outcome === "hangs") {
    const task = evidence
      .flatMap(({ matches }) => matches.map(({ captures }) => captures.task))
      .find((name) => name !== undefined);
    return task === undefined
      ? "The host asked for the device, and the VM keeps it."
      : `The program ${task} waits for the device, and the VM keeps it.`;
  }
  if (action === "detach") return "The guest's system would not give the device away.";
  const [said] = evidence.flatMap(({ observation }) => ("text" in observation ? [observation.text] : []));
  const [words = ""] = (said ?? "").split(/[\r\n]/, 1);
  return words === ""
    ? "Nothing that could be read says why."
    : `No known message says why. libvirt's words: ${words.slice(0, LONGEST_QUOTE)}`;
}
