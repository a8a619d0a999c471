import type { ChildProcess } from "node:child_process";
import { spawn, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { needsPrograms } from "../helpers/needs.ts";

/** A libvirtd of the test's own: its sockets, configuration, state and logs are below `root`. */
export interface OwnLibvirtd {
  /** Root for `HostPaths`: the socket is at `run/libvirt/libvirt-sock` in it. */
  readonly root: string;
  start(): void;
  signal(signal: "SIGKILL" | "SIGSTOP" | "SIGCONT"): void;
  /** Resolves when the process is gone. */
  gone(): Promise<void>;
  /** Runs virsh against it; what it printed on both streams, and its exit code. */
  virsh(...words: readonly string[]): Promise<{ readonly code: number | null; readonly text: string }>;
  /** The log of a VM. */
  domainLog(vm: string): string;
  /** Ends it and what it started, and removes all that it left. */
  remove(): Promise<void>;
}

/** libvirt's compiled-in directories, and where they are below the root. */
const PLACES = [
  ["/run/libvirt", "run/libvirt"],
  ["/etc/libvirt", "etc"],
  ["/var/lib/libvirt", "lib"],
  ["/var/log/libvirt", "log"],
  ["/var/cache/libvirt", "cache"],
] as const;

/** What keeps a libvirtd of one's own from running here, or undefined. */
export function whyNoLibvirtd(): string | undefined {
  const missing = needsPrograms("libvirtd", "virsh", "qemu-system-x86_64");
  if (missing !== false) return `${missing}; run tools/real-libvirt.sh`;
  if (process.getuid?.() !== 0) return "libvirtd for qemu:///system needs root";
  if (spawnSync("unshare", ["-m", "true"]).status !== 0) {
    return "no mount namespace can be made here, and the host's own libvirt is not to be touched";
  }
  return undefined;
}

/** Prepares a libvirtd; it shares nothing with one that the host may run. */
export function prepareLibvirtd(): OwnLibvirtd {
  const root = mkdtempSync(join(tmpdir(), "vwr-"));
  // Mount points have to exist outside the namespace; those made here go again.
  const made = PLACES.map(([place]) => place).filter((place) => !existsSync(place));
  for (const [place, own] of PLACES) {
    mkdirSync(place, { recursive: true });
    mkdirSync(join(root, own), { recursive: true });
  }
  const configuration = join(root, "libvirtd.conf");
  writeFileSync(
    configuration,
    [
      `unix_sock_dir = "${root}/run/libvirt"`,
      'auth_unix_rw = "none"',
      'auth_unix_ro = "none"',
      `log_outputs = "3:file:${root}/log/libvirtd.log"`,
    ].join("\n"),
  );
  // No user, no cgroup, no device namespace and no other daemon: QEMU runs in any container.
  writeFileSync(
    join(root, "etc/qemu.conf"),
    [
      'user = "root"',
      'group = "root"',
      'security_driver = "none"',
      'stdio_handler = "file"',
      "namespaces = []",
      "cgroup_controllers = []",
      "remember_owner = 0",
    ].join("\n"),
  );
  const mounts = PLACES.map(([place, own]) => `mount --bind "$1/${own}" ${place} || exit 1`).join("\n");
  const script = `${mounts}\nexec libvirtd -f "$2" -p "$1/libvirtd.pid"`;

  let daemon: ChildProcess | undefined;
  const gone = (): Promise<void> =>
    new Promise((resolve) => {
      if (daemon === undefined || daemon.exitCode !== null || daemon.signalCode !== null) resolve();
      else daemon.once("exit", () => resolve());
    });
  return {
    root,
    start() {
      // Every step replaces the one before: the child is libvirtd itself.
      daemon = spawn("unshare", ["-m", "sh", "-c", script, "sh", root, configuration], { stdio: "ignore" });
    },
    signal: (signal) => void daemon?.kill(signal),
    gone,
    virsh(...words) {
      const socket = join(root, "run/libvirt/libvirt-sock");
      const child = spawn("virsh", ["-c", `qemu:///system?socket=${socket}`, ...words], {
        env: { ...process.env, LC_ALL: "C" },
        stdio: ["ignore", "pipe", "pipe"],
      });
      const printed: Buffer[] = [];
      child.stdout.on("data", (bytes: Buffer) => printed.push(bytes));
      child.stderr.on("data", (bytes: Buffer) => printed.push(bytes));
      return new Promise((resolve) => {
        child.once("close", (code) => resolve({ code, text: Buffer.concat(printed).toString("utf8") }));
      });
    },
    domainLog: (vm) => readFileSync(join(root, "log/qemu", `${vm}.log`), "utf8"),
    async remove() {
      daemon?.kill("SIGKILL");
      await gone();
      for (const pid of guestProcesses(root)) process.kill(pid, "SIGKILL");
      rmSync(root, { recursive: true, force: true });
      for (const place of made) if (readdirSync(place).length === 0) rmdirSync(place);
    },
  };
}

/** QEMU outlives its libvirtd; libvirt keeps a pid file for each. */
function guestProcesses(root: string): readonly number[] {
  const directory = join(root, "run/libvirt/qemu");
  if (!existsSync(directory)) return [];
  return readdirSync(directory)
    .filter((name) => name.endsWith(".pid"))
    .map((name) => Number(readFileSync(join(directory, name), "utf8")))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8").startsWith("/usr/bin/qemu-system-x86_64");
      } catch {
        return false;
      }
    });
}
