import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { EXIT } from "../../src/cli/command.ts";
import { escapeHtml } from "../../src/report/escape.ts";
import type { Overview } from "../../src/report/overview.ts";
import { runProgram } from "../helpers/command-io.ts";
import { recordingPath } from "../helpers/recorded-tree.ts";
import { createWatchedHost, until } from "../helpers/watched-host.ts";

const VM = "Windows 11";
const UUID = "8c4731f1-a528-8444-bb25-10ff8d967cc3";
const MAIN = join(import.meta.dirname, "../../src/main.ts");

/** The recorded host of the BIOS update: it worked, and from the second boot on the firmware's demand is there. */
async function createRig(context: TestContext) {
  const host = createWatchedHost(context);
  const runtime = join(dirname(host.database), "run");
  const bootOf = (name: string) => {
    const boot = host.boot(["bios-update", name, "snap-before"]);
    const xml = readFileSync(join(recordingPath("bios-update", name), `libvirt/${VM}.xml`), "utf8");
    mkdirSync(boot.paths.at("/etc/libvirt/qemu"), { recursive: true });
    writeFileSync(boot.paths.at(`/etc/libvirt/qemu/${VM}.xml`), xml);
    return boot;
  };
  const run = (root: string, ...args: string[]) =>
    runProgram(args, {
      VFIO_WATCH_RUNTIME_DIRECTORY: runtime,
      VFIO_WATCH_CONFIG: host.settingsFile,
      VFIO_WATCH_ROOT: root,
      VFIO_WATCH_DATABASE: host.database,
    });
  const good = bootOf("boot1-good-start-amd");
  const first = await host.start(good);
  good.starts(VM);
  await host.hurryUntil(() => host.read((store) => store.attempts.list().length === 1));
  await first.stop();
  return { host, runtime, run, good, bad: bootOf("boot2-ivmd-amd") };
}

test("the answer for a start that has just failed says why, what to do and what changed since it worked", async (context) => {
  const { host, run, bad } = await createRig(context);
  await host.start(bad);
  const since = host.clock.now();
  const ask = async (from: number) => {
    const asked = await run(
      bad.paths.root,
      "page",
      "answer",
      "--vm",
      UUID,
      "--since",
      `${from}`,
      "--wait",
      "9000",
    );
    assert.equal(asked.code, EXIT.ok, asked.err);
    return JSON.parse(asked.out);
  };
  const asking = ask(since);
  bad.failsToStart(VM);
  const told = await asking;
  assert.equal(told.state, "failed");
  assert.equal(told.vm, VM);
  assert.equal(
    told.number,
    host.read((store) => store.attempts.list({ failedOnly: true })[0]?.number),
  );
  assert.match(told.why, /1:1/);
  assert.match(told.remedies[0], /BIOS/);
  assert.match(told.changes[0], /^BIOS.*E7E49AMSI\.1A63.*E7E49AMSI\.1A95/);
  assert.ok(told.changes.length <= 3 && told.remedies.length <= 2);
  assert.equal(
    told.lastGoodAt,
    host.read((store) => store.attempts.list({ startedOnly: true })[0]?.openedAt),
  );
  const later = await run(
    bad.paths.root,
    "page",
    "answer",
    "--vm",
    UUID,
    "--since",
    `${host.clock.now() + 60_000}`,
  );
  assert.deepEqual(JSON.parse(later.out), { state: "none" });
});

test("a VM that failed last time, and that nothing known stops now, has why and what to do at the verdict", async (context) => {
  const { host, run, good } = await createRig(context);
  await host.start(good);
  good.failsToStart(VM);
  await host.hurryUntil(() => host.read((store) => store.attempts.list({ failedOnly: true }).length === 1));
  const { vms } = JSON.parse((await run(good.paths.root, "page", "overview")).out) as Overview;
  assert.deepEqual([vms[0]?.verdict, vms[0]?.word], ["failed-last-time", "failed last time"]);
  const { out } = await run(good.paths.root, "page", "tools");
  const [card = ""] = /<article.*<\/article>/.exec(out) ?? [];
  assert.match(card, />failed last time<.*under QEMU.*<b>What to do:<\/b>/);
  assert.doesNotMatch(card, /nothing stands in its way/);
  assert.ok(card.includes(escapeHtml(vms[0]?.todo ?? "none")), card);
  const other = join(dirname(host.database), "other.db");
  const ofOther = await run(good.paths.root, "page", "tools", "--database", other);
  assert.doesNotMatch(ofOther.out, /failed last time/, "named, it is shown instead of the service's");
});

