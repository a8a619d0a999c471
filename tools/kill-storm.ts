import { type ChildProcess, spawn } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { readRecordedSnapshot } from "../src/replay/recorded-snapshot.ts";
import { buildHostTree } from "../src/replay/recorded-tree.ts";
import { openStore } from "../src/store/open.ts";
import { buildRelease } from "./build.ts";

const HELP = `Kills a service with SIGKILL again and again while VMs fail to start, beside another one that is left alone
and reads the same logs, and compares what the two know in the end.

  --kills N       so many (default 100)
  --longest MS    a life lasts from 0 to so long (default 5000)
  --seed N        for other moments and other failures (default 1)
  --keep          leave the two hosts for a look

Exit code 1 where a start or its cause differs, an alert never left, or more than one in twenty left twice.`;

const RECORDING = fileURLToPath(
  new URL("../test/fixtures/recordings/good-intel/snap-before", import.meta.url),
);
const VMS = 80;
/** Starts of one device so near to one another could each be the one that the kernel means (ms). */
const APART = 15_000;
const SETTLED_AFTER = 45_000;

const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "100" },
    longest: { type: "string", default: "5000" },
    seed: { type: "string", default: "1" },
    keep: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

/** Mulberry32: the same storm again for the same seed. */
function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What the channel's command is given of an alert. */
interface Alert {
  readonly kind: string;
  readonly vm: string;
  readonly incidentId: string;
}

/** A host of files with the service on it; everything that is said on it is said by `say`. */
interface Host {
  say(file: string, text: string): void;
  start(): ChildProcess;
  readonly database: string;
  alerts(): readonly Alert[];
  remove(): void;
}

function createHost(program: string): Host {
  const directory = mkdtempSync(join(tmpdir(), "vfio-watch-storm-"));
  const paths = buildHostTree(join(directory, "root"), {
    ...readRecordedSnapshot(RECORDING),
    modules: ["vfio", "vfio_pci", "vfio_iommu_type1"],
    files: {
      "/proc/sys/kernel/random/boot_id": "5707a000-0000-4000-8000-000000000000\n",
      "/proc/uptime": "60.00 50.00\n",
      "/var/log/syslog": "",
      "/var/log/libvirt/libvirtd.log": "",
      "/var/log/libvirt/qemu/.keep": "",
    },
  });
  mkdirSync(join(directory, "run"), { mode: 0o700 });
  const told = join(directory, "told");
  const channel = join(directory, "channel");
  writeFileSync(channel, `#!/bin/sh\nline=$(cat)\nprintf '%s\\n' "$line" >> '${told}'\n`);
  chmodSync(channel, 0o755);
  const database = join(directory, "history.db");
  return {
    database,
    say: (file, text) => appendFileSync(paths.at(file), text),
    start: () =>
      spawn(process.execPath, [program, "run", "--database", database], {
        cwd: "/",
        env: {
          PATH: process.env.PATH,
          ...{ VFIO_WATCH_ROOT: paths.root, VFIO_WATCH_CONFIG: join(directory, "vfio-watch.cfg") },
          ...{ VFIO_WATCH_RUNTIME_DIRECTORY: join(directory, "run") },
          ...{ VFIO_WATCH_NOTIFY_COMMAND: "yes", VFIO_WATCH_COMMAND: channel },
          ...{ VFIO_WATCH_ALERT_BURST: "100", VFIO_WATCH_ALERT_HOURLY: "1000" },
        },
        stdio: ["ignore", "ignore", "inherit"],
      }),
    alerts: () =>
      !existsSync(told)
        ? []
        : readFileSync(told, "utf8")
            .split("\n")
            .filter(Boolean)
            .map((line) => JSON.parse(line) as Alert)
            .filter(({ kind }) => kind.startsWith("start-failed")),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

const stamp = (at: number) => `${new Date(at).toISOString().replace("T", " ").replace("Z", "")}+0000`;
const iso = (at: number) => new Date(at).toISOString();

/** What one failing start says, as (milliseconds after its beginning, file, text), the text with its own times. */
type Said = readonly [after: number, file: string, text: (at: number) => string];

/** A start fails in one of four ways; the kernel's word comes before QEMU's, with it, or late. */
function failure(vm: string, device: string, way: number, random: () => number): readonly Said[] {
  const log = `/var/log/libvirt/qemu/${vm}.log`;
  const argument = `-device {"driver":"vfio-pci","host":"${device}","id":"hostdev0"}`;
  const kernel = (text: string): Said => [
    Math.floor(random() * 250),
    "/var/log/syslog",
    (at) => `${iso(at)} host kernel: vfio-pci ${device}: ${text}\n`,
  ];
  const begin: Said = [
    0,
    log,
    (at) =>
      `${stamp(at)}: starting up libvirt version: 11.3.0, qemu version: 10.0.3, kernel: 6.12.107, hostname: host\n` +
      `LC_ALL=C \\\n/usr/bin/qemu-system-x86_64 \\\n-name 'guest=${vm},debug-threads=on' \\\n` +
      `-device '{"driver":"vfio-pci","host":"${device}","id":"hostdev0"}' \\\n-msg timestamp=on\n`,
  ];
  const qemu = (text: string): Said => [
    260,
    log,
    (at) => `${iso(at)} qemu-system-x86_64: ${argument}: vfio ${device}: ${text}\n`,
  ];
  const libvirtd: Said = [
    290,
    "/var/log/libvirt/libvirtd.log",
    (at) =>
      `${stamp(at)}: 732: error : qemuProcessReportLogError:1971 : internal error: QEMU unexpectedly closed the monitor (vm='${vm}')\n`,
  ];
  const end: Said = [320, log, (at) => `${stamp(at)}: shutting down, reason=failed\n`];
  const refused = "Failed to set group container: Invalid argument";
  switch (way) {
    case 0: {
      const text =
        "Firmware has requested this device have a 1:1 IOMMU mapping, rejecting configuring the device without a 1:1 mapping. Contact your platform vendor.";
      return [begin, kernel(text), qemu(`failed to setup container for group 8: ${refused}`), libvirtd, end];
    }
    case 1:
      return [
        begin,
        kernel("not ready 65535ms after bus reset; giving up"),
        qemu("error getting device from group 8: No such device"),
        end,
      ];
    case 2:
      return [begin, qemu("group 8 is not viable"), libvirtd, end];
    default:
      return [
        begin,
        kernel("Unable to change power state from D3cold to D0, device inaccessible"),
        libvirtd,
        end,
      ];
  }
}

/** Both hosts hear of failing starts until `isOver`; resolves with their number. */
async function failAway(
  hosts: readonly Host[],
  random: () => number,
  isOver: () => boolean,
): Promise<number> {
  const free = new Map<string, number>();
  const saying: Promise<void>[] = [];
  let starts = 0;
  while (!isOver()) {
    const number = Math.floor(random() * VMS);
    const device = `0000:${(16 + number).toString(16)}:00.0`;
    const wait = Math.floor(random() * 600);
    if ((free.get(device) ?? 0) <= Date.now()) {
      free.set(device, Date.now() + APART);
      starts += 1;
      saying.push(say(hosts, failure(`vm ${number}`, device, number % 4, random)));
    }
    await pause(wait);
  }
  await Promise.all(saying);
  return starts;
}

async function say(hosts: readonly Host[], said: readonly Said[]): Promise<void> {
  const began = Date.now();
  for (const [after, file, text] of said.toSorted((a, b) => a[0] - b[0])) {
    await pause(Math.max(0, began + after - Date.now()));
    const line = text(Date.now());
    for (const host of hosts) host.say(file, line);
  }
}

/** What the history says of each start, with the kernel's evidence: that is what a kill took away. */
function startsOf(database: string): readonly string[] {
  const opened = openStore({ path: database, readOnly: true, clock: { now: Date.now } });
  if (opened.state === "refused") throw new Error(opened.why);
  const { store } = opened;
  const lines = store.attempts.list({ first: "oldest" }).map((row) => {
    const attempt = store.attempts.full(row.number, () => undefined);
    const known = attempt?.evidence.filter(({ matches }) => matches.length > 0).length ?? 0;
    return `${iso(row.openedAt)} ${row.vm} ${row.outcome} ${attempt?.diagnosis?.causes[0]?.signature} evidence ${known}`;
  });
  store.close();
  return lines.toSorted();
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    else child.once("exit", () => resolve());
  });
}

