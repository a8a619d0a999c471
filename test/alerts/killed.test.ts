import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

const CHILD = join(import.meta.dirname, "outbox-child.ts");
const root = mkdtempSync(join(tmpdir(), "vfio-watch-killed-"));
after(() => rmSync(root, { recursive: true, force: true }));

/** Database, receiving server and notifier that outlive the processes that are killed. */
async function createRig(name: string) {
  const directory = join(root, name);
  mkdirSync(join(directory, "tmp/notifications/archive"), { recursive: true });
  writeFileSync(
    join(directory, "notify"),
    `#!/bin/bash
name="$(printf '%s' "$2" | tr ' -' '__')_$(date +%s).notify"
echo run >>"${directory}/runs"
printf "%s" "\${10}" >"${directory}/tmp/notifications/archive/$name"
[ -p "${directory}/agents" ] && read -r _ <"${directory}/agents"
exit 0
`,
  );
  chmodSync(join(directory, "notify"), 0o755);
  const received: { incidentId: string; deliveryId: number }[] = [];
  let onReceived: (() => void) | undefined;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      received.push(JSON.parse(Buffer.concat(chunks).toString("utf8")));
      if (onReceived === undefined) response.end("{}");
      else onReceived();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  after(() => {
    server.close();
    server.closeAllConnections();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;

  const archive = join(directory, "tmp/notifications/archive");
  const untilStored = (then: () => void) => {
    if (readdirSync(archive).length > 0) then();
    else setTimeout(untilStored, 5, then);
  };

  /** Runs the child until it says `until`, or ends; then kills it. */
  function run(what: string, until?: string): Promise<string> {
    const child = spawn(process.execPath, [CHILD, what, join(directory, "history.db"), url, directory], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let said = "";
    child.stdout.on("data", (chunk: Buffer) => {
      said += chunk.toString("utf8");
      if (until !== undefined && said.includes(until)) child.kill("SIGKILL");
    });
    onReceived =
      what === "deliver" && until === undefined ? () => untilStored(() => child.kill("SIGKILL")) : undefined;
    return new Promise((resolve) => child.once("close", () => resolve(said)));
  }
  const runs = () => {
    const file = join(directory, "runs");
    return existsSync(file) ? readFileSync(file, "utf8").trim().split("\n").length : 0;
  };
  return { run, received, runs };
}

test("killed between commit and delivery: the alert arrives after the next start, once", async () => {
  const { run, received, runs } = await createRig("before");
  assert.match(await run("raise-and-die"), /told true/);
  assert.deepEqual([received.length, runs()], [0, 0]);
  assert.match(await run("deliver", "all delivered"), /all delivered/);
  assert.deepEqual([received.length, runs()], [1, 1]);
  await run("deliver", "all delivered");
  assert.deepEqual([received.length, runs()], [1, 1]);
});

test("killed while the receiver has it and has not answered: it arrives again under the same ids", async () => {
  const { run, received, runs } = await createRig("during");
  await run("raise-and-die");
  await run("deliver");
  assert.equal(received.length, 1);
  await run("deliver", "all delivered");
  assert.equal(received.length, 2);
  assert.deepEqual(received[1], received[0]);
  assert.equal(runs(), 1, "Unraid's archive shows that the notification was stored before the kill");
});

test("the same failure read again after a kill is no second alert", async () => {
  const { run, received, runs } = await createRig("again");
  await run("raise-and-die");
  await run("deliver", "all delivered");
  assert.match(await run("raise"), /told false/);
  await run("deliver", "all delivered");
  assert.deepEqual([received.length, runs()], [1, 1]);
});
