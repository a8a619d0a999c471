import assert from "node:assert/strict";
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { createVirtualClock, systemClock } from "../../src/clock.ts";
import { createHostPaths } from "../../src/host-paths.ts";
import { bootId } from "../../src/model/identifiers.ts";
import type { Observation, ResumePoint } from "../../src/model/observation.ts";
import { read } from "../../src/model/reading.ts";
import { parseJournalEntry } from "../../src/sources/kernel-log/journal-entry.ts";
import type { KmsgDevice } from "../../src/sources/kernel-log/kmsg-device.ts";
import { parseSyslogLine } from "../../src/sources/kernel-log/syslog-line.ts";
import { createKernelLogSource } from "../../src/sources/kernel-log.ts";

const BOOT = bootId("5c509197-a62c-4007-82f2-e415d588acde");
const BOOT_HEX = BOOT.replaceAll("-", "");
const BOOTED = Date.UTC(2026, 10, 23, 9, 10, 30);

function directory(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "kernel-log-"));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

/** One line of `journalctl -o json`, with the fields that systemd 252 gives for a kernel record. */
function entry(number: number, changes: Record<string, unknown> = {}): string {
  return JSON.stringify({
    _TRANSPORT: "kernel",
    SYSLOG_FACILITY: "0",
    SYSLOG_IDENTIFIER: "kernel",
    PRIORITY: "4",
    _BOOT_ID: BOOT_HEX,
    __CURSOR: `s=40add5fb;i=${number};b=${BOOT_HEX};m=8cbd;t=660f;x=7fd4`,
    __REALTIME_TIMESTAMP: String((BOOTED + 10_000 + number) * 1000),
    __MONOTONIC_TIMESTAMP: String(10_000_000 + number * 1000),
    _SOURCE_MONOTONIC_TIMESTAMP: String(7_000_000 + number * 1000),
    MESSAGE: `message ${number}`,
    ...changes,
  });
}

const forbidden: KmsgDevice = {
  open() {
    throw Object.assign(new Error("EPERM"), { code: "EPERM" });
  },
  follow: () => assert.fail("a device that cannot be opened is not followed"),
};

function createSource(
  t: TestContext,
  options: {
    readonly root: string;
    readonly clock?: typeof systemClock;
    readonly device?: KmsgDevice;
    readonly journalctl?: readonly [string, ...string[]];
  },
) {
  const observations: Observation[] = [];
  const waiting: { count: number; reached: () => void }[] = [];
  const source = createKernelLogSource({
    paths: createHostPaths(options.root),
    clock: options.clock ?? systemClock,
    bootIdentity: () => ({ bootId: read(BOOT), bootedAt: read(BOOTED), monotonicZero: read(BOOTED) }),
    device: options.device ?? forbidden,
    journalctl: options.journalctl ?? ["/nonexistent/journalctl"],
  });
  t.after(() => source.stop());
  return {
    source,
    observations,
    texts: () => observations.map((o) => (o.kind === "kernel-record" ? o.text : o.kind)),
    start: (resume?: ResumePoint) =>
      source.start(
        (observation) => {
          observations.push(observation);
          for (const { count, reached } of waiting) if (observations.length >= count) reached();
        },
        new Map(resume === undefined ? [] : [[resume.key, resume.value]]),
      ),
    until: (count: number) =>
      observations.length >= count
        ? Promise.resolve()
        : new Promise<void>((reached) => {
            waiting.push({ count, reached });
          }),
  };
}

describe("an entry of the journal", () => {
  test("gives the record's own time, however late journald took it in", () => {
    assert.deepEqual(parseJournalEntry(entry(5, { _KERNEL_DEVICE: "+pci:0000:01:00.0" })), {
      cursor: `s=40add5fb;i=5;b=${BOOT_HEX};m=8cbd;t=660f;x=7fd4`,
      bootId: BOOT,
      facility: 0,
      level: 4,
      text: "message 5",
      device: "+pci:0000:01:00.0",
      monotonicUs: 7_005_000,
      at: BOOTED + 7_005,
    });
  });

  test("gives a message that came as bytes, or twice", () => {
    const text = (message: unknown) => parseJournalEntry(entry(1, { MESSAGE: message }))?.text;
    assert.equal(text([...Buffer.from("tab\there µ")]), "tab\there µ");
    assert.equal(text(["first", "second"]), "first");
    assert.equal(text("x".repeat(100_000))?.length, 8193);
  });

  test("that is none is refused", () => {
    for (const line of [
      "",
      "{",
      "null",
      "[]",
      entry(1, { MESSAGE: null }),
      entry(1, { _TRANSPORT: "syslog" }),
      entry(1, { _BOOT_ID: "../../etc" }),
      entry(1, { _SOURCE_MONOTONIC_TIMESTAMP: "-1" }),
      entry(1, { SYSLOG_FACILITY: undefined }),
    ]) {
      assert.equal(parseJournalEntry(line), undefined, line);
    }
  });
});