test("on the first day a VM that will not start comes before what the program does, and after it where nothing fails", async (context) => {
  const { host, run, good, bad } = await createRig(context);
  const nothingYet = join(dirname(host.database), "nothing-yet.db");
  const placesOn = async (root: string) => {
    const { out } = await run(root, "page", "tools", "--database", nothingYet);
    return [out.indexOf("<article class="), out.indexOf("Nothing has happened yet")] as const;
  };
  const [stopped, beside] = await placesOn(bad.paths.root);
  assert.ok(stopped > 0 && stopped < beside, `${stopped} ${beside}`);
  const [fine, before] = await placesOn(good.paths.root);
  assert.ok(before > 0 && before < fine, `${fine} ${before}`);
});

test("there is no answer for a VM that nobody knows, and none without the service", async (context) => {
  const { host, run, bad } = await createRig(context);
  const args = ["page", "answer", "--since", "0", "--vm"];
  assert.deepEqual(JSON.parse((await run(bad.paths.root, ...args, UUID)).out), { state: "off" });
  await host.start(bad);
  const unknown = "00000000-0000-4000-8000-000000000000";
  assert.deepEqual(JSON.parse((await run(bad.paths.root, ...args, unknown)).out), { state: "none" });
  // It did start, in the boot before.
  assert.deepEqual(JSON.parse((await run(bad.paths.root, ...args, UUID)).out), { state: "none" });
  for (const wrong of [
    ["page", "answer", "--vm", UUID],
    ["page", "answer", "--vm", "$(id)", "--since", "0"],
  ])
    assert.equal((await run(bad.paths.root, ...wrong)).code, EXIT.usage);
});

test("the service keeps the overview in a file: the VM that will not start, the last failure, update and picture", async (context) => {
  const { host, runtime, run, bad } = await createRig(context);
  const daemon = await host.start(bad, { overviewCommand: [process.execPath, MAIN, "page", "overview"] });
  const file = join(runtime, "overview.json");
  const kept = (): Overview | undefined =>
    existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : undefined;
  await host.hurryUntil(() => kept() !== undefined);
  const before = kept();
  assert.equal(before?.failure, undefined);
  const [vm] = before?.vms ?? [];
  assert.deepEqual([vm?.name, vm?.uuid, vm?.verdict, vm?.tone], [VM, UUID, "will-not-start", "bad"]);
  assert.match(vm?.why ?? "", /1:1/);
  assert.match(vm?.todo ?? "", /BIOS/);
  assert.match(before?.update?.sentence ?? "", /^BIOS E7E49AMSI\.1A63 → E7E49AMSI\.1A95/);
  assert.match(before?.picture ?? "", /^<svg .*<\/svg>$/);

  bad.failsToStart(VM);
  await host.hurryUntil(() => kept()?.failure !== undefined);
  const after = kept();
  assert.equal(after?.failure?.vm, VM);
  assert.equal(after?.failure?.isOver, false);
  assert.equal(after?.vms[0]?.failed?.number, after?.failure?.number);
  assert.deepEqual(
    { ...after, madeAt: 0 },
    { ...JSON.parse((await run(bad.paths.root, "page", "overview")).out), madeAt: 0 },
  );
  await daemon.stop();
  assert.ok(!existsSync(file), "without a service nothing of it is left");
});

test("an overview that cannot be made is told once, and the service goes on", async (context) => {
  const { host, bad } = await createRig(context);
  await host.start(bad, { overviewCommand: ["/bin/false"] });
  const warnings = () =>
    host.lines.filter((line) => line.includes("'vfio-watch page overview' ended with 1"));
  await host.hurryUntil(() => warnings().length > 0);
  bad.failsToStart(VM);
  await host.hurryUntil(() => host.told().some(({ kind }) => kind === "start-failed"));
  await until(() => warnings().length === 1);
});
