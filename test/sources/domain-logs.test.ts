import assert from "node:assert/strict";
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { createVirtualClock } from "../../src/clock.ts";
import { createHostPaths } from "../../src/host-paths.ts";
import { bootId, vmName } from "../../src/model/identifiers.ts";
import type { DomainLogEnd, DomainLogStart, Observation } from "../../src/model/observation.ts";
import type { Source } from "../../src/model/source.ts";
import { createDomainLogsSource } from "../../src/sources/domain-logs.ts";
import { readRecordedDomainLog } from "../../src/sources/domain-logs-recorded.ts";
import { observe, said, temporaryDirectory, until } from "./observed.ts";

const RECORDINGS = join(import.meta.dirname, "../fixtures/recordings");
const BOOT = bootId("f0000000-0000-4000-8000-00000000000f");
const NOW = Date.UTC(2026, 10, 23, 10);

function recording(name: string): Buffer {
  return readFileSync(join(RECORDINGS, name));
}

function logsBelow(context: TestContext): { root: string; logs: string } {
  const root = temporaryDirectory(context, "var/log/libvirt/qemu");
  return { root, logs: join(root, "var/log/libvirt/qemu") };
}

function sourceOf(root: string, more: { since?: number; maxBacklogBytes?: number } = {}): Source {
  const clock = createVirtualClock(NOW);
  return createDomainLogsSource({ paths: createHostPaths(root), clock, bootId: BOOT, ...more });
}

function starts(observations: readonly Observation[]): DomainLogStart[] {
  return observations.filter((observation) => observation.kind === "domain-log-start");
}

const STAMP = "2026-11-23 09:30:00.000+0000: ";
const FAILED = `${STAMP}shutting down, reason=failed\n`;

test("a recorded failing start is told with what its command block shows", () => {
  const log = readRecordedDomainLog(recording("rmrr-intel/libvirt/Windows 11.log"), {
    fileName: "Windows 11.log",
  });
  assert.deepEqual(
    said(log).map((text) => text.slice(0, 60)),
    [
      "domain-log-start",
      'qemu-system-x86_64: -device {"driver":"vfio-pci","host":"000',
      "domain-log-end failed",
    ],
  );
  const { identity, ...start } = log[0] as DomainLogStart;
  assert.match(identity, /^Windows 11:0:[0-9a-f]{16}$/);
  assert.deepEqual(start, {
    kind: "domain-log-start",
    source: "domain-logs",
    at: Date.UTC(2026, 10, 23, 8, 54, 56, 940),
    exactTime: true,
    vm: "Windows 11",
    libvirtVersion: "11.3.0",
    qemuVersion: "10.0.13",
    kernelRelease: "6.12.107+deb13-amd64",
    machine: "pc-q35-10.0",
    devices: ["0000:01:00.0", "0000:01:00.1"],
    isWhole: true,
  });
  assert.equal(log[1]?.at, Date.UTC(2026, 10, 23, 8, 54, 58, 230));
});

test("in every recording no line of a command block is told, and each run begins and ends", () => {
  const files = readdirSync(RECORDINGS, { recursive: true, encoding: "utf8" }).filter((file) =>
    /libvirt\/[^/]+\.log$/.test(file),
  );
  assert.ok(files.length >= 20);
  for (const file of files) {
    const bytes = recording(file);
    const fileName = file.slice(file.lastIndexOf("/") + 1);
    const log = readRecordedDomainLog(bytes, { fileName });
    const text = bytes.toString();
    assert.equal(starts(log).length, text.split(": starting up ").length - 1, file);
    const ends = log.filter((observation) => observation.kind === "domain-log-end");
    assert.equal(ends.length, text.split(": shutting down").length - 1, file);
    const lines = log.filter((observation) => observation.kind === "domain-log-line");
    for (const line of lines) {
      assert.ok(!/^(-|LC_ALL|HOME=|\/usr\/bin\/qemu)| \\$/.test(line.text), `${file}: ${line.text}`);
    }
    assert.equal(new Set(log.map((one) => one.identity)).size, log.length, `${file}: identities differ`);
    for (const one of log) if ("vm" in one) assert.equal(one.vm, fileName.slice(0, -4));
  }
});

