import { join } from "node:path";

/** Every place on the host that the program reads, below one root: the machine's, a recorded tree's, a test's. */
export interface HostPaths {
  /** `/` on a live host. */
  readonly root: string;
  /** Joins an absolute host path to the root: `at("/proc/cmdline")`. */
  at(path: string): string;
}

/** Host paths below `root`. */
export function createHostPaths(root = "/"): HostPaths {
  return { root, at: (path) => join(root, path) };
}
