import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { createSyslogReader } from "../../src/import/syslog-boots.ts";
import { type WallClock, wallClockOf } from "../../src/import/wall-clock.ts";
import { bootId, type VmName } from "../../src/model/identifiers.ts";
import { recordingPath } from "../helpers/recorded-tree.ts";
import { createWorkbench, isKnown, matcher, signatures, type Workbench } from "./importing.ts";
import { type MadeUpBoot, makeDomainLog, makeSyslog, stamp, VM } from "./make-diagnostics.ts";

const UTC = wallClockOf("UTC") as WallClock;
const REFUSED =
  "vfio-pci 0000:01:00.0: Firmware has requested this device have a 1:1 IOMMU mapping, rejecting configuring the device without a 1:1 mapping. Contact your platform vendor.";

function boot(startedAt: number, bios: string, starts: MadeUpBoot["starts"] = []): MadeUpBoot {
  return { bios, startedAt, madeAt: startedAt, starts };
}

function readText(text: string, referenceAt: number) {
  const reader = createSyslogReader({ wallClock: UTC, referenceAt, isKnown });
  for (const line of text.split("\n")) reader.line(line);
  return reader.finish();
}

/** A syslog whose newest line is of the time at which the file was written last; local times are UTC here. */
function writeLog(bench: Workbench, name: string, content: string | Buffer, writtenAt: number): string {
  const path = bench.write(name, content);
  utimesSync(path, writtenAt / 1000, writtenAt / 1000);
  return path;
}

describe("cutting a syslog into boots", () => {
  it("begins a boot at the kernel's first line and takes the BIOS from its DMI line", async (context) => {
    const bench = createWorkbench(context);
    const [one, two, three] = [Date.UTC(2026, 8, 1, 8), Date.UTC(2026, 8, 2, 8), Date.UTC(2026, 8, 3, 8)];
    const text = [boot(one, "1.A63"), boot(two, "1.A95"), boot(three, "1.A63")].map(makeSyslog).join("");
    const path = writeLog(bench, "syslog", text, three + 60_000);
    const result = await bench.import([path]);
    assert.deepEqual(
      result.boots.map(({ bios }) => bios),
      ["1.A63", "1.A95", "1.A63"],
    );
    assert.match(result.sources[0]?.notes.join() ?? "", /no year/);
    const [stored] = bench.store.boots.list();
    const parameter = bench.store.snapshots.fact(stored?.snapshotId ?? "", "kernel.parameter.iommu");
    assert.deepEqual(parameter?.value, { state: "value", value: "pt" });
  });

  it("lets the year turn where the dates go back, and nowhere else", () => {
    const text = [
      makeSyslog(boot(Date.UTC(2024, 10, 20), "1.A50")),
      makeSyslog(boot(Date.UTC(2025, 1, 3), "1.A60")),
      // The clock was put back by some minutes in the middle of a boot.
      `${stamp(Date.UTC(2025, 1, 2, 23, 58))} Tower ntpd[1]: set\n`,
      makeSyslog(boot(Date.UTC(2026, 0, 5), "1.A70")),
    ].join("");
    const { boots, yearsInferred } = readText(text, Date.UTC(2026, 2, 1));
    assert.equal(yearsInferred, true);
    assert.deepEqual(
      boots.map(({ firstAt }) => new Date(firstAt).toISOString().slice(0, 10)),
      ["2024-11-20", "2025-02-03", "2026-01-05"],
    );
  });

  it("counts repeats in each daemon's own way, with any line end", () => {
    const at = Date.UTC(2026, 8, 1, 8);
    const fault =
      "Tower kernel: AMD-Vi: Event logged [IO_PAGE_FAULT device=0000:01:00.0 domain=0x000e address=0xfe00 flags=0x0020]";
    const text = [
      `${stamp(at)} Tower kernel: Linux version 6.12.54-Unraid (root@x) #1 SMP x`,
      `${stamp(at)} ${fault}`,
      `${stamp(at + 1000)} Tower last message repeated 4 times`,
      `${stamp(at + 2000)} Tower kernel: message repeated 3 times: [ ${fault.slice("Tower kernel: ".length)}]`,
      `${stamp(at + 3000)} ${fault}`,
      "### [PREVIOUS LINE REPEATED 10 TIMES] ###",
      `${stamp(at + 4000)} Tower sshd[9]: something else`,
      "### [PREVIOUS LINE REPEATED 99 TIMES] ###",
    ].join("\r\n");
    const { boots } = readText(text, at + 60_000);
    assert.deepEqual(
      boots[0]?.observations.map(({ count }) => count),
      [5, 3, 11],
    );
  });

  it("tells a clean end by the last words, not by a restart of the log daemon", () => {
    const at = Date.UTC(2026, 8, 1, 8);
    const end = (time: number) =>
      `${stamp(time)} Tower rsyslogd: [origin software="rsyslogd"] exiting on signal 15.\n`;
    const clean = makeSyslog(boot(at, "1.A63")) + end(at + 60_000);
    const restarted = `${clean}${Array.from({ length: 40 }, (_, n) => `${stamp(at + 61_000 + n)} Tower cron[1]: x\n`).join("")}`;
    const next = makeSyslog(boot(at + 3_600_000, "1.A63"));
    assert.deepEqual(
      readText(clean + next, at + 7_200_000).boots.map(({ endedCleanly }) => endedCleanly),
      [true, false],
    );
    assert.deepEqual(
      readText(restarted + next, at + 7_200_000).boots.map(({ endedCleanly }) => endedCleanly),
      [false, false],
    );
  });

  it("survives any text", () => {
    const piece = fc.oneof(
      fc.string(),
      fc.constantFrom(
        "Feb 29 23:59:60 x kernel: Linux version 6",
        "Jan  1 00:00:00 h kernel: DMI: a/b, BIOS ",
        "### [PREVIOUS LINE REPEATED 999999999 TIMES] ###",
        "2026-01-01T00:00:00+00:00 h kernel: [    0.000000] x",
      ),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (lines) => {
        const { boots } = readText(lines.join("\n"), Date.UTC(2026, 0, 1));
        assert.ok(boots.every(({ firstAt, lastAt }) => firstAt <= lastAt));
      }),
    );
  });
});

