import { statSync } from "node:fs";
import { basename } from "node:path";
import { readLink, readNames, readText, readValue } from "../host/read-file.ts";
import type { HostPaths } from "../host-paths.ts";
import { type Bdf, parseBdf } from "../model/identifiers.ts";
import { type Reading, read, unreadable, valueOr } from "../model/reading.ts";
import type { VmDefinition } from "../model/virtual-machine.ts";
import { type NodeDevices, readNodeDevices } from "./node-devices.ts";
import { parsePciMappings } from "./pci-mappings.ts";
import { isYes, parsePropertyString, type Settings } from "./property-string.ts";
import { definitionOf, parseVmConfig } from "./vm-config.ts";

/** The VMs' configurations of this node; a link into the cluster's file system, which has no inotify. */
const CONFIGURATIONS = "/etc/pve/qemu-server";
/** Where QEMU leaves its process id. */
export const PID_FILES = "/run/qemu-server";
/** The cluster's file system holds no larger file. */
export const CONFIGURATION_LIMIT = 1024 * 1024;
const VMS_LIMIT = 1000;

/** A VM of this node, by the number that everybody calls it by. */
export interface ProxmoxVm {
  readonly vmid: string;
  /** What its next start gets. */
  readonly definition: VmDefinition;
  /** What it has if it runs. */
  readonly running: VmDefinition;
  /** When it was made, UTC epoch milliseconds; a restored one when the first was. Undefined before Proxmox 7.3. */
  readonly createdAt: number | undefined;
  /** The task that has locked it, so that it cannot be started. */
  readonly lock: string | undefined;
}

/** Where the configuration of a VM of this node is. */
export function configurationFile(vmid: string): string {
  return `${CONFIGURATIONS}/${vmid}.conf`;
}

/** Says whether a process is there. */
export type ProcessCheck = (pid: number) => boolean;

/** Whether this is a Proxmox VE host, also while its cluster file system is not mounted. */
export function isProxmoxHost(paths: HostPaths): boolean {
  return ["/etc/pve", "/var/log/pve"].some((path) => readNames(paths.at(path)).state !== "absent");
}

/** Reads the VMs of this node, without templates, which nobody can start. */
export function readProxmoxVms(paths: HostPaths): Reading<readonly ProxmoxVm[]> {
  const names = readNames(paths.at(CONFIGURATIONS));
  if (names.state === "absent") return unreadable(`${CONFIGURATIONS} is not there: pve-cluster does not run`);
  if (names.state === "unreadable") return unreadable(`${CONFIGURATIONS}: ${names.why}`);
  const node = readNode(paths);
  const vms: ProxmoxVm[] = [];
  const ids = names.value.flatMap((name) => /^(\d{1,9})\.conf$/.exec(name)?.[1] ?? []);
  for (const vmid of ids.toSorted((a, b) => Number(a) - Number(b)).slice(0, VMS_LIMIT)) {
    const text = readText(paths.at(configurationFile(vmid)), CONFIGURATION_LIMIT);
    if (text.state === "unreadable") return unreadable(`${configurationFile(vmid)}: ${text.why}`);
    if (text.state === "absent") continue;
    const { inForce, next } = parseVmConfig(text.value);
    if (isYes(inForce.get("template"))) continue;
    const running = definitionOf(vmid, inForce, node);
    const ctime = parsePropertyString(inForce.get("meta") ?? "", "").get("ctime") ?? "";
    vms.push({
      vmid,
      definition: { ...definitionOf(vmid, next, node), name: running.name },
      running,
      lock: lockOf(inForce),
      createdAt: /^\d{9,11}$/.test(ctime) ? Number(ctime) * 1000 : undefined,
    });
  }
  return read(vms);
}

/** `PVE::QemuServer::vm_start`: one that is suspended to disk is resumed; any other lock refuses the start. */
function lockOf(inForce: Settings): string | undefined {
  const lock = inForce.get("lock");
  return lock === "suspended" || !/^[a-z-]{1,32}$/.test(lock ?? "") ? undefined : lock;
}

/** What this node is called in its cluster; empty while that is not known. */
export function nodeName(paths: HostPaths): string {
  return basename(valueOr(readLink(paths.at("/etc/pve/local")), ""));
}

/** What the VMs' configurations leave to this node. */
export function readNode(paths: HostPaths): NodeDevices {
  const node = nodeName(paths);
  const mappings = valueOr(readText(paths.at("/etc/pve/mapping/pci.cfg"), CONFIGURATION_LIMIT), "");
  const reservations = valueOr(readText(paths.at(`${PID_FILES}/pci-id-reservations`)), "");
  const reservedBy = new Map<Bdf, string>();
  for (const [, address, vmid] of reservations.matchAll(/^(\S{7,16}) (\d{1,9}) (?:time|pid):\d+$/gm)) {
    const bdf = parseBdf(address ?? "");
    if (bdf !== undefined && vmid !== undefined) reservedBy.set(bdf, vmid);
  }
  return { ...readNodeDevices(paths), mappings: parsePciMappings(mappings, node), reservedBy };
}

/** A VM's QEMU. */
export interface RunningQemu {
  readonly pid: number;
  /** When QEMU wrote its process id, UTC epoch milliseconds: right after it was run. */
  readonly since: number;
}

/** The VM's QEMU, if one runs. The file alone is no proof: a QEMU that was killed leaves it behind. */
export function runningQemu(
  paths: HostPaths,
  vmid: string,
  isAlive: ProcessCheck = processExists,
): RunningQemu | undefined {
  const path = paths.at(`${PID_FILES}/${vmid}.pid`);
  const text = valueOr(readValue(path), "");
  if (!/^\d{1,9}$/.test(text) || !isAlive(Number(text))) return undefined;
  const status = statSync(path, { throwIfNoEntry: false });
  return status === undefined ? undefined : { pid: Number(text), since: Math.round(status.mtimeMs) };
}

/** By signal 0 and not by /proc, where the service's sandbox hides the processes of root that can do more than it. */
export function processExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
