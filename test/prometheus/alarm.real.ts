import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { freePort } from "../fleet/own-postgres.ts";
import { needsPrograms } from "../helpers/needs.ts";
import { createWatchedHost } from "../helpers/watched-host.ts";

const skip = needsPrograms("prometheus", "prometheus-node-exporter", "prometheus-alertmanager");
const directory = mkdtempSync(join(tmpdir(), "vfio-watch-alarm-"));
const project = join(import.meta.dirname, "../..");
const programs: ChildProcess[] = [];
after(async () => {
  for (const program of programs) {
    const ended = new Promise((resolve) => program.once("exit", resolve));
    program.kill("SIGKILL");
    await ended;
  }
  rmSync(directory, { recursive: true, force: true });
});

function start(program: string, ...args: string[]): void {
  programs.push(spawn(program, args, { stdio: "ignore", cwd: directory }));
}

async function until<T>(what: string, find: () => T | undefined | Promise<T | undefined>): Promise<T> {
  for (let tries = 0; tries < 600; tries += 1) {
    const found = await find();
    if (found !== undefined) return found;
    await pause(100);
  }
  assert.fail(`it never came to it that ${what}`);
}

interface Notification {
  readonly status: string;
  readonly alerts: readonly { readonly status: string; readonly labels: Readonly<Record<string, string>> }[];
}

/** A webhook that keeps what it gets. */
async function listen(): Promise<{ readonly url: string; readonly got: readonly Notification[] }> {
  const got: Notification[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (text: Buffer) => {
      body += text.toString();
    });
    request.on("end", () => {
      got.push(JSON.parse(body) as Notification);
      response.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  after(() => server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, got };
}

test("a start that fails becomes a textfile, a rule's alarm and one message of Alertmanager; once it works, its end", {
  skip,
}, async (context) => {
  const [exporter, prometheus, alertmanager] = [await freePort(), await freePort(), await freePort()];
  const textfiles = join(directory, "textfiles");
  mkdirSync(textfiles);
  const { url, got } = await listen();
  // The shipped files, but for the waits of a real one.
  const example = readFileSync(join(project, "config/prometheus/alertmanager.example.yml"), "utf8");
  writeFileSync(
    join(directory, "alertmanager.yml"),
    example
      .replace("group_wait: 30s", "group_wait: 1s")
      .replace("group_interval: 5m", "group_interval: 1s")
      .replace(/http:\/\/127\S+/, url),
  );
  writeFileSync(
    join(directory, "prometheus.yml"),
    JSON.stringify({
      global: { scrape_interval: "1s", evaluation_interval: "1s" },
      rule_files: [join(project, "config/prometheus/vfio-watch.rules.yml")],
      alerting: { alertmanagers: [{ static_configs: [{ targets: [`127.0.0.1:${alertmanager}`] }] }] },
      scrape_configs: [{ job_name: "node", static_configs: [{ targets: [`127.0.0.1:${exporter}`] }] }],
    }),
  );
  start(
    "prometheus-node-exporter",
    "--collector.disable-defaults",
    "--collector.textfile",
    `--collector.textfile.directory=${textfiles}`,
    `--web.listen-address=127.0.0.1:${exporter}`,
  );
  start(
    "prometheus-alertmanager",
    `--config.file=${join(directory, "alertmanager.yml")}`,
    `--storage.path=${join(directory, "alertmanager")}`,
    "--cluster.listen-address=",
    `--web.listen-address=127.0.0.1:${alertmanager}`,
  );
  start(
    "prometheus",
    `--config.file=${join(directory, "prometheus.yml")}`,
    `--storage.tsdb.path=${join(directory, "tsdb")}`,
    `--web.listen-address=127.0.0.1:${prometheus}`,
  );

  const file = join(textfiles, "vfio-watch.prom");
  const host = createWatchedHost(context, `METRICS_FILE="${file}"`);
  const boot = host.boot(["rmrr-intel", "snap-before"]);
  const root = `VFIO_WATCH_ROOT=${boot.paths.root}`;
  const metricsCommand = [
    "/usr/bin/env",
    root,
    process.execPath,
    join(project, "src/main.ts"),
    "status",
    "--metrics",
  ];
  await host.start(boot, { metricsCommand });
  const metrics = () => {
    host.clock.skip(15_000);
    return existsSync(file) ? readFileSync(file, "utf8") : "";
  };
  await until("the file is there", () => (/^vfio_watch_up 1$/m.test(metrics()) ? true : undefined));
  assert.match(metrics(), /^vfio_watch_host_info\{.*bios="[^"]+.*\} 1$/m);
  assert.equal(got.length, 0);

  boot.failsToStart("vm");
  await host.hurryUntil(() => host.read((store) => store.attempts.list({ failedOnly: true }).length) === 1);
  await until("the failure is in the file", () =>
    /last_start_info\{vm="vm",outcome="failed"/.test(metrics()) ? true : undefined,
  );
  const isStart = ({ alerts }: Notification): boolean =>
    alerts.some(({ labels }) => labels.alertname === "VfioStartFailed");
  const first = await until<Notification>("somebody is told", () => got.find(isStart));
  assert.deepEqual([first.status, first.alerts[0]?.labels.vm], ["firing", "vm"]);
  // Some more evaluations of the rule.
  await pause(6_000);
  assert.equal(got.filter(isStart).length, 1, "told once");

  boot.starts("vm");
  await host.hurryUntil(() => host.read((store) => store.attempts.list({ startedOnly: true }).length) === 1);
  await until("the good start is in the file", () =>
    /last_start_info\{vm="vm",outcome="started"/.test(metrics()) ? true : undefined,
  );
  const end = await until<Notification>("its end is told", () =>
    got.find((one) => isStart(one) && one.status === "resolved"),
  );
  assert.equal(end.alerts[0]?.labels.vm, "vm");

  await host.daemon().stop();
  assert.match(readFileSync(file, "utf8"), /^vfio_watch_up 0$/m);
});