describe("importing logs from disk", () => {
  it("joins rotated and compressed syslogs, and gives the VM's log to the boots by time", async (context) => {
    const bench = createWorkbench(context);
    const [one, two] = [Date.UTC(2026, 8, 1, 8), Date.UTC(2026, 8, 2, 8)];
    const works = [{ at: one + 3_600_000, works: true }];
    const fails = [{ at: two + 3_600_000, works: false }];
    const older = makeSyslog(boot(one, "1.A63", works));
    const newer = makeSyslog(boot(two, "1.A95", fails));
    writeLog(bench, "syslog.2.gz", gzipSync(older), one + 86_000_000);
    writeLog(bench, "syslog.1", newer.slice(0, 600).replace(/[^\n]*$/, ""), two);
    writeLog(bench, "syslog", newer.slice(newer.slice(0, 600).lastIndexOf("\n") + 1), two + 7_200_000);
    const log = makeDomainLog([...works, ...fails]);
    bench.write(`${VM}.log.0`, log.slice(0, 300));
    bench.write(`${VM}.log`, log.slice(300));
    const result = await bench.import([bench.directory]);
    assert.deepEqual(
      result.boots.map(({ bios, good, failed }) => ({ bios, good, failed })),
      [
        { bios: "1.A63", good: 1, failed: 0 },
        { bios: "1.A95", good: 0, failed: 1 },
      ],
    );
    const before = bench.contents();
    await bench.import([join(bench.directory, `${VM}.log`), join(bench.directory, `${VM}.log.0`)]);
    await bench.import([bench.directory]);
    assert.deepEqual(bench.contents(), before);
  });

  it("joins what comes later to the start that is stored", async (context) => {
    const bench = createWorkbench(context);
    const at = Date.UTC(2026, 8, 2, 8);
    const fails = [{ at: at + 3_600_000, works: false }];
    const syslog = writeLog(bench, "syslog", makeSyslog(boot(at, "1.A95", fails)), at + 7_200_000);
    const log = bench.write(`${VM}.log`, makeDomainLog(fails));
    await bench.import([log]);
    assert.equal(bench.store.attempts.list()[0]?.bootId, undefined);
    await bench.import([syslog]);
    const [row, ...others] = bench.store.attempts.list();
    assert.deepEqual(others, []);
    assert.notEqual(row?.bootId, undefined, "it is of the boot that is known for it now");
    const before = bench.contents();
    await bench.import([syslog, log]);
    assert.deepEqual(bench.contents(), before);
    const full = bench.store.attempts.full(row?.number ?? 0, signatures);
    assert.deepEqual(
      new Set(full?.evidence.map(({ observation }) => observation.source)),
      new Set(["domain-logs", "kernel-log"]),
    );
  });

  it("never touches what the service saw", async (context) => {
    const bench = createWorkbench(context);
    const at = Date.UTC(2026, 8, 2, 8);
    const fails = [1, 2].map((hour) => ({ at: at + hour * 3_600_000, works: false }));
    const live = bootId("22222222-2222-4222-8222-222222222222");
    bench.store.boots.begin({ id: live, startedAt: at - 30_000, lastSeenAt: at + 7_200_000, origin: "live" });
    bench.store.snapshots.link({ bootId: live, at, snapshotId: "live-facts", reason: "service start" });
    bench.store.attempts.save(
      {
        id: "seen-live",
        vm: VM as VmName,
        bootId: live,
        openedAt: at + 3_600_000 - 40,
        closedAt: at + 3_602_000,
        outcome: "failed",
        devices: [],
        groups: [],
        evidence: [],
      },
      { origin: "live" },
    );
    writeLog(bench, "syslog", makeSyslog(boot(at, "1.A95", fails)), at + 7_200_000);
    bench.write(`${VM}.log`, makeDomainLog(fails));
    const result = await bench.import([bench.directory]);
    assert.deepEqual(
      result.boots.map(({ id, isLive, newAttempts }) => ({ id, isLive, newAttempts })),
      [{ id: live, isLive: true, newAttempts: 1 }],
    );
    const [stored] = bench.store.boots.list();
    assert.deepEqual(
      [stored?.origin, stored?.startedAt, stored?.snapshotId],
      ["live", at - 30_000, "live-facts"],
    );
    // The one that the service slept through was added, the other left alone.
    assert.deepEqual(
      bench.store.attempts.list().map(({ origin }) => origin),
      ["imported", "live"],
    );
  });

  it("says why a file is not taken", async (context) => {
    const bench = createWorkbench(context);
    const text = bench.write("notes.txt", "some notes\n");
    const result = await bench.import([text, join(bench.directory, "nothing-here")]);
    assert.match(
      result.sources.map(({ refused }) => refused).join(" "),
      /neither a diagnostics archive nor a log.*|does not exist/,
    );
    assert.ok(result.sources.every(({ refused }) => refused !== undefined));
  });
});