describe("the journal", () => {
  /** A program in place of journalctl, which notes its parameters and prints what the tests put down. */
  function createJournalctl(t: TestContext) {
    const root = directory(t);
    const program = join(root, "journalctl");
    writeFileSync(
      program,
      `#!/bin/sh
echo "$*" >> ${root}/calls
case "$*" in
*--follow*) cat ${root}/follow; exec sleep 60 ;;
*) cat ${root}/backlog ;;
esac
`,
    );
    chmodSync(program, 0o755);
    const put = (file: string, lines: readonly string[]) =>
      writeFileSync(join(root, file), lines.map((line) => `${line}\n`).join(""));
    put("backlog", []);
    put("follow", []);
    return { root, program, put, calls: () => readFileSync(join(root, "calls"), "utf8").trim().split("\n") };
  }

  test("is read where the device may not be, first to its end and then on", async (t) => {
    const { root, program, put, calls } = createJournalctl(t);
    put("backlog", [entry(1), entry(2, { SYSLOG_FACILITY: "1", MESSAGE: "forged" }), "junk", entry(3)]);
    put("follow", [entry(4)]);
    const { source, start, texts, until, observations } = createSource(t, { root, journalctl: [program] });
    await start();
    assert.deepEqual(texts(), ["message 1", "message 3"]);
    assert.deepEqual(source.health().state, { state: "live", detail: "following the journal of the kernel" });
    await until(3);
    assert.deepEqual(texts(), ["message 1", "message 3", "message 4"]);
    assert.equal(
      observations[0]?.identity,
      `${BOOT}:journal:s=40add5fb;i=1;b=${BOOT_HEX};m=8cbd;t=660f;x=7fd4`,
    );
    assert.equal(source.health().skipped, 1);
    assert.match(calls()[1] ?? "", /--after-cursor=s=40add5fb;i=3;.* --follow --no-tail$/);
    await source.stop();
  });

  test("goes on after the cursor of the last record", async (t) => {
    const { root, program, put, calls } = createJournalctl(t);
    put("backlog", [entry(7)]);
    const first = createSource(t, { root, journalctl: [program] });
    await first.start();
    await first.source.stop();
    put("backlog", []);
    const second = createSource(t, { root, journalctl: [program] });
    await second.start(first.observations.at(-1)?.resume);
    assert.deepEqual(second.texts(), []);
    assert.match(
      calls().findLast((call) => !call.includes("--follow")) ?? "",
      /--after-cursor=s=40add5fb;i=7;/,
    );
    await second.source.stop();
  });

  test("tells nothing again that was read from the device before", async (t) => {
    const { root, program, put } = createJournalctl(t);
    put("backlog", [entry(1), entry(2), entry(3)]);
    const { source, start, texts } = createSource(t, { root, journalctl: [program] });
    await start({
      key: "kernel-log",
      value: JSON.stringify({ bootId: BOOT, sequence: 900, monotonicUs: 7_002_000 }),
    });
    assert.deepEqual(texts(), ["message 3"]);
    await source.stop();
  });

  test("is left for the device as soon as that can be read, and nothing is told again", async (t) => {
    const { root, program, put } = createJournalctl(t);
    put("backlog", [entry(1), entry(2)]);
    let open = false;
    const bytes = Buffer.from(
      "4,31,7001000,-;message 1\n4,32,7002000,-;message 2\n4,33,7003000,-;message 3\n",
    );
    const device: KmsgDevice = {
      open() {
        if (!open) return forbidden.open();
        let given = false;
        return {
          read(buffer) {
            if (given) return 0;
            given = true;
            return bytes.copy(buffer);
          },
          close() {},
        };
      },
      follow: () => ({ stop: async () => {} }),
    };
    const clock = createVirtualClock(BOOTED + 60_000);
    const { source, start, texts, until } = createSource(t, { root, journalctl: [program], device, clock });
    await start();
    assert.deepEqual(texts(), ["message 1", "message 2"]);
    open = true;
    clock.moveTo(clock.now() + 1000);
    await until(3);
    assert.deepEqual(texts(), ["message 1", "message 2", "message 3"]);
    assert.equal(source.health().lost, 0);
    await source.stop();
  });

  test("without kernel records is no way to read them", async (t) => {
    const { root, program } = createJournalctl(t);
    const { source, start } = createSource(t, { root, journalctl: [program] });
    await start();
    const { state } = source.health();
    assert.ok(state.state === "waiting");
    assert.match(state.why, /the journal shows no kernel records/);
    await source.stop();
  });
});

