import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { createVirtualClock } from "../../src/clock.ts";
import { createSystemdNotifier } from "../../src/daemon/systemd-notify.ts";
import { needsPrograms } from "../helpers/needs.ts";

const directories: string[] = [];
afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
});

/** A command that writes down, one line a call, what it was told. */
function recorder() {
  const directory = mkdtempSync(join(tmpdir(), "vfio-watch-notify-"));
  directories.push(directory);
  const said = join(directory, "said");
  const program = join(directory, "systemd-notify");
  writeFileSync(program, `#!/bin/sh\nprintf '%s|' "$@" >>'${said}'\necho >>'${said}'\n`);
  chmodSync(program, 0o755);
  const lines = () => (existsSync(said) ? readFileSync(said, "utf8").trimEnd().split("\n") : []);
  return { program, lines };
}

async function until(condition: () => boolean): Promise<void> {
  for (let round = 0; !condition(); round++) {
    assert.ok(round < 500, "it never came");
    await pause(10);
  }
}

function quietLog() {
  const errors: string[] = [];
  const log = {
    error: (message: string) => void errors.push(message),
    warn() {},
    info() {},
    debug() {},
    setLevel() {},
    setFormat() {},
  };
  return { log, errors };
}

test("readiness is told with a status of one line", async () => {
  const { program, lines } = recorder();
  const notifier = createSystemdNotifier({
    environment: { NOTIFY_SOCKET: "/run/x" },
    clock: createVirtualClock(0),
    log: quietLog().log,
    program,
  });
  notifier.ready("watching;\nREADY=0", () => true);
  await until(() => lines().length === 1);
  assert.deepEqual(lines(), ["READY=1|STATUS=watching; READY=0|"]);
});

test("the watchdog is fed at two fifths of its time, and not while nothing gets on", async () => {
  const { program, lines } = recorder();
  const clock = createVirtualClock(0);
  const { log, errors } = quietLog();
  let healthy = true;
  const notifier = createSystemdNotifier({
    environment: { NOTIFY_SOCKET: "/run/x", WATCHDOG_USEC: "300000000" },
    clock,
    log,
    program,
  });
  notifier.ready("watching", () => healthy);
  await until(() => lines().length === 1);
  clock.moveTo(119_999);
  clock.moveTo(120_000);
  await until(() => lines().length === 2);
  healthy = false;
  clock.moveTo(480_000);
  assert.equal(errors.length, 1);
  healthy = true;
  clock.moveTo(600_000);
  await until(() => lines().length === 3);
  notifier.stopping();
  clock.moveTo(6_000_000);
  await until(() => lines().length === 4);
  assert.deepEqual(lines().slice(1), ["WATCHDOG=1|", "WATCHDOG=1|", "STOPPING=1|"]);
});

test("a watchdog that is meant for another process is left alone", async () => {
  const { program, lines } = recorder();
  const clock = createVirtualClock(0);
  const environment = { NOTIFY_SOCKET: "/run/x", WATCHDOG_USEC: "300000000", WATCHDOG_PID: "1" };
  createSystemdNotifier({ environment, clock, log: quietLog().log, program, pid: 77 }).ready("", () => true);
  clock.moveTo(1_000_000);
  await until(() => lines().length === 1);
  assert.deepEqual(lines(), ["READY=1|STATUS=|"]);
});

test("without systemd nothing is started", () => {
  const { log, errors } = quietLog();
  const notifier = createSystemdNotifier({
    environment: {},
    clock: createVirtualClock(0),
    log,
    program: "/nonexistent/systemd-notify",
  });
  notifier.ready("watching", () => true);
  notifier.stopping();
  assert.deepEqual(errors, []);
});

test("a host without systemd-notify is told once what to do", async () => {
  const { log, errors } = quietLog();
  const notifier = createSystemdNotifier({
    environment: { NOTIFY_SOCKET: "/run/x" },
    clock: createVirtualClock(0),
    log,
    program: "/nonexistent/systemd-notify",
  });
  notifier.ready("watching", () => true);
  notifier.status("still");
  await until(() => errors.length > 0);
  await pause(50);
  assert.equal(errors.length, 1);
  assert.match(errors[0] ?? "", /Type=simple/);
});

const python = ["/usr/bin/python3", "/usr/local/bin/python3"].find((path) => existsSync(path));

test("the real systemd-notify reaches a socket like systemd's", {
  skip:
    needsPrograms("/usr/bin/systemd-notify") ||
    (python === undefined && "needs python3 for a datagram socket"),
}, async () => {
  const directory = mkdtempSync(join(tmpdir(), "vfio-watch-notify-"));
  directories.push(directory);
  const socket = join(directory, "notify");
  const script = `
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print("bound", flush=True)
while True:
    data, fds, _, _ = socket.recv_fds(s, 4096, 4)
    for fd in fds: os.close(fd)
    print(data.decode().replace("\\n", "|"), flush=True)
    if b"STOPPING" in data: break
`;
  const listener = spawn(python ?? "", ["-c", script, socket], { stdio: ["ignore", "pipe", "inherit"] });
  let heard = "";
  listener.stdout.on("data", (chunk: Buffer) => {
    heard += chunk.toString();
  });
  await until(() => heard.includes("bound"));
  const notifier = createSystemdNotifier({
    environment: { ...process.env, NOTIFY_SOCKET: socket },
    clock: createVirtualClock(0),
    log: quietLog().log,
  });
  notifier.ready("watching", () => true);
  await until(() => heard.includes("READY=1"));
  notifier.stopping();
  await until(() => heard.includes("STOPPING=1"));
  assert.match(heard, /READY=1\|STATUS=watching/);
});
