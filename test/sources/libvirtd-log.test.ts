import assert from "node:assert/strict";
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { createVirtualClock, type VirtualClock } from "../../src/clock.ts";
import { createHostPaths } from "../../src/host-paths.ts";
import { bootId } from "../../src/model/identifiers.ts";
import type { LibvirtdRecord } from "../../src/model/observation.ts";
import type { Source } from "../../src/model/source.ts";
import { createLibvirtdLogSource } from "../../src/sources/libvirtd-log.ts";
import { readJournalEntry } from "../../src/sources/libvirtd-log-journal.ts";
import {
  createLibvirtdLogParser,
  readRecordedLibvirtdLog,
  vmNamedIn,
} from "../../src/sources/libvirtd-log-parser.ts";
import { type Observer, observe, said, temporaryDirectory } from "./observed.ts";

const RECORDINGS = join(import.meta.dirname, "../fixtures/recordings");
const JOURNAL = join(RECORDINGS, "rmrr-intel-systemd/journal-libvirt.json");
const BOOT = bootId("f0000000-0000-4000-8000-00000000000f");
const NOW = Date.UTC(2026, 10, 23, 10);

function readLog(scenario: string): LibvirtdRecord[] {
  const text = readFileSync(join(RECORDINGS, scenario, "libvirtd.log"), "utf8");
  return readRecordedLibvirtdLog(text, { fileName: "libvirtd.log" });
}

interface Setting {
  readonly root: string;
  readonly file: string;
  readonly clock: VirtualClock;
  source(more?: { since?: number; journalctl?: [string, ...string[]] }): Source;
}

function setUp(context: TestContext): Setting {
  const root = temporaryDirectory(context, "var/log/libvirt");
  const clock = createVirtualClock(NOW);
  const source: Setting["source"] = (more = {}) =>
    createLibvirtdLogSource({ paths: createHostPaths(root), clock, bootId: BOOT, ...more });
  return { root, file: join(root, "var/log/libvirt/libvirtd.log"), clock, source };
}

/** Something that answers as journalctl would: the backlog, then the rest while it is followed. */
function fakeJournalctl(root: string): [string, ...string[]] {
  const script = `
    const fs = require("node:fs"), [root, ...parameters] = process.argv.slice(1);
    fs.appendFileSync(root + "/calls", parameters.join(" ") + "\\n");
    const after = parameters.find((one) => one.startsWith("--after-cursor="))?.slice(15);
    const lines = fs.readFileSync(root + "/journal", "utf8").split("\\n").filter(Boolean);
    const from = after === undefined ? 0 : lines.findIndex((one) => JSON.parse(one).__CURSOR === after) + 1;
    if (after !== undefined && from === 0) process.exit(1);
    for (const line of lines.slice(from)) console.log(line);
    if (parameters.includes("--follow")) setInterval(() => {
      if (fs.existsSync(root + "/end")) process.exit(3);
    }, 5);`;
  return [process.execPath, "-e", script, root];
}

const header = (second: number, level: string) =>
  `2026-11-23 09:00:${String(second).padStart(2, "0")}.000+0000: 77: ${level} : `;

test("a record goes on over all lines until the next begins", () => {
  const records = readLog("group-not-viable").filter(
    (record) => record.origin === "qemuProcessReportLogError",
  );
  assert.equal(records.length, 2);
  for (const record of records) {
    assert.match(record.text, /group 8 is not viable\nPlease ensure all devices .* bus driver\.$/);
    assert.deepEqual([record.level, record.exactTime], ["error", true]);
  }
  assert.deepEqual(
    records.map((record) => record.vm),
    ["Windows 11", undefined],
  );
});

test("every recorded line is in exactly one record", () => {
  // A recording of several boots has one log in each.
  const scenarios = readdirSync(RECORDINGS, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith("/libvirtd.log"))
    .map((path) => dirname(path));
  assert.ok(scenarios.length > 20);
  for (const scenario of scenarios) {
    const text = readFileSync(join(RECORDINGS, scenario, "libvirtd.log"), "utf8");
    const records = readLog(scenario);
    assert.equal(records.length, text.match(/^\d{4}-\d{2}-\d{2} [\d:.]+\+0000: \d+: /gm)?.length, scenario);
    assert.equal(new Set(records.map((record) => record.identity)).size, records.length);
    assert.ok(records.every((record) => record.exactTime && record.text !== ""));
  }
});

test("lines in any pieces make the same records", () => {
  const anyLine = fc.oneof(
    fc.constantFrom("error", "warning", "info").map((level) => `${header(1, level)}f:1 : said`),
    fc.string({ maxLength: 30 }).map((text) => text.replaceAll(/[\r\n]/g, "")),
  );
  fc.assert(
    fc.property(fc.array(anyLine, { maxLength: 30 }), (lines) => {
      const parser = createLibvirtdLogParser({ fileName: "libvirtd.log" });
      let offset = 0;
      const told = lines.map((line) => {
        const record = parser.line(line, offset, NOW);
        offset += Buffer.byteLength(line) + 1;
        return record;
      });
      const records = [...told, parser.flush()].filter((record) => record !== undefined);
      assert.deepEqual(
        records,
        readRecordedLibvirtdLog(lines.join("\n"), { fileName: "libvirtd.log", withoutTime: NOW }),
      );
      // Nothing that was said is missing, whatever it looks like.
      const text = records.map((record) => record.text).join("\n");
      for (const line of lines)
        if (!line.startsWith("2026") && line.trim() !== "") assert.ok(text.includes(line.trim()));
    }),
  );
});

