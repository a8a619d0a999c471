import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { createCommandChannel } from "../../src/alerts/channels/command.ts";
import { createLogChannel } from "../../src/alerts/channels/log.ts";
import { channelSurroundings } from "../../src/alerts/channels/surroundings.ts";
import { testChannel } from "../../src/alerts/test-channel.ts";
import { createVirtualClock } from "../../src/clock.ts";
import { loadConfig } from "../../src/config.ts";
import { createHostPaths } from "../../src/host-paths.ts";
import { failureOf, HOSTILE, messageOf } from "./examples.ts";

const directory = mkdtempSync(join(tmpdir(), "vfio-watch-command-"));
after(() => rmSync(directory, { recursive: true }));
const clock = createVirtualClock(Date.UTC(2026, 10, 23, 14));
const never = new AbortController().signal;

function channelOf(script: string, more: readonly string[] = []) {
  const file = join(directory, `${Math.random()}.sh`);
  writeFileSync(file, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return createCommandChannel({ argv: [file, ...more], timeLimitMs: 30_000, clock });
}

test("a command gets the alert as one line of JSON, and its arguments as they are", async () => {
  const channel = channelOf(`cat >'${directory}/input'; printf '%s' "$1" >'${directory}/argument'`, [
    "$(id) ; *",
  ]);
  assert.deepEqual(await channel.send(messageOf(failureOf(HOSTILE)), never), { delivered: true });
  const input = readFileSync(join(directory, "input"), "utf8");
  assert.equal(input.indexOf("\n"), input.length - 1);
  const alert = JSON.parse(input);
  assert.deepEqual([alert.vm, alert.incidentId, alert.importance], [HOSTILE, "0123abcdef", "alert"]);
  assert.match(alert.text, /BIOS version: E7E49AMSI\.1A63/);
  assert.equal(readFileSync(join(directory, "argument"), "utf8"), "$(id) ; *");
});

test("an exit code, a signal and a missing program are failed tries that do not show the arguments", async () => {
  const said = async (script: string) =>
    JSON.stringify(await channelOf(script, ["token"]).send(messageOf(failureOf()), never));
  assert.match(await said("exit 3"), /ended with code 3/);
  assert.match(await said("kill -KILL $$"), /was ended by SIGKILL/);
  const missing = createCommandChannel({ argv: ["/nonexistent/tell", "token"], timeLimitMs: 1_000, clock });
  const result = JSON.stringify(await missing.send(messageOf(failureOf()), never));
  assert.match(result, /tell could not be run \(ENOENT\)/);
  assert.doesNotMatch(result + (await said("exit 3")), /token/);
});

test("a command that does not read its input can succeed all the same", async () => {
  const content = { ...failureOf(), cause: "x".repeat(200_000) };
  assert.deepEqual(await channelOf("exit 0").send(messageOf(content), never), { delivered: true });
});

test("a command that runs too long is ended, with what it has started", async () => {
  const pids = join(directory, "pids");
  const fifo = join(directory, "fifo");
  const channel = channelOf(`mkfifo '${fifo}'; cat '${fifo}' & echo $! $$ >'${pids}'; wait`);
  const result = channel.send(messageOf(failureOf()), never);
  while (!existsSync(pids) || !readFileSync(pids, "utf8").endsWith("\n"))
    await new Promise((resolve) => setImmediate(resolve));
  clock.moveTo(clock.now() + 30_000);
  assert.match(JSON.stringify(await result), /"delivered":false,"error":"\d\.\d+\.sh ran longer than 30 s"/);
  for (const pid of readFileSync(pids, "utf8").trim().split(" ")) {
    while (isRunning(Number(pid))) await new Promise((resolve) => setTimeout(resolve, 5));
  }
});

test("what a command has started ends with it, even where it does not want to", async () => {
  const pids = join(directory, "stubborn-pids");
  const channel = channelOf(`(trap '' TERM; sleep 1000) & echo $! >'${pids}'; exec sleep 1000`);
  const result = channel.send(messageOf(failureOf()), never);
  while (!existsSync(pids) || !readFileSync(pids, "utf8").endsWith("\n"))
    await new Promise((resolve) => setImmediate(resolve));
  clock.moveTo(clock.now() + 30_000);
  assert.match(JSON.stringify(await result), /ran longer than 30 s/);
  const child = Number(readFileSync(pids, "utf8"));
  while (isRunning(child)) await new Promise((resolve) => setTimeout(resolve, 5));
});

test("a command does not inherit the settings of other channels", async () => {
  process.env.VFIO_WATCH_NTFY_TOKEN = "hunter2";
  after(() => delete process.env.VFIO_WATCH_NTFY_TOKEN);
  await channelOf(`env >'${directory}/environment'`).send(messageOf(failureOf()), never);
  assert.doesNotMatch(readFileSync(join(directory, "environment"), "utf8"), /hunter2/);
});

test("the log gets one line for each alert, whatever it holds", async () => {
  const lines: string[] = [];
  const say = (message: string) => lines.push(message);
  const channel = createLogChannel({ info: say, warn: say, error: say });
  await channel.send(messageOf(failureOf("a\nERROR forged line\u001b[31m")), never);
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? "", /^'a ERROR forged line \[31m' did not start \| /);
  assert.doesNotMatch(lines[0] ?? "", /[\n\u001b]/);
});

test("a test alert goes through a channel that is not switched on, and says what is missing for one that cannot work", async () => {
  const overrideFile = join(directory, "test.cfg");
  writeFileSync(overrideFile, `COMMAND="/usr/bin/env sh -c 'cat >${directory}/tested'"\n`);
  const { config } = loadConfig({ paths: { shippedFile: undefined, overrideFile, unraid: false } });
  const say = () => {};
  const surroundings = channelSurroundings(config, {
    ...{ host: createHostPaths(directory), clock, environment: {}, machineName: "tower" },
    log: { info: say, warn: say, error: say },
    vmProblems: () => [],
  });
  assert.deepEqual(await testChannel("command", config, surroundings), { delivered: true });
  assert.equal(JSON.parse(readFileSync(join(directory, "tested"), "utf8")).kind, "test");
  const missing = await testChannel("ntfy", config, surroundings);
  assert.equal("error" in missing && missing.error, "NTFY_URL is not set in the settings");
});

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // A child that nobody has waited for yet is gone all the same.
    return !/^State:\s*Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}
