import assert from "node:assert/strict";
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
import { dirname, join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { configPaths, loadConfig } from "../../src/config.ts";
import type { Daemon, DaemonOptions } from "../../src/daemon/daemon.ts";
import { createServiceLog } from "../../src/daemon/log.ts";
import { startRestartingDaemon } from "../../src/daemon/restarting-daemon.ts";
import type { HostPaths } from "../../src/host-paths.ts";
import { readRecordedSnapshot } from "../../src/replay/recorded-snapshot.ts";
import { buildHostTree } from "../../src/replay/recorded-tree.ts";
import { openStore } from "../../src/store/open.ts";
import type { Store } from "../../src/store/store.ts";
import { startFakeLibvirtd } from "../libvirt/fake-libvirtd.ts";
import { recordingPath } from "./recorded-tree.ts";
import { createSkippingClock, type SkippingClock } from "./skipping-clock.ts";

const LOGS = "/var/log/libvirt/qemu";

/** What a command channel got, as it stood on its standard input. */
export interface ToldAlert {
  readonly incidentId: string;
  readonly kind: string;
  readonly subject: string;
  readonly vm?: string;
  readonly causeClass?: string;
  readonly cause?: string;
  readonly changes: readonly string[];
  readonly lastGood?: string;
  readonly remedy?: string;
  readonly command?: string;
  readonly text: string;
  /** When the script ran, UTC epoch milliseconds of the machine's clock. */
  readonly ranAt: number;
}

/** One boot of a recorded host, as files. */
export interface Boot {
  readonly paths: HostPaths;
  /** What a VM's log says of a start, from `starting up` to its end; the machine's times are put in. */
  failsToStart(vm: string): void;
  starts(vm: string): void;
  /** What it says when that start fails after all. */
  fails(vm: string): void;
  shutsDown(vm: string): void;
}

/** A host that the real service watches, with a history, settings and a command channel that outlive its boots. */
export interface WatchedHost {
  readonly clock: SkippingClock;
  readonly database: string;
  readonly settingsFile: string;
  readonly lines: string[];
  boot(recording: readonly string[]): Boot;
  start(boot: Boot, options?: Pick<DaemonOptions, "overviewCommand" | "metricsCommand">): Promise<Daemon>;
  /** The one that was started last. */
  daemon(): Daemon;
  /** Skips time until it is so. */
  hurryUntil(what: () => boolean): Promise<void>;
  /** Waits until nothing is left in the outbox. */
  allDelivered(): Promise<void>;
  told(): readonly ToldAlert[];
  settings(text: string): void;
  read<T>(use: (store: Store) => T): T;
}

/** Makes it; everything goes when the test ends. `settings` are lines added to those that switch the channel on. */
export function createWatchedHost(context: TestContext, settings = ""): WatchedHost {
  const directory = mkdtempSync(join(tmpdir(), "watched-"));
  const clock = createSkippingClock();
  const at = (name: string) => join(directory, name);
  const [database, settingsFile, script, outbox] = [
    ...[at("history.db"), at("settings/vfio-watch.cfg"), at("tell"), at("told.jsonl")],
  ] as [string, string, string, string];
  const lines: string[] = [];
  const daemons: Daemon[] = [];
  context.after(async () => {
    for (const daemon of daemons) await daemon.stop().catch(() => {});
    rmSync(directory, { recursive: true, force: true });
  });
  writeFileSync(
    script,
    `#!/bin/sh\nline=$(cat)\nprintf '%s %s\\n' "$(date +%s%3N)" "$line" >> '${outbox}'\n`,
  );
  chmodSync(script, 0o755);
  const write = (text: string) => {
    mkdirSync(dirname(settingsFile), { recursive: true });
    writeFileSync(
      settingsFile,
      // On Proxmox mail is on by itself, and root of the machine that runs the tests wants none.
      `DATABASE="${database}"\nNOTIFY_MAIL="no"\nNOTIFY_COMMAND="yes"\nCOMMAND="${script}"\n${text}\n`,
    );
  };
  write(settings);
  let boots = 0;
  const read: WatchedHost["read"] = (use) => {
    const opened = openStore({ path: database, readOnly: true, clock });
    if (opened.state === "refused") assert.fail(opened.why);
    try {
      return use(opened.store);
    } finally {
      opened.store.close();
    }
  };

  return {
    ...{ clock, database, settingsFile, lines, settings: write, read },
    daemon: () => daemons.at(-1) ?? assert.fail("no service was started"),
    allDelivered: () => until(() => read((store) => store.alerts.nextDueAt()) === undefined),
    boot(recording) {
      boots += 1;
      const snapshot = readRecordedSnapshot(recordingPath(...recording));
      const id = `${String(boots).padStart(8, "0")}-0000-4000-8000-000000000000`;
      const files = {
        "/proc/sys/kernel/random/boot_id": `${id}\n`,
        // Long up: while a host comes up not everything is told.
        "/proc/uptime": "600.00 500.00\n",
        [`${LOGS}/.keep`]: "",
      };
      const paths = buildHostTree(at(`boot-${boots}`), { ...snapshot, files });
      return { paths, ...createLog(paths, clock) };
    },
    async start({ paths }, options = {}) {
      const environment = {
        VFIO_WATCH_RUNTIME_DIRECTORY: at("run"),
        VFIO_WATCH_CONFIG: settingsFile,
        VFIO_WATCH_ROOT: paths.root,
      };
      const places = configPaths(paths, undefined, environment);
      const started = await startRestartingDaemon({
        ...{ paths, clock, environment, version: "test", unraid: false, settingsFile },
        log: createServiceLog({
          ...{ level: "info", format: "text", journal: false },
          write: (line) => lines.push(line),
        }),
        loadConfig: () => loadConfig({ paths: places, environment }),
        ...options,
      });
      assert.equal(started.state, "running", JSON.stringify(started));
      daemons.push(started.daemon);
      return started.daemon;
    },
    hurryUntil: (what) =>
      until(() => {
        if (what()) return true;
        clock.skip(5_000);
        return false;
      }),
    told() {
      if (!existsSync(outbox)) return [];
      return readFileSync(outbox, "utf8")
        .split("\n")
        .slice(0, -1)
        .map((line) => {
          const space = line.indexOf(" ");
          const alert = JSON.parse(line.slice(space + 1)) as Omit<ToldAlert, "ranAt">;
          return { ...alert, ranAt: Number(line.slice(0, space)) };
        });
    },
  };
}

function createLog(paths: HostPaths, clock: SkippingClock): Omit<Boot, "paths"> {
  const stamp = () => `${new Date(clock.now()).toISOString().replace("T", " ").replace("Z", "")}+0000`;
  const append = (vm: string, text: string) => appendFileSync(paths.at(`${LOGS}/${vm}.log`), text);
  const begin = (vm: string) =>
    `${stamp()}: starting up libvirt version: 11.3.0, qemu version: 10.0.13, kernel: 6.12.107, hostname: rig\n` +
    `LC_ALL=C \\\n/usr/bin/qemu-system-x86_64 \\\n-name 'guest=${vm},debug-threads=on' \\\n` +
    `-device '{"driver":"vfio-pci","host":"0000:01:00.0","id":"hostdev0","bus":"pci.2","addr":"0x1"}' \\\n` +
    "-msg timestamp=on\n";
  const failed = () => {
    const refused =
      'qemu-system-x86_64: -device {"driver":"vfio-pci","host":"0000:01:00.0","id":"hostdev0"}: vfio 0000:01:00.0: ' +
      "failed to setup container for group 8: Failed to set group container: Invalid argument";
    return `${new Date(clock.now()).toISOString()} ${refused}\n${stamp()}: shutting down, reason=failed\n`;
  };
  return {
    failsToStart: (vm) => append(vm, `${begin(vm)}${failed()}`),
    fails: (vm) => append(vm, failed()),
    starts: (vm) => append(vm, begin(vm)),
    shutsDown: (vm) => append(vm, `${stamp()}: shutting down, reason=shutdown\n`),
  };
}

/** Waits until it is so; fails after ten seconds. */
export async function until(what: () => boolean, why = "it did not come to pass"): Promise<void> {
  for (let tries = 0; tries < 1_000 && !what(); tries += 1) await delay(10);
  assert.ok(what(), why);
}

/** A libvirtd that speaks its protocol, at the socket of a host made of files; it goes when the test ends. */
export async function fakeLibvirt(context: TestContext, paths: HostPaths) {
  mkdirSync(paths.at("/run/libvirt"), { recursive: true });
  const libvirt = await startFakeLibvirtd(paths.at("/run/libvirt/libvirt-sock"));
  context.after(() => libvirt.stop());
  return libvirt;
}