test("a line without a time stamp takes the time of the line before and says so", () => {
  const log = readRecordedDomainLog(recording("group-not-viable/libvirt/Windows 11.log"), {
    fileName: "Windows 11.log",
  });
  const [first, second] = log.filter((observation) => observation.kind === "domain-log-line");
  assert.equal(
    second?.text,
    "Please ensure all devices within the iommu_group are bound to their vfio bus driver.",
  );
  assert.deepEqual([first?.exactTime, second?.exactTime, second?.at], [true, false, first?.at]);
});

test("hostile and old spellings of the command block are read", () => {
  const command = [
    `${STAMP}starting up libvirt version: 5.0.0, qemu version: 3.1.0, kernel: 4.19.0`,
    "LC_ALL=C \\",
    "/usr/bin/kvm \\",
    String.raw`-name 'guest=$(reboot)<b>\n"x",,it'\''s,debug-threads=on' \ `.trimEnd(),
    "-M pc-i440fx-3.1,accel=kvm \\",
    "-smbios 'type=1,product=two",
    `${STAMP}lines with a time stamp inside \\' \\`,
    "-device vfio-pci,host=0a:00.0,id=hostdev0 \\",
    `-device '{"driver":"vfio-pci-nohotplug","host":"0000:0B:00.1"}' \\`,
    `-device '{"driver":"vfio-pci","host":7}' \\`,
    `-device '{"driver":"vfio-pci",' \\`,
    "-device virtio-net-pci,netdev=vfio-pci,host=0c:00.0 \\",
    "-msg timestamp=on",
    "char device redirected to /dev/pts/0 (label charserial0)",
  ].join("\n");
  const log = readRecordedDomainLog(Buffer.from(command), { fileName: "x.log" });
  const start = log[0] as DomainLogStart;
  assert.equal(start.vm, String.raw`$(reboot)<b>\n"x",it's`);
  assert.equal(start.machine, "pc-i440fx-3.1");
  assert.deepEqual(start.devices, ["0000:0a:00.0", "0000:0b:00.1"]);
  assert.deepEqual(said(log).slice(1), ["char device redirected to /dev/pts/0 (label charserial0)"]);
});

test("a command block that breaks off hides nothing that follows", () => {
  const start = `${STAMP}starting up libvirt version: 11.3.0\n`;
  const cases: [string, string[]][] = [
    [`${start}LC_ALL=C \\\n-name guest=a \\\n${FAILED}`, ["domain-log-start", "domain-log-end failed"]],
    [`${start}-name 'guest=never closed\n${FAILED}`, ["domain-log-start", "domain-log-end failed"]],
    [
      `${start}${STAMP}Domain id=7 is tainted: host-cpu\n`,
      ["domain-log-start", "Domain id=7 is tainted: host-cpu"],
    ],
    [`${start}${start}`, ["domain-log-start", "domain-log-start"]],
    [start, ["domain-log-start"]],
    [`-device x \\\n-msg timestamp=on\nqemu: hardware error: 1\n`, ["qemu: hardware error: 1"]],
  ];
  for (const [text, expected] of cases) {
    assert.deepEqual(said(readRecordedDomainLog(Buffer.from(text), { fileName: "a.log" })), expected, text);
  }
});

test("binary junk, endless lines and impossible dates are lines like any other", () => {
  const junk = Buffer.concat([
    Buffer.from([0, 255, 254, 10]),
    Buffer.from(`2026-13-45 99:99:99.000+0000: shutting down, reason=failed\n${"z".repeat(100_000)}\n`),
  ]);
  const log = readRecordedDomainLog(junk, { fileName: "a.log", withoutTime: 5 });
  assert.deepEqual(
    log.map((one) => [one.kind, one.at, one.exactTime]),
    [
      ["domain-log-line", 5, false],
      ["domain-log-line", 5, false],
      ["domain-log-line", 5, false],
    ],
  );
  assert.equal(said(log)[2]?.length, 4096);
});