describe("importing a recorded systemd host", () => {
  const recording = (name: string) => recordingPath("rmrr-intel-systemd", name);

  /** A journalctl that gives the recorded journal: kernel lines as the journal has them, libvirt's as recorded. */
  function fakeJournal(bench: Workbench): readonly [string, ...string[]] {
    const id = "36ad7436a5d74f97a5dc5fb384b29ed6";
    const kernel = gunzipSync(readFileSync(recording("journal.txt.gz")))
      .toString("utf8")
      .split("\n")
      .flatMap((line, index) => {
        const parts = /^(\S+) rig kernel: (.*)$/.exec(line);
        if (parts === null) return [];
        const us = Date.parse(parts[1] ?? "") * 1000;
        const device = /^vfio-pci (\S+): /.exec(parts[2] ?? "")?.[1];
        return JSON.stringify({
          __CURSOR: `c${index}`,
          __REALTIME_TIMESTAMP: String(us),
          __MONOTONIC_TIMESTAMP: String(us - 1_795_425_038_954_000),
          _SOURCE_MONOTONIC_TIMESTAMP: String(us - 1_795_425_038_954_000),
          _BOOT_ID: id,
          _TRANSPORT: "kernel",
          SYSLOG_FACILITY: "0",
          PRIORITY: "6",
          MESSAGE: parts[2],
          ...(device === undefined ? {} : { _KERNEL_DEVICE: `+pci:${device}` }),
        });
      });
    const entries = bench.write(
      "entries",
      `${kernel.join("\n")}\n${readFileSync(recording("journal-libvirt.json"), "utf8")}`,
    );
    const boots = bench.write(
      "boots",
      JSON.stringify([
        { index: 0, boot_id: id, first_entry: 1_795_425_047_242_935, last_entry: 1_795_425_500_000_000 },
      ]),
    );
    const script = bench.write(
      "journalctl.sh",
      `case "$*" in *--list-boots*) cat '${boots}';; *--boot=${id}*) cat '${entries}';; *) exit 1;; esac\n`,
    );
    return ["sh", script];
  }

  it("takes journal, syslog and the VM's log as one boot by the kernel's own id, each line once", async (context) => {
    const bench = createWorkbench(context);
    const logs = join(bench.directory, "logs");
    mkdirSync(logs);
    copyFileSync(recording("journal.txt.gz"), join(logs, "syslog.1.gz"));
    copyFileSync(recording("libvirt/Windows 11.log"), join(logs, "Windows 11.log"));
    copyFileSync(recording("libvirtd.log"), join(logs, "libvirtd.log"));
    const journalctl = fakeJournal(bench);
    const result = await bench.import(["journal", logs], { journalctl });
    assert.deepEqual(
      result.boots.map(({ id, bios, failed }) => ({ id, bios, failed })),
      [{ id: bootId("36ad7436-a5d7-4f97-a5dc-5fb384b29ed6"), bios: "E7E49AMSI.1A95", failed: 1 }],
    );
    const [row] = bench.store.attempts.list();
    assert.equal(row?.cause, "iommu-direct-mapping-required");
    const full = bench.store.attempts.full(row?.number ?? 0, signatures);
    const kernel = full?.evidence.filter(
      ({ observation }) => observation.kind === "kernel-record" && observation.text === REFUSED,
    );
    assert.deepEqual(
      kernel?.map(({ count }) => count),
      [1],
    );
    const before = bench.contents();
    await bench.import([logs]);
    await bench.import(["journal"], { journalctl });
    assert.deepEqual(bench.contents(), before);
  });

  it("knows a syslog alone by its first line, and says when a journal cannot be read", async (context) => {
    const bench = createWorkbench(context);
    const path = bench.write("messages.gz", readFileSync(recording("journal.txt.gz")));
    const result = await bench.import(["journal", path]);
    assert.match(result.sources[0]?.refused ?? "", /journal cannot be read/);
    assert.equal(result.boots[0]?.bios, "E7E49AMSI.1A95");
    assert.equal(result.boots[0]?.startedAt, Date.parse("2026-11-23T09:10:47.242Z"));
    assert.deepEqual(result.sources[1]?.notes, []);
    assert.ok(matcher.match("kernel", REFUSED).length > 0);
  });

  it("reads a libvirtd.log of very many records", async (context) => {
    const bench = createWorkbench(context);
    const record = (number: number) =>
      `2026-11-23 08:49:22.766+0000: 290: error : virNetSocketReadWire:1791 : End of file ${number}\n`;
    const path = bench.write(
      "libvirtd.log",
      Array.from({ length: 140_000 }, (_, number) => record(number)).join(""),
    );
    const result = await bench.import([path]);
    assert.deepEqual(
      result.sources.map(({ refused }) => refused),
      [undefined],
    );
    assert.match(
      result.sources[0]?.notes.join() ?? "",
      /^1\d\d \d{3} messages of 140 000 errors and warnings of libvirt's left out, the oldest/,
    );
  });

  it("stops reading a damaged compressed log where it is damaged, and says so", async (context) => {
    const bench = createWorkbench(context);
    const whole = readFileSync(recording("journal.txt.gz"));
    const path = bench.write("syslog.1.gz", whole.subarray(0, whole.length >> 1));
    const result = await bench.import([path]);
    assert.match(result.sources[0]?.notes.join() ?? "", /what came before was read/);
    assert.equal(result.boots[0]?.bios, "E7E49AMSI.1A95");
    writeFileSync(path, "");
    assert.equal((await bench.import([path])).boots.length, 0);
  });
});
