import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { EXIT } from "../../src/cli/command.ts";
import { processBeginning, stateFile, writeRuntimeState } from "../../src/daemon/runtime-state.ts";
import { textWidth } from "../../src/text-columns.ts";
import { runProgram } from "../helpers/command-io.ts";
import { BIOS_A95, bad, good, hostFacts, storeHistory } from "../helpers/made-history.ts";
import { temporaryDirectory } from "../helpers/recorded-tree.ts";
import { opened } from "../store/samples.ts";

const directory = temporaryDirectory();
after(() => directory.remove());
const root = join(directory.path, "root");
mkdirSync(root);
const place = (name: string) => ({
  VFIO_WATCH_ROOT: root,
  VFIO_WATCH_DATABASE: join(directory.path, `${name}.db`),
  VFIO_WATCH_RUNTIME_DIRECTORY: join(directory.path, `${name}-run`),
});

/** A history of a host that a BIOS update broke, and of one that was put back since. */
function make(name: string, isHealed: boolean) {
  const env = place(name);
  const store = opened(env.VFIO_WATCH_DATABASE);
  storeHistory(store, [
    { facts: hostFacts(), starts: [good(2)] },
    { facts: hostFacts(BIOS_A95), starts: [bad(2)] },
    ...(isHealed ? [{ facts: hostFacts(), starts: [good()] }] : []),
  ]);
  store.close();
  return env;
}

test("without a command, a host with a history is told in ten lines that fit the terminal", async () => {
  const env = make("broken", false);
  const { code, out, err } = await runProgram([], env, { columns: 60 });
  assert.equal(code, EXIT.findings);
  assert.equal(err, "");
  const lines = out.trimEnd().split("\n");
  assert.ok(lines.length <= 10, out);
  for (const line of lines) assert.ok(textWidth(line) <= 60, line);
  assert.match(out, /^Watching +no: the service does not run/m);
  assert.match(out, /^History +2 boots, 4 VM starts$/m);
  assert.match(out, /^Last start +#4 'Windows 11', 2025-08-02 18:02 UTC: failed$/m);
  assert.match(out, /^ {2}why +It failed with iommu-direct/m);
  assert.match(out, /^ {2}what to do +Go back to BIOS/m);
  assert.match(out, /^Changed +since it worked: BIOS E7E49AMSI\.1A63/m);
  assert.match(out, /vfio-watch show 4, blame, doctor/);
});

test("what never worked on record is not said to have worked", async () => {
  const env = place("never-worked");
  const store = opened(env.VFIO_WATCH_DATABASE);
  storeHistory(store, [
    { facts: hostFacts(), starts: [] },
    { facts: hostFacts(BIOS_A95), starts: [bad()] },
  ]);
  store.close();
  const { out } = await runProgram([], env, { columns: 100 });
  assert.match(out, /^Changed +since the boot before: BIOS E7E49AMSI\.1A63/m);
});

test("a failure that was healed is history, and nothing is left to do", async () => {
  const env = make("healed", true);
  const running = env.VFIO_WATCH_RUNTIME_DIRECTORY;
  const now = Date.now();
  writeRuntimeState(stateFile(running), {
    ...{ version: "1.0.0", pid: process.pid, processBegan: processBeginning(process.pid), bootId: undefined },
    ...{ startedAt: now - 3_600_000, writtenAt: now, database: env.VFIO_WATCH_DATABASE, sources: [] },
    ...{ problems: [], lastObservationAt: undefined, memory: { rssBytes: 1, heapBytes: 1 } },
  });
  const { code, out } = await runProgram([], env, { columns: 100 });
  assert.equal(code, EXIT.ok, out);
  assert.match(out, /^Watching +since .* \(60 min\)$/m);
  assert.match(out, /^Last start +#5 .*: started$/m);
  assert.match(out, /^Last failure +#4 .*; it has started since$/m);
  assert.doesNotMatch(out, /what to do/);
  assert.match(out, /^Changed +at 2025-08-03 18:00:00 UTC: BIOS/m);
});

test("without a history the commands are listed, and one that cannot be read is an error", async () => {
  const nothing = await runProgram([], place("nothing"));
  assert.equal(nothing.code, EXIT.usage);
  assert.match(nothing.err, /Usage: vfio-watch COMMAND/);
  const env = place("foreign");
  writeFileSync(
    env.VFIO_WATCH_DATABASE,
    "not a database at all, but long enough to be taken for something else",
  );
  const { code, out, err } = await runProgram([], env);
  assert.deepEqual({ code, out }, { code: EXIT.failure, out: "" });
  assert.match(err, /foreign\.db/);
});

test("doctor says the same, and what is missing with what to do about it", async () => {
  const env = make("doctor", false);
  const { code, out } = await runProgram(["doctor"], env, { columns: 60 });
  assert.equal(code, EXIT.findings);
  for (const line of out.split("\n")) assert.ok(textWidth(line) <= 60, line);
  assert.match(out, /^Last start /m);
  assert.match(out, /- No service watches this host[^-]*systemctl start/);
  assert.match(out, /- Alerts reach nobody: only the service's own log has them\.[^:]*alerts test CHANNEL/);
  assert.doesNotMatch(out, /No good start is on record/);
  const json = JSON.parse((await runProgram(["doctor", "--json"], env)).out);
  assert.equal(json.watching, "stopped");
  assert.equal(json.lastFailure.start.number, 4);
  assert.deepEqual(
    json.missing.slice(0, 1).map(({ what }: { what: string }) => what),
    ["No service watches this host, so failed starts are not noticed."],
  );
  assert.equal((await runProgram(["doctor", "--json"], place("nowhere"))).code, EXIT.findings);
});
