import { readNames, readText } from "../host/read-file.ts";
import type { HostPaths } from "../host-paths.ts";
import type { VmStatus } from "../model/host-state.ts";
import { type Reading, read, unreadable, valueOr } from "../model/reading.ts";
import type { VmDefinition } from "../model/virtual-machine.ts";
import { isYes } from "./property-string.ts";
import { CONFIGURATION_LIMIT, nodeName, readNode } from "./read-vms.ts";
import { definitionOf, parseVmConfig } from "./vm-config.ts";

/** The cluster's nodes, of which every node has the configurations. */
const NODES = "/etc/pve/nodes";
const NODES_LIMIT = 64;

/**
 * Which of these VMs, by number and identity, are on another node of the cluster now. A number that another VM was given
 * there is not this VM. Devices are as they would be here, for that is what tells whether its definition has changed.
 */
export function readMovedVms(
  paths: HostPaths,
  wanted: ReadonlyMap<string, string>,
): Reading<readonly VmDefinition[]> {
  if (wanted.size === 0) return read([]);
  const nodes = readNames(paths.at(NODES));
  const own = nodeName(paths);
  if (nodes.state !== "read" || own === "") return unreadable(`${NODES} cannot be listed`);
  const here = readNode(paths);
  const moved: VmDefinition[] = [];
  // One that is here and no VM any more was made a template.
  const others = nodes.value.filter((node) => node !== own).toSorted();
  for (const node of others.slice(0, NODES_LIMIT)) {
    const listed = readNames(paths.at(`${NODES}/${node}/qemu-server`));
    if (listed.state === "unreadable") return unreadable(`${NODES}/${node}: ${listed.why}`);
    for (const [vmid, identity] of wanted) {
      if (!valueOr(listed, []).includes(`${vmid}.conf`)) continue;
      const text = readText(paths.at(`${NODES}/${node}/qemu-server/${vmid}.conf`), CONFIGURATION_LIMIT);
      if (text.state !== "read") continue;
      const { inForce, next } = parseVmConfig(text.value);
      const definition = definitionOf(vmid, next, here);
      if (definition.uuid === identity && !isYes(inForce.get("template")))
        moved.push({ ...definition, movedTo: node });
    }
  }
  return read(moved);
}

/** How a VM is that has moved; whether it runs there is the other node's to say. */
export function movedStatus(definition: VmDefinition): VmStatus {
  return { definition, state: { state: "nostate", reason: `moved to node ${definition.movedTo}` } };
}

/** The VM's number, with which its identity begins. */
export function numberIn(identity: string): string {
  return identity.split("/")[0] ?? identity;
}
