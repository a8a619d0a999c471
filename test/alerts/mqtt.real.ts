import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import type { VmProblem } from "../../src/alerts/channels/kind.ts";
import { mqtt } from "../../src/alerts/channels/mqtt.ts";
import { channelSurroundings } from "../../src/alerts/channels/surroundings.ts";
import { systemClock } from "../../src/clock.ts";
import { loadConfigText } from "../../src/config.ts";
import { createHostPaths } from "../../src/host-paths.ts";
import { needsPrograms } from "../helpers/needs.ts";
import { failureOf, messageOf } from "./examples.ts";

const skip = needsPrograms("/usr/sbin/mosquitto", "mosquitto_sub", "mosquitto_passwd");
const directory = mkdtempSync(join(tmpdir(), "vfio-watch-mqtt-"));
const main = join(import.meta.dirname, "../../src/main.ts");
let broker: ChildProcess | undefined;
let port = 0;

before(async () => {
  if (skip !== false) return;
  port = await freePort();
  const passwords = join(directory, "passwords");
  execFileSync("mosquitto_passwd", ["-b", "-c", passwords, "me", "right"]);
  writeFileSync(
    join(directory, "mosquitto.conf"),
    `listener ${port} 127.0.0.1\nallow_anonymous false\npassword_file ${passwords}\nuser root\n`,
  );
  broker = spawn("/usr/sbin/mosquitto", ["-c", join(directory, "mosquitto.conf")], { stdio: "ignore" });
  while (!(await answers())) await pause(50);
});
after(() => {
  broker?.kill();
  rmSync(directory, { recursive: true });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port: free } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return free;
}

function answers(): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => resolve(socket.end() !== undefined));
    socket.on("error", () => resolve(false));
  });
}

/** What the broker keeps for whoever connects later, by topic. */
function retained(): ReadonlyMap<string, Record<string, unknown>> {
  // Its exit code says that the two seconds were over.
  const { stdout } = spawnSync(
    "mosquitto_sub",
    [
      ...["-h", "127.0.0.1", "-p", String(port), "-u", "me", "-P", "right"],
      ...["-t", "#", "-F", "%t %p", "--retained-only", "-W", "2"],
    ],
    { encoding: "utf8" },
  );
  return new Map(
    stdout
      .trim()
      .split("\n")
      .map((line) => {
        const blank = line.indexOf(" ");
        return [line.slice(0, blank), JSON.parse(line.slice(blank + 1)) as Record<string, unknown>];
      }),
  );
}

function channel(password: string, problems: readonly VmProblem[]) {
  const text = `NOTIFY_MQTT=yes\nMQTT_SERVER="mqtt://127.0.0.1:${port}"\nMQTT_USER=me\nMQTT_PASSWORD="${password}"\nHOST_NAME="My Tower"\n`;
  const { config } = loadConfigText(text, { where: "test", unraid: false });
  const nothing = () => {};
  const made = mqtt.create(
    config,
    channelSurroundings(config, {
      ...{ host: createHostPaths(directory), clock: systemClock, environment: {}, machineName: "x" },
      log: { info: nothing, warn: nothing, error: nothing },
      vmProblems: () => problems,
    }),
  );
  assert.ok(made?.showStates);
  return { send: made.send, showStates: made.showStates };
}

/** The channel's child is this program. */
process.argv[1] = main;
const never = new AbortController().signal;
const problem = {
  subject: "'Windows 11' did not start",
  cause: "The firmware demands it.",
  since: Date.UTC(2026, 10, 23),
};

test("each VM is a problem sensor that Home Assistant discovers, and the broker keeps its state", {
  skip,
}, async () => {
  const vms = [
    { vm: "Windows 11", problem },
    { vm: "nas", problem: undefined },
  ];
  assert.deepEqual(await channel("right", vms).send(messageOf(failureOf()), never), { delivered: true });
  const kept = retained();
  const sensors = [...kept].filter(([topic]) => topic.startsWith("homeassistant/binary_sensor/"));
  assert.equal(sensors.length, 2);
  for (const [, sensor] of sensors) {
    assert.equal(sensor.device_class, "problem");
    const state = kept.get(String(sensor.state_topic));
    assert.equal(state?.problem, state?.vm === "nas" ? "OFF" : "ON");
  }
  const last = [...kept].find(([topic]) => topic.endsWith("/last-failure"))?.[1];
  assert.equal(last?.text, "'Windows 11' did not start");
  assert.ok(
    ![...kept.keys()].some((topic) => topic.endsWith("/alert")),
    "an alert is an event and is not kept",
  );

  assert.deepEqual(await channel("right", [{ vm: "Windows 11", problem: undefined }]).showStates(never), {
    delivered: true,
  });
  const healed = [...retained()].filter(([topic]) => topic.includes("/vm/"));
  assert.deepEqual(
    healed.map(([, state]) => state.problem),
    ["OFF", "OFF"],
  );
});

test("a VM that is gone leaves nothing behind", { skip }, async () => {
  const gone = [{ vm: "Windows 11", isGone: true, problem: undefined }];
  assert.deepEqual(await channel("right", gone).showStates(never), { delivered: true });
  assert.ok(![...retained()].some(([topic]) => topic.includes("windows_11")));
});

test("names that are alike but for their signs have topics of their own", { skip }, async () => {
  const vms = ["Win 11", "Win+11", "Win#11", "вм"].map((vm) => ({ vm, problem: undefined }));
  assert.deepEqual(await channel("right", vms).showStates(never), { delivered: true });
  const names = [...retained()].filter(([topic]) => topic.includes("/vm/")).map(([, state]) => state.vm);
  for (const { vm } of vms) assert.ok(names.includes(vm), vm);
});

test("a refused password wants a person, a broker that is not there is tried again", { skip }, async () => {
  const refused = await channel("wrong", []).send(messageOf(failureOf()), never);
  assert.ok(!refused.delivered && refused.needsPerson === true, JSON.stringify(refused));
  assert.doesNotMatch(refused.error, /wrong/);
});
