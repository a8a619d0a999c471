import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { readRecordedSnapshot } from "../../src/replay/recorded-snapshot.ts";
import { buildHostTree } from "../../src/replay/recorded-tree.ts";
import { type FakeLibvirtd, fakeVm, startFakeLibvirtd } from "../../test/libvirt/fake-libvirtd.ts";

const RECORDING = fileURLToPath(
  new URL("../../test/fixtures/recordings/good-intel/snap-before", import.meta.url),
);
const START_PATIENCE = 60_000;

/**
 * A host made of files: the tree of a recorded one, VM logs, a libvirtd that speaks its protocol, and a pipe in
 * place of `/dev/kmsg`, into which anybody can write records of facility 0 (the kernel turns everything that a
 * program writes to the real device into facility 1, which is never evidence).
 */
export interface BenchHost {
  readonly directory: string;
  readonly database: string;
  readonly libvirtd: FakeLibvirtd;
  readonly domainLogs: string;
  /** The file to which the alert channel's command appends a line `seconds.nanoseconds` for each alert. */
  readonly alertTimes: string;
  /** The pipe in place of `/dev/kmsg`, and the number that the next record has to have. */
  readonly kernelLog: string;
  nextSequence(): number;
  /** The service's run-time directory. */
  readonly runtime: string;
  /** Writes records to the kernel log, waiting where the reader is slower. Each text becomes one record. */
  writeKernelRecords(texts: readonly string[]): number;
  /** Starts the service with settings over the usual ones; `program` is the bundle. */
  startService(program: string, settings?: Readonly<Record<string, string>>): Promise<BenchService>;
  remove(): Promise<void>;
}

export interface BenchService {
  readonly pid: number;
  /** From before the process was made until it said that it watches (ms). */
  readonly startMs: number;
  /** What it said at the start: one line a source. */
  readonly said: readonly string[];
  /** The state that it keeps for `status`. */
  state(): { readonly sources: readonly { name: string; state: { state: string }; seen: number }[] };
  /** Ends it in order. */
  stop(): Promise<void>;
}

export async function createBenchHost(): Promise<BenchHost> {
  const directory = mkdtempSync(join(tmpdir(), "vfio-watch-bench-"));
  const root = join(directory, "root");
  const paths = buildHostTree(root, {
    ...readRecordedSnapshot(RECORDING),
    modules: ["vfio", "vfio_pci", "vfio_iommu_type1"],
    files: {
      // The real ones: the kernel log's time stamps are of this boot.
      "/proc/sys/kernel/random/boot_id": readFileSync("/proc/sys/kernel/random/boot_id"),
      "/proc/uptime": readFileSync("/proc/uptime"),
      "/var/log/libvirt/libvirtd.log": "",
      "/etc/libvirt/qemu.conf": "",
      "/etc/modprobe.d/vfio.conf": "options vfio-pci ids=10de:2684\n",
    },
  });
  const domainLogs = paths.at("/var/log/libvirt/qemu");
  mkdirSync(domainLogs, { recursive: true });
  mkdirSync(paths.at("/etc/libvirt/qemu"), { recursive: true });
  const kmsg = paths.at("/dev/kmsg");
  execFileSync("mkfifo", [kmsg]);
  // For reading too, so that the pipe never ends while the service's reader is replaced.
  const records = openSync(kmsg, constants.O_RDWR);
  // The path of a socket may have 107 bytes.
  const socket = paths.at("/run/libvirt/libvirt-sock");
  mkdirSync(paths.at("/run/libvirt"), { recursive: true });
  const libvirtd = await startFakeLibvirtd(socket);
  libvirtd.vms.set("Windows 11", fakeVm("Windows 11", 1));
  const alertTimes = join(directory, "alerts");
  const channel = join(directory, "channel");
  writeFileSync(channel, `#!/bin/sh\nexec date +%s.%N >> ${alertTimes}\n`);
  chmodSync(channel, 0o755);
  // State for `status` lies in memory on a real host (/run), so here too where there is such a place.
  const runtime = existsSync("/dev/shm") ? mkdtempSync("/dev/shm/vfio-watch-bench-") : join(directory, "run");
  const database = join(directory, "history.db");
  let sequence = 0;

  return {
    directory,
    database,
    libvirtd,
    domainLogs,
    alertTimes,
    kernelLog: kmsg,
    nextSequence: () => sequence,
    runtime,
    writeKernelRecords(texts) {
      const zero = process.hrtime.bigint();
      let block = "";
      const flush = () => {
        writeAll(records, block);
        block = "";
      };
      for (const text of texts) {
        block += `4,${sequence++},${zero / 1000n},-;${text}\n`;
        // Not more at once than a pipe takes in one piece (PIPE_BUF), so that no reader sees half a record.
        if (block.length > 3_500) flush();
      }
      flush();
      return Number(process.hrtime.bigint() - zero) / 1e9;
    },
    async startService(program, settings = {}) {
      const began = performance.now();
      const child = spawn(process.execPath, [program, "run", "--database", database], {
        cwd: "/",
        env: {
          PATH: process.env.PATH,
          VFIO_WATCH_ROOT: root,
          VFIO_WATCH_CONFIG: join(directory, "vfio-watch.cfg"),
          VFIO_WATCH_RUNTIME_DIRECTORY: runtime,
          VFIO_WATCH_NOTIFY_COMMAND: "yes",
          VFIO_WATCH_COMMAND: channel,
          VFIO_WATCH_ALERT_BURST: "100",
          VFIO_WATCH_ALERT_HOURLY: "1000",
          ...Object.fromEntries(Object.entries(settings).map(([key, value]) => [`VFIO_WATCH_${key}`, value])),
        },
        stdio: ["ignore", "pipe", "inherit"],
      });
      // Whoever breaks the bench off leaves no service behind.
      const endWithUs = () => void child.kill("SIGKILL");
      process.once("exit", endWithUs);
      child.once("exit", () => process.off("exit", endWithUs));
      const said: string[] = [];
      await untilItWatches(child, said);
      const startMs = performance.now() - began;
      return {
        pid: child.pid ?? 0,
        startMs,
        said,
        state: () => JSON.parse(readFileSync(join(runtime, "state.json"), "utf8")),
        async stop() {
          const gone = new Promise((resolve) => child.once("exit", resolve));
          if (child.exitCode !== null || child.signalCode !== null) return;
          child.kill("SIGTERM");
          await gone;
        },
      };
    },
    async remove() {
      closeSync(records);
      await libvirtd.stop();
      rmSync(directory, { recursive: true, force: true });
      rmSync(runtime, { recursive: true, force: true });
    },
  };
}

function writeAll(descriptor: number, text: string): void {
  const bytes = Buffer.from(text, "latin1");
  for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at);
}

function untilItWatches(child: ChildProcess, said: string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const impatience = setTimeout(() => {
      child.kill("SIGKILL");
      reject(new Error(`the service did not come up:\n${said.join("\n")}`));
    }, START_PATIENCE);
    const over = (settle: () => void) => {
      clearTimeout(impatience);
      settle();
    };
    child.once("exit", (code) =>
      over(() => reject(new Error(`the service ended with ${code}:\n${said.join("\n")}`))),
    );
    if (child.stdout === null) return;
    createInterface(child.stdout).on("line", (line) => {
      said.push(line);
      if (said.length > 10_000) said.splice(0, 5_000);
      if (line.includes(" is watching")) over(resolve);
    });
  });
}