describe("a line of a syslog daemon", () => {
  const local = (year: number, month: number, day: number, hour: number) =>
    new Date(year, month - 1, day, hour, 5, 6).getTime();

  test("is read in the traditional form, with and without the kernel's stamp", () => {
    assert.deepEqual(
      parseSyslogLine("Nov  3 13:05:06 Tower kernel: vfio-pci 0000:01:00.0: x", local(2026, 11, 23, 0)),
      { at: local(2026, 11, 3, 13), text: "vfio-pci 0000:01:00.0: x", monotonicUs: undefined },
    );
    assert.deepEqual(
      parseSyslogLine("Nov 23 13:05:06 rig kernel: [   24.264264] text", local(2026, 11, 23, 14)),
      {
        at: local(2026, 11, 23, 13),
        text: "text",
        monotonicUs: 24_264_264,
      },
    );
  });

  test("is read in the ISO form", () => {
    assert.deepEqual(parseSyslogLine("2026-11-23T09:10:47.242935+01:00 rig kernel: text: a", 0), {
      at: Date.UTC(2026, 10, 23, 8, 10, 47, 242),
      text: "text: a",
      monotonicUs: undefined,
    });
  });

  test("of December that is read in January is last year's", () => {
    const line = "Dec 31 23:05:06 rig kernel: text";
    assert.equal(parseSyslogLine(line, local(2027, 1, 1, 0))?.at, local(2026, 12, 31, 23));
    assert.equal(
      parseSyslogLine("Jan  1 00:05:06 rig kernel: text", local(2026, 12, 31, 23))?.at,
      local(2027, 1, 1, 0),
    );
  });

  test("of a program is not the kernel's", () => {
    for (const line of [
      "Nov 23 13:05:06 rig kernel[12]: text",
      "Nov 23 13:05:06 rig notkernel: text",
      "Nov 23 13:05:06 rig sshd[1]: kernel: text",
      "Foo 23 13:05:06 rig kernel: text",
      "2026-13-45T99:10:47Z rig kernel: text",
      "",
    ]) {
      assert.equal(parseSyslogLine(line, 0), undefined, line);
    }
  });
});

describe("a syslog daemon's file", () => {
  const line = (second: number, text: string) =>
    `2026-11-23T09:11:${String(second).padStart(2, "0")}+00:00 rig kernel: ${text}\n`;

  function createLog(t: TestContext) {
    const root = directory(t);
    mkdirSync(join(root, "var/log"), { recursive: true });
    const file = join(root, "var/log/syslog");
    const clock = createVirtualClock(BOOTED + 120_000);
    return { root, file, clock, poll: () => clock.moveTo(clock.now() + 500) };
  }

  test("is followed where there is nothing better, for this boot's kernel lines", async (t) => {
    const { root, file, clock, poll } = createLog(t);
    const earlier = "2026-11-22T09:11:00+00:00 rig kernel: of an earlier boot\n";
    writeFileSync(
      file,
      `${earlier}${line(1, "one")}2026-11-23T09:11:01+00:00 rig sshd[1]: no\n${line(2, "two")}`,
    );
    const { source, start, texts, observations } = createSource(t, { root, clock });
    await start();
    assert.deepEqual(texts(), ["one", "two"]);
    assert.deepEqual(source.health().state, {
      state: "live",
      detail: "following /var/log/syslog, where other programs can write kernel lines too",
    });
    appendFileSync(file, line(3, "three").slice(0, 20));
    poll();
    appendFileSync(file, line(3, "three").slice(20));
    poll();
    assert.deepEqual(texts(), ["one", "two", "three"]);
    assert.equal(new Set(observations.map((o) => o.identity)).size, 3);
    await source.stop();
    appendFileSync(file, line(4, "four"));
    poll();
    assert.equal(texts().length, 3);
  });

  test("is followed through rotation and truncation", async (t) => {
    const { root, file, clock, poll } = createLog(t);
    writeFileSync(file, line(1, "one"));
    const { source, start, texts } = createSource(t, { root, clock });
    await start();
    appendFileSync(file, line(2, "last of the old file"));
    renameSync(file, `${file}.1`);
    writeFileSync(file, line(3, "first of the new file"));
    poll();
    truncateSync(file);
    appendFileSync(file, line(4, "short"));
    poll();
    assert.deepEqual(texts(), ["one", "last of the old file", "first of the new file", "short"]);
    await source.stop();
  });

  test("that was rotated while nobody read is gone through to its end", async (t) => {
    const { root, file, clock } = createLog(t);
    writeFileSync(file, line(1, "one"));
    const first = createSource(t, { root, clock });
    await first.start();
    await first.source.stop();
    appendFileSync(file, line(2, "two"));
    renameSync(file, `${file}.1`);
    writeFileSync(file, line(3, "three"));
    const second = createSource(t, { root, clock });
    await second.start(first.source.position());
    assert.deepEqual(second.texts(), ["two", "three"]);
    await second.source.stop();
  });

  test("with a line of 100 KB loses that line and no other", async (t) => {
    const { root, file, clock } = createLog(t);
    writeFileSync(file, line(1, "one") + line(2, "x".repeat(100_000)) + line(3, "three"));
    const { source, start, texts } = createSource(t, { root, clock });
    await start();
    assert.deepEqual(texts(), ["one", "three"]);
    assert.equal(source.health().skipped, 1);
    await source.stop();
  });
});