test("the VM is taken from where libvirt names it, not from where it names another", () => {
  const cases: [string, string | undefined][] = [
    ["internal error: QEMU unexpectedly closed the monitor (vm='it's'): vm='x'", "it's"],
    ["Failed to autostart VM 'Windows 11': internal error", "Windows 11"],
    ["Domain id=2 name='bad args' uuid=15dfb777 is tainted: custom-argv", "bad args"],
    ["operation failed: domain 'a' already exists with uuid 1", "a"],
    ["Domain not found: no domain with matching name 'b'", "b"],
    ["PCI device 0000:01:00.0 is already in use by domain 'other'", undefined],
    ["Unable to read from monitor: Connection reset by peer", undefined],
  ];
  for (const [text, vm] of cases) assert.equal(vmNamedIn(text), vm, text);
  const hook = readLog("negative-controls").find((record) => record.origin === "virCommandWait");
  assert.equal(hook?.vm, "hooked");
});

test("a record at the end is told after a short quiet, with what came meanwhile", async (context) => {
  const { file, clock, source } = setUp(context);
  const observer = await observe(context, source());
  writeFileSync(file, `${header(1, "error")}f:1 : first\n`);
  await until(observer, clock, 1);
  appendFileSync(file, `${header(2, "error")}f:1 : second\nits end\n${header(3, "warning")}third\n`);
  await until(observer, clock, 3);
  assert.deepEqual(said(observer.observations), ["first", "second\nits end", "third"]);
});

test("a restarted reader neither repeats nor misses, through rotation", async (context) => {
  const { file, clock, source } = setUp(context);
  writeFileSync(file, `${header(1, "error")}f:1 : first\n${header(2, "error")}f:1 : second\n`);
  const first = source();
  const before = await observe(context, first);
  await first.stop();
  assert.deepEqual(said(before.observations), ["first"], "the second may still go on");
  appendFileSync(file, `its end\n${header(3, "error")}third\n`);
  renameSync(file, `${file}.0`);
  writeFileSync(file, `${header(4, "error")}fourth\n`);
  const after = await observe(context, source(), new Map(before.resume));
  await until(after, clock, 3);
  assert.deepEqual(said(after.observations), ["second\nits end", "third", "fourth"]);
});

test("debug records are told only when someone finds them worth it", async (context) => {
  const { root, file, clock } = setUp(context);
  const debug = `${header(1, "debug")}f:1 : noise\n${header(2, "debug")}f:1 : in use by driver QEMU\n${header(3, "info")}x\n`;
  writeFileSync(file, debug);
  const source = createLibvirtdLogSource({
    paths: createHostPaths(root),
    clock,
    bootId: BOOT,
    worthTelling: (text) => text.includes("in use"),
  });
  const observer = await observe(context, source);
  await until(observer, clock, 2);
  assert.deepEqual(said(observer.observations), ["in use by driver QEMU", "x"]);
});

test("with neither file nor journal it says what it takes, and goes live when the file appears", async (context) => {
  const { root, file, clock, source } = setUp(context);
  rmSync(join(root, "var/log/libvirt"), { recursive: true });
  const reader = source();
  const observer = await observe(context, reader);
  const state = reader.health().state;
  assert.ok(state.state === "waiting" && state.remedy.includes("log_outputs"));
  mkdirSync(join(root, "var/log/libvirt"));
  writeFileSync(file, `${header(1, "error")}f:1 : first\n`);
  await until(observer, clock, 1);
  await observer.until(() => reader.health().state.state === "live", "the source is live");
});

test("recorded journal entries are libvirt's records, and no others", () => {
  const entries = readFileSync(JOURNAL, "utf8").trim().split("\n").map(readJournalEntry);
  const records = entries.flatMap((entry) => (typeof entry === "object" ? [entry.record] : []));
  assert.equal(entries.filter((entry) => entry === "not libvirt's").length, 4, "systemd's own");
  assert.deepEqual(
    records.map((record) => [record.level, record.origin, record.vm]),
    [
      ["info", "virLogVMessage", undefined],
      ["info", "virLogVMessage", undefined],
      ["error", "virHostCPUGetCPUID", undefined],
      ["error", "qemuMonitorIORead", undefined],
      ["error", "qemuProcessReportLogError", "Windows 11"],
      ["error", "qemuProcessReportLogError", undefined],
    ],
  );
  assert.equal(records[4]?.bootId, "36ad7436-a5d7-4f97-a5dc-5fb384b29ed6");
  assert.equal(new Date(records[4]?.at ?? 0).toISOString().slice(0, 19), "2026-11-23T09:11:20");
});