test("a log read in any pieces says what it says when read whole", async (context) => {
  const { root, logs } = logsBelow(context);
  const bytes = recording("bios-update/boot3-good-start-amd/libvirt/Windows 11.log");
  const whole = readRecordedDomainLog(bytes, { fileName: "Windows 11.log" }).map((one) => one.identity);
  const file = join(logs, "Windows 11.log");
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.integer({ min: 0, max: bytes.length }), { minLength: 1, maxLength: 4 }),
      async (cuts) => {
        rmSync(file, { force: true });
        const identities: string[] = [];
        let resume = new Map<string, string>();
        let from = 0;
        // Each piece is found by a source of its own: the daemon was restarted in between.
        for (const cut of [...cuts.sort((a, b) => a - b), bytes.length]) {
          appendFileSync(file, bytes.subarray(from, cut));
          from = cut;
          const source = sourceOf(root);
          await source.start((observation) => {
            identities.push(observation.identity);
            if (observation.resume) resume = new Map([[observation.resume.key, observation.resume.value]]);
          }, resume);
          await source.stop();
        }
        assert.deepEqual(identities, whole);
      },
    ),
    { numRuns: 40 },
  );
});

test("what is written while the daemon runs is told, whichever way the file is rotated", async (context) => {
  const { root, logs } = logsBelow(context);
  const file = join(logs, "win.log");
  const observer = await observe(context, sourceOf(root));
  const line = (text: string) => `2026-11-23T09:30:00.123456Z qemu: ${text}\n`;
  const heard = (text: string) =>
    observer.until((all) => said(all).includes(`qemu: ${text}`), `"${text}" is told`);
  writeFileSync(file, line("first"));
  await heard("first");
  appendFileSync(file, line("second"));
  renameSync(file, `${file}.0`);
  writeFileSync(file, line("third"));
  await heard("third");
  truncateSync(file);
  appendFileSync(file, line("fourth, longer than what was there before"));
  await heard("fourth, longer than what was there before");
  rmSync(file);
  writeFileSync(file, line("fifth"));
  await heard("fifth");
  assert.deepEqual(
    said(observer.observations),
    ["first", "second", "third", "fourth, longer than what was there before", "fifth"].map(
      (text) => `qemu: ${text}`,
    ),
  );
  for (const one of observer.observations) assert.equal(one.bootId, BOOT);
});

test("appends in quick succession are all told", async (context) => {
  const { root, logs } = logsBelow(context);
  const file = join(logs, "win.log");
  const observer = await observe(context, sourceOf(root));
  for (let index = 0; index < 300; index += 1) {
    appendFileSync(file, `line ${index}\n`);
    if (index % 10 === 0) await new Promise(setImmediate);
  }
  await observer.until((all) => all.length >= 300, "300 lines are told");
  assert.deepEqual(
    said(observer.observations),
    Array.from({ length: 300 }, (_, index) => `line ${index}`),
  );
});

test("a directory that is not there yet is waited for, by name", async (context) => {
  const root = temporaryDirectory(context, "var/log");
  const source = sourceOf(root);
  const observer = await observe(context, source);
  const waiting = source.health().state;
  assert.ok(waiting.state === "waiting" && waiting.why.endsWith("/var/log/libvirt/qemu does not exist"));
  mkdirSync(join(root, "var/log/libvirt"));
  mkdirSync(join(root, "var/log/libvirt/qemu"));
  writeFileSync(join(root, "var/log/libvirt/qemu/win.log"), FAILED);
  await observer.until((all) => all.length === 1, "the end is told");
  await until(() => source.health().state.state === "live", "the source is live");
  rmSync(join(root, "var/log/libvirt"), { recursive: true });
  mkdirSync(join(root, "var/log/libvirt/qemu"), { recursive: true });
  writeFileSync(join(root, "var/log/libvirt/qemu/win.log"), FAILED.replace("failed", "crashed"));
  await observer.until(
    (all) => (all[1] as DomainLogEnd | undefined)?.reason === "crashed",
    "the second is told",
  );
});