async function end(child: ChildProcess, signal: "SIGKILL" | "SIGTERM"): Promise<void> {
  child.kill(signal);
  await ended(child);
}

async function storm(kills: number, longest: number, seed: number): Promise<boolean> {
  const release = mkdtempSync(join(tmpdir(), "vfio-watch-release-"));
  await buildRelease(release);
  const program = join(release, "vfio-watch.mjs");
  const [killed, control] = [createHost(program), createHost(program)];
  const random = createRandom(seed);
  const moments = createRandom(seed + 1);
  let isOver = false;
  const left = control.start();
  let current = killed.start();
  process.once("exit", () => {
    left.kill("SIGKILL");
    current.kill("SIGKILL");
  });
  const failing = failAway([killed, control], random, () => isOver);
  for (let number = 1; number <= kills; number += 1) {
    await pause(Math.floor(moments() * longest));
    await end(current, "SIGKILL");
    current = killed.start();
    if (number % 25 === 0) process.stderr.write(`${number} kills\n`);
  }
  isOver = true;
  const starts = await failing;
  await pause(SETTLED_AFTER);
  await end(current, "SIGTERM");
  await end(left, "SIGTERM");

  const [a, b] = [startsOf(killed.database), startsOf(control.database)];
  const lost = b.filter((line) => !a.includes(line));
  const odd = a.filter((line) => !b.includes(line));
  const alerts = killed.alerts();
  const told = new Set(alerts.map(({ vm }) => vm));
  const wanted = new Set(control.alerts().map(({ vm }) => vm));
  const untold = [...wanted].filter((vm) => !told.has(vm));
  const incidents = new Set(alerts.map(({ incidentId }) => incidentId));
  const twice = alerts.length - incidents.size;
  process.stdout.write(
    `${kills} kills, ${starts} failed starts of ${VMS} VMs\n` +
      `starts          killed ${a.length}, control ${b.length}, the same ${b.length - lost.length}\n` +
      `VMs told of     killed ${told.size}, control ${wanted.size}, never ${untold.length}\n` +
      `alerts          killed ${alerts.length}, of which a second time ${twice}\n` +
      [...lost.map((line) => `- ${line}\n`), ...odd.map((line) => `+ ${line}\n`)].slice(0, 40).join(""),
  );
  if (values.keep) process.stdout.write(`${killed.database}\n${control.database}\n`);
  else for (const host of [killed, control]) host.remove();
  rmSync(release, { recursive: true, force: true });
  const isSound = b.length === starts && lost.length === 0 && odd.length === 0;
  return isSound && untold.length === 0 && twice <= starts / 20;
}

if (values.help) process.stdout.write(`${HELP}\n`);
else {
  const isGood = await storm(Number(values.kills), Number(values.longest), Number(values.seed));
  process.exitCode = isGood ? 0 : 1;
}
