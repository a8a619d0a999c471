import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseDomainXml } from "../libvirt/domain-xml.ts";
import type { VmStatus } from "../model/host-state.ts";
import { type Reading, read, unreadable } from "../model/reading.ts";
import type { VmState } from "../model/virtual-machine.ts";

const MISSING = unreadable("not part of the recording");

/** The VMs' definitions (`NAME.xml`) in a directory, and their states at the end of the recording (`NAME.state.txt`). */
export function readRecordedVms(directory: string): Reading<readonly VmStatus[]> {
  let names: readonly string[];
  try {
    names = readdirSync(directory).filter((name) => name.endsWith(".xml"));
  } catch {
    return MISSING;
  }
  const vms: VmStatus[] = [];
  for (const name of [...names].sort()) {
    const definition = parseDomainXml(readFileSync(join(directory, name), "utf8"));
    if (definition.state !== "read") return unreadable(`${name}: ${reasonOf(definition)}`);
    vms.push({ definition: definition.value, state: readRecordedState(directory, name.slice(0, -4)) });
  }
  return read(vms);
}

function reasonOf(reading: Exclude<Reading<unknown>, { readonly state: "read" }>): string {
  return reading.state === "unreadable" ? reading.why : "is empty";
}

/** virsh's words for libvirt's states where they differ. */
const STATES: Readonly<Record<string, VmState["state"]>> = {
  "no state": "nostate",
  running: "running",
  idle: "blocked",
  paused: "paused",
  "in shutdown": "shutdown",
  "shut off": "shutoff",
  crashed: "crashed",
  pmsuspended: "pmsuspended",
};

function readRecordedState(directory: string, vm: string): VmState {
  let text = "";
  try {
    text = readFileSync(join(directory, `${vm}.state.txt`), "utf8");
  } catch {
    // Recordings without it: what is left is that nobody knows the state.
  }
  const [, state, reason] = /^([a-z ]{1,20}?) \(([a-z -]{1,40})\)/.exec(text) ?? [];
  return { state: STATES[state ?? ""] ?? "nostate", reason: reason ?? "unknown" };
}
