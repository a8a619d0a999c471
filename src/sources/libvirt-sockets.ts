import type { FSWatcher } from "node:fs";
import { existsSync, realpathSync, watch } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { HostPaths } from "../host-paths.ts";

const DIRECTORIES = ["/run/libvirt", "/var/run/libvirt"];
/**
 * The monolithic daemon (or the proxy in its place) before virtqemud: touching virtqemud's socket on a host that
 * runs libvirtd would make systemd start a second daemon for the same VMs.
 */
const NAMES = ["libvirt-sock", "virtqemud-sock", "libvirt-sock-ro", "virtqemud-sock-ro"];

/** Where libvirt may listen on this host, best first, each place once; whether or not something is there. */
export function libvirtSocketPaths(paths: HostPaths): readonly string[] {
  const directories = new Set(DIRECTORIES.map((directory) => realPath(paths.at(directory))));
  return NAMES.flatMap((name) => [...directories].map((directory) => join(directory, name)));
}

/** /var/run is a link to /run nearly everywhere. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

/**
 * Calls `appeared` soon after a socket (or its directory) came into being. Where the directory is not there yet,
 * its parent is watched; nothing is held open, inotify watches do not block an unmount. `rearm` has to be called
 * now and then, because a removed directory takes its watch along.
 */
export interface SocketWatch {
  rearm(): void;
  close(): void;
}

/** Watches for sockets; does its best, since whoever needs one also asks again from time to time. */
export function watchForSockets(paths: HostPaths, appeared: () => void): SocketWatch {
  const watchers = new Map<string, FSWatcher>();
  const names = new Set([...NAMES, ...DIRECTORIES.map((directory) => basename(directory))]);

  const drop = (directory: string): void => {
    watchers.get(directory)?.close();
    watchers.delete(directory);
  };
  const add = (directory: string): void => {
    if (watchers.has(directory)) return;
    try {
      const watcher = watch(directory, (_event, name) => {
        if (!existsSync(directory)) drop(directory);
        else if (name === null || names.has(name)) appeared();
      });
      watcher.on("error", () => drop(directory));
      watchers.set(directory, watcher);
    } catch {
      // Unreadable, out of inotify watches, or gone again: asking from time to time remains.
    }
  };
  const rearm = (): void => {
    const wanted = new Set<string>();
    for (const directory of DIRECTORIES.map((path) => paths.at(path))) {
      const there = [directory, dirname(directory)].find((candidate) => existsSync(candidate));
      if (there !== undefined) wanted.add(realPath(there));
    }
    for (const directory of watchers.keys()) if (!wanted.has(directory)) drop(directory);
    for (const directory of wanted) add(directory);
  };
  rearm();
  return {
    rearm,
    close() {
      for (const directory of [...watchers.keys()]) drop(directory);
    },
  };
}
