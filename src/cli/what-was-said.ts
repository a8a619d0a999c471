import type { DomainLogEnd, Observation } from "../model/observation.ts";

/** One line for any observation. */
export function whatWasSaid(observation: Observation): string {
  switch (observation.kind) {
    case "kernel-record":
    case "domain-log-line":
    case "libvirtd-record":
      return observation.text;
    case "gap":
      return observation.detail;
    case "vfio-node":
      return `/dev/vfio/${observation.node} ${observation.change}`;
    case "vm-inventory":
      return observation.vms.map(({ state }) => `state ${state.state} (${state.reason})`).join(", ");
    case "vm-lifecycle":
      return `${observation.source === "libvirt" ? "libvirt event: " : ""}${observation.event} ${observation.detail}`.trimEnd();
    case "vm-control-error":
      return "libvirt event: control-error (QEMU went away while libvirt talked to it)";
    case "vm-state":
      return `state ${observation.state.state} (${observation.state.reason})`;
    case "vm-reboot":
      return "libvirt event: reboot";
    case "vm-device":
      return `libvirt event: device ${observation.alias} ${observation.change}`;
    case "connection":
      return `${observation.state}: ${observation.detail}`;
    case "domain-log-start":
      return `starting up${observation.qemuVersion === undefined ? "" : `, QEMU ${observation.qemuVersion}`}${observation.machine === undefined ? "" : `, machine ${observation.machine}`}`;
    case "domain-log-end":
      return endOf(observation);
    case "config-file":
      return `${observation.path} ${observation.change}`;
  }
}

/** libvirt's own line; Proxmox has no such one, but a task that ended. */
function endOf({ source, reason }: DomainLogEnd): string {
  return source === "proxmox" ? `the start task ended: ${reason}` : `shutting down, reason=${reason}`;
}
