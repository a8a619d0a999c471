import { mkdirSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { HostPaths } from "../../src/host-paths.ts";

const TASKS = "/var/log/pve/tasks";

/** What a node of Proxmox VE leaves in files. */
export interface ProxmoxNode {
  /** Writes a VM's configuration; undefined deletes the VM. */
  configure(vmid: number, text: string | undefined): void;
  /** Gives the VM to another node of the cluster, or back to this one (`pve`). */
  move(vmid: number, from: string, to: string): void;
  mapping(text: string): void;
  /** QEMU's process id; undefined: it has ended and taken the file along. */
  runs(vmid: number, pid: number | undefined, since?: number): void;
  /**
   * Writes a task's log as it is at `writtenAt`, and `active` as Proxmox does after each begin and end. Gives the
   * task's name; with `upid` it is that task's log that has grown.
   */
  task(
    kind: string,
    vmid: number,
    log: string,
    times: {
      readonly startedAt: number;
      readonly writtenAt?: number;
      readonly upid?: string;
      readonly pid?: number;
    },
  ): string;
}

/** Makes a node named `pve` in a tree, with the links that pmxcfs has. */
export function createProxmoxNode(paths: HostPaths): ProxmoxNode {
  let tasks = 0;
  const write = (path: string, text: string, at?: number) => {
    mkdirSync(dirname(paths.at(path)), { recursive: true });
    writeFileSync(`${paths.at(path)}.tmp`, text);
    if (at !== undefined) utimesSync(`${paths.at(path)}.tmp`, at / 1000, at / 1000);
    renameSync(`${paths.at(path)}.tmp`, paths.at(path));
  };
  mkdirSync(paths.at("/etc/pve/nodes/pve/qemu-server"), { recursive: true });
  symlinkSync("nodes/pve", paths.at("/etc/pve/local"));
  symlinkSync("nodes/pve/qemu-server", paths.at("/etc/pve/qemu-server"));
  mkdirSync(paths.at("/run/qemu-server"), { recursive: true });
  mkdirSync(paths.at(TASKS), { recursive: true });

  return {
    configure(vmid, text) {
      const path = `/etc/pve/nodes/pve/qemu-server/${vmid}.conf`;
      if (text === undefined) rmSync(paths.at(path));
      else write(path, text);
    },
    move(vmid, from, to) {
      const place = (name: string) => paths.at(`/etc/pve/nodes/${name}/qemu-server/${vmid}.conf`);
      mkdirSync(dirname(place(to)), { recursive: true });
      renameSync(place(from), place(to));
    },
    mapping: (text) => write("/etc/pve/mapping/pci.cfg", text),
    runs(vmid, pid, since) {
      const path = `/run/qemu-server/${vmid}.pid`;
      if (pid === undefined) rmSync(paths.at(path));
      else write(path, `${pid}\n`, since);
    },
    task(kind, vmid, log, { startedAt, writtenAt = startedAt, upid, pid = 4_000_000 }) {
      tasks += 1;
      const hex = (value: number) => Math.floor(value).toString(16).toUpperCase().padStart(8, "0");
      const name =
        upid ?? `UPID:pve:${hex(pid)}:${hex(tasks)}:${hex(startedAt / 1000)}:${kind}:${vmid}:root@pam:`;
      const digit = name.split(":")[4]?.at(-1);
      if (upid === undefined) write(`${TASKS}/${digit}/${name}`, log, writtenAt);
      else {
        writeFileSync(paths.at(`${TASKS}/${digit}/${name}`), log);
        utimesSync(paths.at(`${TASKS}/${digit}/${name}`), writtenAt / 1000, writtenAt / 1000);
      }
      write(`${TASKS}/active`, `${name} ${tasks}\n`);
      return name;
    },
  };
}
