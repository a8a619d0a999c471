import type { OpenError } from "../libvirt/client.ts";

/** What a person needs to know about a libvirt that cannot be reached: one line each. */
export interface Trouble {
  readonly why: string;
  readonly remedy: string;
}

const START_IT =
  "start libvirtd or virtqemud (on Unraid: the VM service); it is noticed as soon as it is there";

/** Nothing listens anywhere. */
export const nothingThere: Trouble = {
  why: "libvirt is not running or not installed: it has no socket in /run/libvirt",
  remedy: START_IT,
};

/** libvirt takes connections and says nothing. */
export const silence: Trouble = {
  why: "libvirt has taken the connection and has not answered yet",
  remedy: "wait; if it stays so, look into libvirt's log and restart its service",
};

/** Says what a failed connection to `socketPath` means and what it takes. */
export function troubleOf(socketPath: string, error: OpenError): Trouble {
  switch (error.code) {
    case "EACCES":
    case "EPERM":
      return {
        why: `no permission to use ${socketPath}`,
        remedy: "needs root, or a user in the group libvirt",
      };
    case "EAUTH":
      return {
        why: `libvirt wants to know who asks on ${socketPath}: ${error.why}`,
        remedy: "run as root, or allow unauthenticated local use in libvirtd.conf (auth_unix_rw)",
      };
    case "ECONNREFUSED":
      return { why: `nobody listens on ${socketPath}: libvirt was stopped or died`, remedy: START_IT };
    case "unanswered":
      return silence;
    default:
      return {
        why: `libvirt on ${socketPath} cannot be used: ${error.why}`,
        remedy: "look into libvirt's log and restart its service; it is tried again by itself",
      };
  }
}

/** Whether another socket may do where this one failed like that. */
export function isWorthAnotherSocket(error: OpenError): boolean {
  return ["ENOENT", "ENOTDIR", "EACCES", "EPERM", "ECONNREFUSED", "EAUTH"].includes(error.code);
}

/** Whether the socket is simply not there. */
export function isNothingThere(error: OpenError): boolean {
  return error.code === "ENOENT" || error.code === "ENOTDIR";
}
