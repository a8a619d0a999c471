import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { type TestContext, test } from "node:test";
import { createAlerter } from "../../src/alerts/alerter.ts";
import { incidentKey } from "../../src/alerts/incident-policy.ts";
import { alertPolicy } from "../../src/alerts/policy.ts";
import { EXIT } from "../../src/cli/command.ts";
import { main } from "../../src/cli/main.ts";
import { loadConfig } from "../../src/config.ts";
import type { AlertContent } from "../../src/model/alert.ts";
import { failureOf, HOSTILE } from "../alerts/examples.ts";
import { opened } from "../store/samples.ts";

/** A service that runs, and the command line beside it. */
function createRig(context: TestContext, settings = "") {
  const directory = mkdtempSync(join(tmpdir(), "vfio-watch-alerts-"));
  const database = join(directory, "history.db");
  const settingsFile = join(directory, "vfio-watch.cfg");
  writeFileSync(settingsFile, settings);
  const service = opened(database, { clock: { now: Date.now } });
  context.after(() => {
    service.close();
    rmSync(directory, { recursive: true, force: true });
  });
  const { config } = loadConfig({
    paths: { shippedFile: undefined, overrideFile: settingsFile, unraid: false },
  });
  const raise = (content: AlertContent) =>
    createAlerter({
      store: service.alerts,
      clock: { now: Date.now },
      policy: () => alertPolicy(config, { unraid: false, proxmox: false }),
    }).raise({ key: incidentKey(content), content, at: Date.now(), attemptId: `${Math.random()}` });
  const run = async (...args: string[]) => {
    const said = { out: "", err: "" };
    const code = await main(["alerts", ...args], {
      out: (text) => {
        said.out += text;
      },
      err: (text) => {
        said.err += text;
      },
      ...{
        color: false,
        columns: 100,
        tableColumns: 100,
        readInput: async () => Buffer.alloc(0),
        input: () => Readable.from([]),
      },
      env: { VFIO_WATCH_DATABASE: database, VFIO_WATCH_CONFIG: settingsFile, VFIO_WATCH_ROOT: directory },
    });
    return { code, ...said };
  };
  return { directory, service, raise, run };
}

test("what was told is listed, the newest first, a hostile name as what it is", async (context) => {
  const { raise, run } = createRig(context);
  assert.match((await run()).out, /Nobody had to be told/);
  raise(failureOf(`${HOSTILE}\u001b[2J`));
  raise(failureOf(`${HOSTILE}\u001b[2J`));
  const { code, out } = await run("list");
  assert.equal(code, EXIT.ok);
  assert.match(out, /^[0-9a-f]{10} {2}.* UTC {2}open {2}2 times {2}/);
  assert.ok(out.includes(HOSTILE));
  assert.ok(!out.includes("\u001b"));
  const { incidents } = JSON.parse((await run("list", "--json")).out);
  assert.deepEqual([incidents.length, incidents[0].incident.count, incidents[0].state], [1, 2, "open"]);
});

test("one incident shows what was said and where it went, by the beginning of its id", async (context) => {
  const { raise, run, service } = createRig(context);
  const { incident } = raise(failureOf());
  const id = incident?.id ?? "";
  const [delivery] = service.alerts.deliveriesOf(id);
  service.alerts.markFailed(delivery?.id ?? 0, "it was down", Date.now() + 60_000);
  const { code, out } = await run("show", id.slice(0, 6));
  assert.equal(code, EXIT.ok);
  assert.match(out, /'Windows 11' did not start {2}open/);
  assert.match(out, /BIOS version: E7E49AMSI\.1A63 → E7E49AMSI\.1A95/);
  assert.match(out, /^ *Go back to BIOS E7E49AMSI/m);
  assert.match(out, /log +start-failed +waits +next try .*; it was down/);
  const unknown = await run("show", "zz");
  assert.equal(unknown.code, EXIT.failure);
  assert.match(unknown.err, /no incident zz; 'vfio-watch alerts list'/);
});

test("a person acknowledges and silences while the service runs, and the service keeps to it", async (context) => {
  const { raise, run, service } = createRig(context);
  const { incident } = raise(failureOf());
  const id = incident?.id ?? "";
  const acknowledged = await run("ack", id);
  assert.equal(acknowledged.code, EXIT.ok, acknowledged.err);
  assert.match(acknowledged.out, /is acknowledged/);
  assert.equal(raise(failureOf()).told, false);
  const silenced = await run("silence", id, "7d", "--json");
  const { state } = JSON.parse(silenced.out);
  assert.equal(state, "silenced");
  const after = service.alerts.incident(id);
  assert.equal(after?.count, 2);
  assert.ok(Math.abs((after?.silencedUntil ?? 0) - Date.now() - 7 * 86_400_000) < 60_000);
});

test("wrong arguments are refused with what would be right", async (context) => {
  const { run } = createRig(context);
  for (const [args, hint] of [
    [["shout"], /one of list, show, ack, silence, test/],
    [["ack"], /'alerts ack' takes ID/],
    [["silence", "x"], /takes ID and DURATION/],
    [["silence", "x", "soon"], /'soon' is no duration; use 90m/],
    [["test", "pigeon"], /'pigeon' is no channel; use one of log, unraid/],
  ] as const) {
    const { code, err } = await run(...args);
    assert.equal(code, EXIT.usage);
    assert.match(err, hint);
  }
});

test("a test alert goes through a channel that is not switched on, and says what is missing", async (context) => {
  const { directory, run } = createRig(context);
  const missing = await run("test", "command");
  assert.equal(missing.code, EXIT.failure);
  assert.match(missing.err, /COMMAND is not set/);
  const script = join(directory, "tell");
  writeFileSync(script, `#!/bin/sh\ncat > '${directory}/told.json'\n`);
  chmodSync(script, 0o755);
  writeFileSync(join(directory, "vfio-watch.cfg"), `COMMAND="${script}"\n`);
  const sent = await run("test", "command");
  assert.equal(sent.code, EXIT.ok, sent.err);
  assert.match(sent.out, /delivered through command/);
  assert.equal(JSON.parse(readFileSync(join(directory, "told.json"), "utf8")).kind, "test");
});
