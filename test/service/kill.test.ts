import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import Database from "better-sqlite3";
import { buildRelease } from "../../tools/build.ts";
import { temporaryDirectory } from "../package/packages.ts";
import { createUnraidTree, type UnraidTree } from "../package/unraid-tree.ts";

const ROUNDS = 20;
const HISTORY = "/boot/config/plugins/vfio-watch/history.db";

const built = temporaryDirectory();
const program = join(built.path, "vfio-watch.mjs");
before(async () => void (await buildRelease(built.path)));
after(built.remove);

let tree: UnraidTree | undefined;
afterEach(() => tree?.remove());

/** A host on which a VM has just failed to start, and whose owner is told by a command. */
function hostWithFailure() {
  const host = createUnraidTree("7.2.3");
  tree = host;
  const told = host.at("/told");
  const tell = host.at("/tell");
  writeFileSync(tell, `#!/bin/sh\ncat >>'${told}'\necho >>'${told}'\n`);
  chmodSync(tell, 0o755);
  mkdirSync(host.at("/boot/config/plugins/vfio-watch"), { recursive: true });
  writeFileSync(
    host.at("/boot/config/plugins/vfio-watch/vfio-watch.cfg"),
    `NOTIFY_COMMAND="yes"\nCOMMAND="${tell}"\nNOTIFY_UNRAID="no"\n`,
  );
  const stamp = (ago: number) =>
    new Date(Date.now() - ago).toISOString().replace("T", " ").replace("Z", "+0000");
  const said =
    'qemu-system-x86_64: -device {"driver":"vfio-pci","host":"0000:01:00.0","id":"hostdev0"}: vfio 0000:01:00.0: ' +
    "failed to setup container for group 8: Failed to set group container: Invalid argument";
  writeFileSync(
    host.at("/var/log/libvirt/qemu/Windows 11.log"),
    `${stamp(20_000)}: starting up libvirt version: 11.7.0, qemu version: 9.2.3, kernel: 6.12.54-Unraid, hostname: tower\n` +
      `LC_ALL=C \\\n/usr/local/sbin/qemu \\\n-name 'guest=Windows 11'\n` +
      `${new Date(Date.now() - 19_000).toISOString()} ${said}\n` +
      `${stamp(18_000)}: shutting down, reason=failed\n`,
  );
  return {
    host,
    told: () => (existsSync(told) ? readFileSync(told, "utf8").split("\n").filter(Boolean) : []),
    start(): { readonly child: ChildProcess; readonly said: () => string } {
      const environment = { ...host.environment, VFIO_WATCH_NODE: undefined };
      const env = { ...environment, VFIO_WATCH_RUNTIME_DIRECTORY: host.at("/run/vfio-watch") };
      const child = spawn(process.execPath, [program, "run"], { env, stdio: ["ignore", "pipe", "inherit"] });
      let said = "";
      child.stdout.on("data", (chunk: Buffer) => {
        said += chunk.toString();
      });
      return { child, said: () => said };
    },
  };
}

const ended = (child: ChildProcess) =>
  new Promise<number | null>((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve(child.exitCode);
    else child.on("exit", (code) => resolve(code));
  });

async function until(what: string, condition: () => boolean): Promise<void> {
  for (let round = 0; !condition(); round++) {
    assert.ok(round < 2_000, `it never came: ${what}`);
    await pause(5);
  }
}

/** Whether it is on the disk that the command was run; until then a death may well tell it a second time. */
function isRecordedAsTold(host: UnraidTree): boolean {
  const database = new Database(host.at(HISTORY), { readonly: true });
  const sql = "SELECT count(*) FROM delivery WHERE channel = 'command' AND state = 'delivered'";
  const count = database.prepare(sql).pluck().get();
  database.close();
  return count === 1;
}

function judge(host: UnraidTree): {
  readonly sound: unknown;
  readonly attempts: unknown;
  readonly boots: unknown;
} {
  const database = new Database(host.at(HISTORY), { readonly: true });
  const one = (sql: string) => database.prepare(sql).pluck().get();
  const verdict = {
    sound: one("PRAGMA integrity_check"),
    attempts: one("SELECT count(*) FROM attempt"),
    boots: one("SELECT count(*) FROM boot"),
  };
  database.close();
  return verdict;
}

const ONE_OF_EACH = { sound: "ok", attempts: 1, boots: 1 };

test("killed at twenty moments of its start it comes back sound, with one attempt from one failure", async () => {
  const { host, told, start } = hostWithFailure();
  for (let round = 0; round < ROUNDS; round++) {
    const { child } = start();
    await pause(30 + round * 25);
    child.kill("SIGKILL");
    await ended(child);
  }
  const { child, said } = start();
  await until("it watches", () => said().includes("is watching"));
  await until("somebody is told", () => told().length > 0);
  child.kill("SIGTERM");
  assert.equal(await ended(child), 0);
  assert.deepEqual(judge(host), ONE_OF_EACH);
});

test("killed at twenty moments of its stop it comes back sound, and tells nothing a second time", async () => {
  const { host, told, start } = hostWithFailure();
  const first = start();
  await until("it watches", () => first.said().includes("is watching"));
  await until("somebody is told", () => isRecordedAsTold(host));
  first.child.kill("SIGTERM");
  assert.equal(await ended(first.child), 0);
  const before = told();
  for (let round = 0; round < ROUNDS; round++) {
    const { child, said } = start();
    await until("it watches", () => said().includes("is watching"));
    child.kill("SIGTERM");
    await pause(round * 3);
    child.kill("SIGKILL");
    await ended(child);
  }
  const last = start();
  await until("it watches", () => last.said().includes("is watching"));
  last.child.kill("SIGTERM");
  assert.equal(await ended(last.child), 0);
  assert.deepEqual(judge(host), ONE_OF_EACH);
  assert.deepEqual(told(), before);
});
