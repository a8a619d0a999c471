import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { EXIT } from "../../src/cli/command.ts";
import { askService } from "../../src/control/client.ts";
import { vmName } from "../../src/model/identifiers.ts";
import { runProgram } from "../helpers/command-io.ts";
import { createWatchedHost } from "../helpers/watched-host.ts";
import { makeDiagnostics } from "../import/make-diagnostics.ts";

/** A host with the real service on it, and the program beside it as a person would call it. */
async function createRig(context: TestContext, settings = "") {
  const host = createWatchedHost(context, settings);
  const directory = dirname(host.database);
  const boot = host.boot(["bios-update", "boot2-ivmd-amd", "snap-before"]);
  const daemon = await host.start(boot);
  const env = {
    VFIO_WATCH_RUNTIME_DIRECTORY: join(directory, "run"),
    VFIO_WATCH_CONFIG: host.settingsFile,
    VFIO_WATCH_ROOT: boot.paths.root,
  };
  return { host, directory, boot, daemon, run: (...args: string[]) => runProgram(args, env) };
}

test("incidents are acknowledged and silenced by the running service", async (context) => {
  const { host, boot, run } = await createRig(context);
  boot.failsToStart("win11");
  await host.hurryUntil(() => host.told().length > 0);
  const [alert] = host.told();
  const id = alert?.incidentId ?? "";
  const acknowledged = await run("alerts", "ack", id);
  assert.equal(acknowledged.code, EXIT.ok, acknowledged.err);
  assert.match(acknowledged.out, /is acknowledged/);
  const silenced = await run("alerts", "silence", id.slice(0, 6), "7d", "--json");
  assert.equal(JSON.parse(silenced.out).state, "silenced");
  assert.ok((host.read((store) => store.alerts.incident(id))?.silencedUntil ?? 0) > host.clock.now());
  const unknown = await run("alerts", "ack", "zz");
  assert.equal(unknown.code, EXIT.failure);
  assert.match(unknown.err, /no incident zz; 'vfio-watch alerts list'/);
});

test("a test alert goes the service's own way, with its settings, and without it the command's", async (context) => {
  const { host, directory, daemon, run } = await createRig(context);
  const sent = await run("alerts", "test", "command");
  assert.equal(sent.code, EXIT.ok, sent.err);
  assert.match(sent.out, /delivered through command by the running service/);
  assert.equal(host.told().at(-1)?.kind, "test");
  const failed = await run("alerts", "test", "ntfy", "--json");
  assert.equal(failed.code, EXIT.failure);
  assert.deepEqual((({ by, delivered }) => ({ by, delivered }))(JSON.parse(failed.out)), {
    by: "service",
    delivered: false,
  });
  await daemon.stop();
  assert.match((await run("alerts", "test", "command")).out, /by this command, as no service runs/);
  assert.equal(host.told().filter(({ kind }) => kind === "test").length, 2);
  rmSync(join(directory, "tell"));
});

test("older material is taken in while the service runs, which goes on watching", async (context) => {
  const { host, directory, boot, run } = await createRig(context);
  const START = Date.UTC(2026, 9, 3, 8);
  const { name, bytes } = makeDiagnostics({
    bios: "1.A95",
    startedAt: START,
    madeAt: START + 7_200_000,
    starts: [{ at: START + 3_600_000, works: false }],
  });
  writeFileSync(join(directory, name), bytes);
  const imported = await run("import", join(directory, name));
  assert.equal(imported.code, EXIT.ok, imported.err);
  assert.match(imported.out, /^Taken in: 1 boot and 1 VM start/);
  assert.ok(host.lines.some((line) => line.includes("the import has ended")));
  boot.failsToStart("win11");
  await host.hurryUntil(() => host.told().length > 0);
  const origins = host.read((store) => store.attempts.list().map(({ origin }) => origin));
  assert.deepEqual(origins.toSorted(), ["imported", "live"]);
  assert.match((await run("import", join(directory, name))).out, /^Nothing new/);
});

test("a start that fails is answered for as soon as it has settled", async (context) => {
  const { host, directory, boot } = await createRig(context);
  const since = host.clock.now();
  const ask = (vm: string, waitMs: number) =>
    askService(
      join(directory, "run"),
      { ask: "start", history: host.database, vm: vmName(vm), since, waitMs },
      20_000,
    );
  assert.deepEqual(await ask("win11", 0), { state: "answered", answer: { state: "none" } });
  const asked = ask("win11", 10_000);
  boot.failsToStart("win11");
  const answered = await asked;
  assert.ok(answered.state === "answered" && answered.answer.state === "settled", JSON.stringify(answered));
  assert.equal(answered.answer.outcome, "failed");
  const { number } = answered.answer;
  assert.equal(
    host.read((store) => store.attempts.list()[0]?.number),
    number,
  );
});

test("watch tells the log's lines and each start with its number, until the service ends or Ctrl-C", async (context) => {
  const { host, boot, daemon, run } = await createRig(context);
  const watching = run("watch");
  // In its own place in line: the service answers one client after the other.
  await run("alerts", "test", "command");
  boot.failsToStart("win11");
  await host.hurryUntil(() => host.told().some(({ kind }) => kind === "start-failed"));
  await daemon.stop();
  const { code, out, err } = await watching;
  assert.match(out, /^\d\d:\d\d:\d\d {2}start of 'win11': failed\. .* \(vfio-watch show 1\)$/m);
  assert.match(err, /^Watching; Ctrl-C ends it\./);
  assert.equal(code, EXIT.failure);
  assert.match(err, /service is ending|service ended/i);
  const alone = await run("watch");
  assert.equal(alone.code, EXIT.failure);
  assert.match(alone.err, /no service runs, so nothing is watched/);
});