test("at first only this boot's runs are told, and their boot is named", async (context) => {
  const { root, logs } = logsBelow(context);
  writeFileSync(join(logs, "win.log"), FAILED.replace("2026-11-23 09", "2026-11-22 09") + FAILED);
  const since = Date.UTC(2026, 10, 23);
  const first = await observe(context, sourceOf(root, { since }));
  assert.deepEqual(
    first.observations.map((one) => [one.at > since, one.bootId]),
    [[true, BOOT]],
  );
});

test("what was written while the daemon was down is told, even before this boot", async (context) => {
  const { root, logs } = logsBelow(context);
  const file = join(logs, "win.log");
  writeFileSync(file, FAILED);
  const first = await observe(context, sourceOf(root));
  appendFileSync(file, FAILED.replace("failed", "crashed"));
  const since = Date.UTC(2026, 10, 23, 9, 45);
  const second = await observe(context, sourceOf(root, { since }), new Map(first.resume));
  assert.deepEqual(said(second.observations), ["domain-log-end crashed"]);
  assert.equal(second.observations[0]?.bootId, undefined);
});

test("a log beyond the bound is read from near its end, and the gap is told", async (context) => {
  const { root, logs } = logsBelow(context);
  writeFileSync(join(logs, "win.log"), `${"noise\n".repeat(1_000)}${FAILED}`);
  const observer = await observe(context, sourceOf(root, { maxBacklogBytes: 100 }));
  const gap = observer.observations.find((one) => one.kind === "gap");
  assert.match(gap?.kind === "gap" ? gap.detail : "", /^\d+ bytes in the middle of win\.log passed over/);
  assert.equal(said(observer.observations).at(-1), "domain-log-end failed");
});

test("a VM whose name is hostile is told under its own name", async (context) => {
  const { root, logs } = logsBelow(context);
  const name = String.raw`$(reboot)<b>\n"x"`;
  writeFileSync(join(logs, `${name}.log`), FAILED);
  const observer = await observe(context, sourceOf(root));
  assert.equal((observer.observations[0] as DomainLogEnd).vm, vmName(name));
});

test("logs of a VM's helpers are no VM's", async (context) => {
  const { root, logs } = logsBelow(context);
  for (const name of ["win", "win-fs0-virtiofsd", "win-swtpm", "my-swtpm"]) {
    writeFileSync(join(logs, `${name}.log`), FAILED);
  }
  const observer = await observe(context, sourceOf(root));
  const vms = observer.observations.map((one) => (one as DomainLogEnd).vm);
  assert.deepEqual(vms.sort(), ["my-swtpm", "win"]);
});

test("a log that cannot be read is named, and the others go on", async (context) => {
  if (process.getuid?.() === 0) {
    // root reads everything: a directory in a log's place is what remains.
    const { root, logs } = logsBelow(context);
    mkdirSync(join(logs, "odd.log"));
    writeFileSync(join(logs, "win.log"), FAILED);
    const source = sourceOf(root);
    const observer = await observe(context, source);
    assert.equal(observer.observations.length, 1);
    assert.match(JSON.stringify(source.health().state), /odd\.log: not a regular file/);
    return;
  }
  const { root, logs } = logsBelow(context);
  writeFileSync(join(logs, "odd.log"), FAILED);
  chmodSync(join(logs, "odd.log"), 0);
  assert.equal(statSync(join(logs, "odd.log")).mode & 0o777, 0);
  const source = sourceOf(root);
  await observe(context, source);
  assert.match(JSON.stringify(source.health().state), /odd\.log: permission denied: needs root/);
});

test("after stop nothing is told any more", async (context) => {
  const { root, logs } = logsBelow(context);
  const source = sourceOf(root);
  const observer = await observe(context, source);
  await source.stop();
  writeFileSync(join(logs, "win.log"), FAILED);
  const second = await observe(context, sourceOf(root));
  assert.deepEqual([observer.observations.length, second.observations.length], [0, 1]);
  assert.equal(source.health().state.state, "stopped");
});