test("a message that journald gives as bytes is text again; what is no entry is refused", () => {
  const entry = (more: object) =>
    JSON.stringify({
      __CURSOR: "c",
      __REALTIME_TIMESTAMP: "1795425056612480",
      _SYSTEMD_UNIT: "virtqemud.service",
      _COMM: "virtqemud",
      ...more,
    });
  const bytes = readJournalEntry(entry({ MESSAGE: [...Buffer.from("VM 'é\u0001': no")], PRIORITY: "4" }));
  assert.ok(typeof bytes === "object");
  assert.deepEqual(
    [bytes.record.text, bytes.record.vm, bytes.record.level],
    ["VM 'é\u0001': no", "é\u0001", "warning"],
  );
  assert.equal(readJournalEntry(entry({ _COMM: "dnsmasq", MESSAGE: "started" })), "not libvirt's");
  for (const bad of ["", "{", "[]", "null", entry({}), entry({ MESSAGE: null }), entry({ MESSAGE: [400] })]) {
    assert.equal(typeof readJournalEntry(bad) === "object", false, bad);
  }
});

test("without a file the journal is read and followed from its cursor on", async (context) => {
  const { root, file, clock, source } = setUp(context);
  const lines = readFileSync(JOURNAL, "utf8").trim().split("\n");
  mkdirSync(join(root, "run/systemd/journal"), { recursive: true });
  writeFileSync(join(root, "journal"), `${lines.slice(0, 8).join("\n")}\n`);
  const journalctl = fakeJournalctl(root);
  const first = source({ journalctl });
  const before = await observe(context, first);
  assert.equal(before.observations.length, 4, "the backlog is there once the source has started");
  assert.equal(first.health().state.state, "live");
  await first.stop();
  writeFileSync(join(root, "journal"), `${lines.join("\n")}\n`);
  const second = source({ journalctl });
  const after = await observe(context, second, new Map(before.resume));
  assert.deepEqual(
    after.observations.map((one) => (one as LibvirtdRecord).vm),
    ["Windows 11", undefined],
  );
  const calls = readFileSync(join(root, "calls"), "utf8");
  assert.match(calls, /_SYSTEMD_UNIT=libvirtd\.service \+ _SYSTEMD_UNIT=virtqemud\.service$/m);

  writeFileSync(file, `${header(1, "error")}f:1 : now in a file\n`);
  await until(after, clock, 3);
  const inFile = () => /following libvirtd\.log/.test(JSON.stringify(second.health().state));
  await after.until(inFile, "journalctl has been let go");
});

test("a file left over from an earlier boot does not hide the journal", async (context) => {
  const { root, file, source } = setUp(context);
  mkdirSync(join(root, "run/systemd/journal"), { recursive: true });
  writeFileSync(join(root, "journal"), readFileSync(JOURNAL));
  writeFileSync(file, `${header(1, "error")}old\n`);
  utimesSync(file, 1_000, 1_000);
  const observer = await observe(context, source({ journalctl: fakeJournalctl(root), since: NOW - 60_000 }));
  assert.equal(observer.observations.length, 6);
});

test("a file that cannot be looked at does not hide the journal, and is no error", async (context) => {
  const { root, file, source } = setUp(context);
  mkdirSync(join(root, "run/systemd/journal"), { recursive: true });
  writeFileSync(join(root, "journal"), readFileSync(JOURNAL));
  // A link to itself fails as a closed directory does to whoever is not root: other than by not being there.
  symlinkSync("libvirtd.log", file);
  const observer = await observe(context, source({ journalctl: fakeJournalctl(root) }));
  await observer.until((all) => all.length > 5, "the journal has been read");
});

test("a journalctl that ends is started again; a lost cursor is a stated gap", async (context) => {
  const { root, clock, source } = setUp(context);
  mkdirSync(join(root, "run/systemd/journal"), { recursive: true });
  writeFileSync(join(root, "journal"), readFileSync(JOURNAL));
  const reader = source({ journalctl: fakeJournalctl(root) });
  const observer = await observe(context, reader, new Map([["libvirtd-log:journal", "gone"]]));
  assert.deepEqual(said(observer.observations).slice(-1), ["gap"]);
  writeFileSync(join(root, "end"), "");
  await observer.until(() => reader.health().state.state === "waiting", "journalctl has ended");
  rmSync(join(root, "end"));
  const lines = readFileSync(JOURNAL, "utf8").trim().split("\n");
  const another = { ...JSON.parse(lines[9] ?? ""), __CURSOR: "next", MESSAGE: "one more" };
  appendFileSync(join(root, "journal"), `${JSON.stringify(another)}\n`);
  clock.moveTo(clock.now() + 1_000);
  await observer.until((all) => said(all).at(-1) === "one more", "the journal is followed again");
  assert.equal(observer.observations.length, 8);
});

/** Lets the virtual quiet time pass until `count` observations have been made. */
async function until(observer: Observer, clock: VirtualClock, count: number): Promise<void> {
  await observer.until((all) => {
    if (all.length < count) clock.moveTo(clock.now() + 1_000);
    return all.length >= count;
  }, `${count} records are told`);
}
