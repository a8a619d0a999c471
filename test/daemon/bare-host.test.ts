import assert from "node:assert/strict";
import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { systemClock } from "../../src/clock.ts";
import { configPaths, loadConfig } from "../../src/config.ts";
import { type Daemon, startDaemon } from "../../src/daemon/daemon.ts";
import { createServiceLog } from "../../src/daemon/log.ts";
import { createHostPaths, type HostPaths } from "../../src/host-paths.ts";
import { openStore } from "../../src/store/open.ts";

const LOGS = "/var/log/libvirt/qemu";

interface Bench {
  readonly paths: HostPaths;
  readonly database: string;
  readonly lines: string[];
  start(): Promise<Daemon>;
}

/** A host of which only the given files exist. */
function bench(context: TestContext, files: Readonly<Record<string, string>> = {}): Bench {
  const root = mkdtempSync(join(tmpdir(), "vfio-watch-bare-"));
  const paths = createHostPaths(root);
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(paths.at(path), ".."), { recursive: true });
    writeFileSync(paths.at(path), content);
  }
  const database = join(root, "state", "history.db");
  const environment = { VFIO_WATCH_DATABASE: database, VFIO_WATCH_RUNTIME_DIRECTORY: join(root, "run") };
  const lines: string[] = [];
  const running: Daemon[] = [];
  context.after(async () => {
    for (const daemon of running) await daemon.stop().catch(() => {});
    rmSync(root, { recursive: true, force: true });
  });
  const settings = configPaths(paths, undefined, environment);
  return {
    paths,
    database,
    lines,
    async start() {
      const started = await startDaemon({
        paths,
        clock: systemClock,
        environment,
        version: "test",
        log: createServiceLog({
          level: "info",
          format: "text",
          journal: false,
          write: (line) => lines.push(line),
        }),
        loadConfig: () => loadConfig({ paths: settings, environment }),
        settingsFile: settings.overrideFile,
        unraid: false,
      });
      assert.equal(started.state, "running", JSON.stringify(started));
      running.push(started.daemon);
      return started.daemon;
    },
  };
}

const BOOT = {
  "/proc/sys/kernel/random/boot_id": "25f6b29e-b230-466a-a4cc-6bff6763642c\n",
  "/proc/uptime": "1000.00 900.00\n",
};

async function until(what: () => boolean): Promise<void> {
  for (let tries = 0; tries < 400 && !what(); tries += 1) await delay(25);
  assert.ok(what(), "it did not come to pass in ten seconds");
}

function stamp(): string {
  return `${new Date().toISOString().replace("T", " ").replace("Z", "")}+0000`;
}

describe("the service on a host where nothing is there", () => {
  it("starts, and says of each source in one line what is missing and what it takes", async (context) => {
    const daemon = await bench(context).start();
    assert.equal(daemon.isHealthy(), true, "waiting for what is missing is no illness");
    const lines = daemon.describe();
    assert.equal(lines.length, 6);
    for (const line of lines) assert.doesNotMatch(line, /\n/);
    for (const source of ["kernel-log", "libvirt", "vfio-nodes", "domain-logs", "libvirtd-log"]) {
      assert.ok(
        lines.some((line) => line.startsWith(`${source}: waiting: `) && line.includes("; ")),
        `${source} in ${lines.join("\n")}`,
      );
    }
  });

  it("notices the logs when they appear, and stores a start that libvirt refused", async (context) => {
    const { paths, database, start } = bench(context, BOOT);
    const daemon = await start();
    mkdirSync(paths.at(LOGS), { recursive: true });
    writeFileSync(paths.at(`${LOGS}/ubuntu.log`), `${stamp()}: shutting down, reason=failed\n`);
    let rows: readonly (readonly [string, string])[] = [];
    await until(() => {
      const opened = openStore({ path: database, readOnly: true, clock: systemClock });
      assert.equal(opened.state, "open");
      rows = opened.store.attempts.list({}).map(({ vm, outcome }) => [vm, outcome]);
      opened.store.close();
      return rows.length > 0;
    });
    assert.deepEqual(rows, [["ubuntu", "failed"]]);
    await daemon.stop();
    assert.equal(daemon.isHealthy(), false, "a service whose sources have ended feeds no watchdog");
  });

  it("keeps a hostile VM name and binary junk as what they are, and runs on", async (context) => {
    const name = '$(reboot)<b>\n"x"';
    const { paths, database, lines, start } = bench(context, { ...BOOT, [`${LOGS}/other.log`]: "" });
    const daemon = await start();
    const file = paths.at(`${LOGS}/${name}.log`);
    writeFileSync(file, Buffer.from([0, 255, 254, 10, 27, 91, 50, 74, 10]));
    appendFileSync(file, `${stamp()}: starting up libvirt version: 11.3.0\nLC_ALL=C \\\n-name x\n`);
    appendFileSync(file, `qemu-system-x86_64: ${"\u001b]0;owned\u0007".repeat(10)}${"A".repeat(100_000)}\n`);
    appendFileSync(file, `${stamp()}: shutting down, reason=failed\n`);
    await until(() => lines.some((line) => line.includes("did not start")));
    for (const line of lines)
      assert.doesNotMatch(line.slice(0, -1), /[\u0000-\u0008\u000a-\u001f]/, "a log line is one line");
    await daemon.stop();
    const opened = openStore({ path: database, readOnly: true, clock: systemClock });
    assert.equal(opened.state, "open");
    const [row] = opened.store.attempts.list({});
    assert.ok(row);
    const full = opened.store.attempts.full(row.number, () => undefined);
    opened.store.close();
    assert.ok(JSON.stringify(full).length < 100_000, "what was said is bounded");
    assert.deepEqual(readdirSync(paths.root).sort(), ["proc", "run", "state", "var"]);
  });

  it("tells nothing twice when it is started again", async (context) => {
    const { paths, database, lines, start } = bench(context, {
      ...BOOT,
      [`${LOGS}/ubuntu.log`]: `${stamp()}: shutting down, reason=failed\n`,
    });
    const first = await start();
    await until(() => lines.some((line) => line.includes("did not start")));
    await first.stop();
    const told = lines.length;
    const second = await start();
    appendFileSync(paths.at(`${LOGS}/ubuntu.log`), `${stamp()}: shutting down, reason=failed\n`);
    await until(() => lines.slice(told).some((line) => line.includes("start of 'ubuntu'")));
    await second.stop();
    const opened = openStore({ path: database, readOnly: true, clock: systemClock });
    assert.equal(opened.state, "open");
    assert.equal(opened.store.attempts.list({}).length, 2);
    assert.equal(opened.store.alerts.incidents({})[0]?.count, 2);
    opened.store.close();
  });

  it("refuses to run beside another service on the same history, and names it", async (context) => {
    const { paths, database, start } = bench(context, BOOT);
    await start();
    const second = openStore({ path: database, clock: systemClock });
    assert.equal(second.state, "refused");
    assert.match(second.why, new RegExp(String(process.pid)));
    assert.ok(paths.root);
  });
});
