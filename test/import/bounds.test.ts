import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { systemClock } from "../../src/clock.ts";
import { createHostPaths } from "../../src/host-paths.ts";
import { findSources } from "../../src/import/find-sources.ts";
import { importHistory } from "../../src/import/import-history.ts";
import { IMPORT_LIMITS, type ImportLimits } from "../../src/import/limits.ts";
import { createNewest } from "../../src/import/newest.ts";
import { createWorkbench, isKnown, type Workbench } from "./importing.ts";
import { type MadeUpBoot, makeDiagnostics, makeDomainLog, makeSyslog, VM } from "./make-diagnostics.ts";
import { makeZip } from "./make-zip.ts";

const MB = 1024 ** 2;
const AT = Date.UTC(2026, 10, 23, 8);
const GOOD: MadeUpBoot = {
  bios: "1.A63",
  startedAt: AT,
  madeAt: AT + 7_200_000,
  starts: [{ at: AT + 600_000, works: true }],
};
const FIRST_LINE = "Nov 23 08:00:00 Tower kernel: Linux version 6.12.54-Unraid (root@x) #1 SMP x\n";

/** Diagnostics of a good boot in which some files are others. */
function archiveWith(files: Readonly<Record<string, string | Buffer>>): Buffer {
  const { name } = makeDiagnostics(GOOD);
  const own = Object.entries({
    "unraid-7.2.3.txt": "7.2.3\n",
    "system/vars.txt": "    [timeZone] => UTC\n",
    "logs/syslog.txt": makeSyslog(GOOD),
    [`qemu/${VM}.txt`]: makeDomainLog(GOOD.starts),
    ...files,
  });
  return makeZip(own.map(([path, content]) => ({ name: `${name.replace(".zip", "")}/${path}`, content })));
}

async function importInto(bench: Workbench, path: string, limits: Partial<ImportLimits> = {}) {
  const sources = findSources([path], {
    paths: createHostPaths(bench.directory),
    isKnown,
    journal: { journalctl: ["false"], clock: systemClock, patienceMs: 20_000 },
    limits: { ...IMPORT_LIMITS, ...limits },
  });
  const { parts } = bench;
  const now = Date.UTC(2026, 11, 31);
  const result = await importHistory({ sources, parts, runningBoot: undefined, now, progress: () => {} });
  return { result, source: result.sources[0], notes: result.sources[0]?.notes.join("\n") ?? "" };
}

describe("archives that are made to hurt", () => {
  it("passes over endless line ends, and takes in the rest of the archive", async (context) => {
    const bench = createWorkbench(context);
    const syslog = Buffer.concat([Buffer.alloc(64 * MB, "\n"), Buffer.from(makeSyslog(GOOD))]);
    const bomb = archiveWith({ "logs/syslog.txt": syslog });
    assert.ok(bomb.length < 80_000);
    const { result } = await importInto(bench, bench.write("bomb.zip", bomb));
    assert.deepEqual(
      result.boots.map(({ bios, good }) => ({ bios, good })),
      [{ bios: "1.A63", good: 1 }],
    );
  });

  it("counts the lines behind the last that is read, also where one line is endless", async (context) => {
    const bench = createWorkbench(context);
    const long = `${"x".repeat(IMPORT_LIMITS.lineBytes + 1)}\n`;
    const syslog = `${makeSyslog(GOOD)}${long}${"y\n".repeat(5_000)}last without an end`;
    const read = makeSyslog(GOOD).split("\n").length - 1;
    const path = bench.write("bomb.zip", archiveWith({ "logs/syslog.txt": syslog }));
    const { notes, result } = await importInto(bench, path, { fileLines: read + 1_000 });
    assert.match(notes, /logs\/syslog\.txt: 1 overlong line was passed over/);
    assert.match(notes, /logs\/syslog\.txt: 4 001 lines left out behind the first/);
    assert.equal(result.boots[0]?.bios, "1.A63");
  });

  it("keeps the newest boots of a log that tells of more than a log can", async (context) => {
    const bench = createWorkbench(context);
    const minutes = (number: number) => new Date(AT + number * 60_000).toISOString();
    const log = Array.from(
      { length: 3_000 },
      (_, number) => `${minutes(number)} Tower kernel: Linux version 6.1.${number} (x) #1 y\n`,
    ).join("");
    const { notes, result } = await importInto(bench, bench.write("syslog", log), { boots: 50 });
    assert.match(notes, /It tells of 3 000 boots; the oldest 2 950 boots left out/);
    assert.equal(result.boots.length, 50);
    assert.equal(result.boots[0]?.startedAt, AT + 2_950 * 60_000);
    assert.equal(result.boots.at(-1)?.startedAt, AT + 2_999 * 60_000);
  });

  it("makes no boots of 64 MB of first lines", async (context) => {
    const bench = createWorkbench(context);
    const path = bench.write("b.zip", archiveWith({ "logs/syslog.txt": Buffer.alloc(64 * MB, FIRST_LINE) }));
    const { notes, result } = await importInto(bench, path);
    assert.match(notes, /of one log at most 1 000 boots/);
    assert.ok(result.boots.length <= 1_000);
  });

  it("keeps the newest starts of VMs, whichever VM's they are and in whatever order they come", async (context) => {
    const starts = (from: number) =>
      Array.from({ length: 40 }, (_, number) => ({ at: AT + (from + number) * 60_000, works: false }));
    const taken: unknown[] = [];
    for (const [first, second] of [
      ["a", "b"],
      ["b", "a"],
    ] as const) {
      const bench = createWorkbench(context);
      const path = bench.write(
        "b.zip",
        archiveWith({
          [`qemu/${VM}.txt`]: "",
          [`qemu/${first}.txt`]: makeDomainLog(starts(first === "a" ? 0 : 40)).replaceAll(VM, first),
          [`qemu/${second}.txt`]: makeDomainLog(starts(second === "a" ? 0 : 40)).replaceAll(VM, second),
        }),
      );
      const { notes } = await importInto(bench, path, { starts: 50 });
      assert.match(notes, /80 runs of VMs stand in 3 VMs' logs; the oldest 30 runs left out/);
      taken.push(
        bench.store.attempts
          .list()
          .map(({ vm, openedAt }) => `${vm} ${openedAt}`)
          .sort(),
      );
    }
    assert.equal((taken[0] as readonly string[]).length, 50);
    assert.deepEqual(taken[0], taken[1]);
  });

  it("keeps of a VM that said endlessly much how it began and how it ended", async (context) => {
    const bench = createWorkbench(context);
    const log = makeDomainLog([{ at: AT + 600_000, works: false }]);
    const lines = log.trimEnd().split("\n");
    const noisy = [...lines.slice(0, -2), ..."z".repeat(50_000), ...lines.slice(-2)].join("\n");
    const path = bench.write("b.zip", archiveWith({ [`qemu/${VM}.txt`]: `${noisy}\n` }));
    const { notes } = await importInto(bench, path);
    assert.match(notes, /\d \d{3} lines from the middle of VMs' runs left out/);
    const [start] = bench.store.attempts.list();
    assert.equal(start?.outcome, "failed");
  });

  it("keeps of libvirt's messages those that tell of a VM before the others", async (context) => {
    const bench = createWorkbench(context);
    const record = (number: number, text: string) =>
      `${new Date(AT + number).toISOString().slice(0, 23).replace("T", " ")}+0000: 290: error : f:1 : ${text}\n`;
    const telling = record(0, `internal error: process exited while connecting to monitor: (vm='${VM}')`);
    const noise = Array.from({ length: 5_000 }, (_, number) => record(number + 1, "End of file"));
    const path = bench.write("libvirtd.log", telling + noise.join(""));
    const { notes, source } = await importInto(bench, path, { keptText: 100_000 });
    assert.match(notes, /4 \d{3} messages of 5 001 errors and warnings of libvirt's left out, the oldest/);
    assert.equal(source?.refused, undefined);
  });

  it("reads of a list of devices that is one endless line, or endless lines, the beginning", async (context) => {
    for (const filling of ["01:00.0 ", "\n", "\u0000"]) {
      const bench = createWorkbench(context);
      const devices = Buffer.alloc(16 * MB, filling);
      const path = bench.write("b.zip", archiveWith({ "system/lspci.txt": devices }));
      const { notes, result } = await importInto(bench, path);
      assert.match(notes, /system\/lspci\.txt: it is longer than 524288 bytes; only its beginning was read/);
      assert.equal(result.boots[0]?.bios, "1.A63");
    }
  });

  it("stops unpacking where a file, or all of an archive, is larger than may be read", async (context) => {
    const bench = createWorkbench(context);
    const filling = Buffer.alloc(8 * MB, "no log at all\n");
    const members = Buffer.concat([gzipSync(makeSyslog(GOOD)), ...Array(20).fill(gzipSync(filling))]);
    const packed = await importInto(bench, bench.write("syslog.1.gz", members), { fileBytes: 4 * MB });
    assert.match(packed.notes, /syslog\.1\.gz: it is longer than 4 MB; what comes after them was left out/);
    assert.equal(packed.result.boots[0]?.bios, "1.A63");
    const zip = archiveWith({ "logs/syslog.1.txt": filling, "logs/syslog.2.txt": filling });
    const all = await importInto(bench, bench.write("b.zip", zip), { archiveBytes: 12 * MB });
    assert.match(all.notes, /all files together hold more than 12 MB/);
  });

  it("reads no archive that is too large to lie in memory, and says what to do", async (context) => {
    const bench = createWorkbench(context);
    const path = bench.write("b.zip", Buffer.concat([archiveWith({}), Buffer.alloc(33 * MB)]));
    const { source } = await importInto(bench, path);
    assert.match(source?.refused ?? "", /larger than 32 MB\. Unpack it and give the folder/);
  });
});

describe("logs in other encodings", () => {
  const inUtf16 = (text: string, order: "little" | "big") => {
    const bytes = Buffer.from(`\ufeff${text}`, "utf16le");
    return order === "little" ? bytes : bytes.swap16();
  };

  it("reads UTF-16 in both orders, packed and in archives, also VMs' logs", async (context) => {
    for (const order of ["little", "big"] as const) {
      const syslog = inUtf16(makeSyslog(GOOD).replaceAll("\n", "\r\n"), order);
      const bench = createWorkbench(context);
      for (const [name, bytes] of [
        ["syslog", syslog],
        ["syslog.1.gz", gzipSync(syslog)],
        ["b.zip", archiveWith({ "logs/syslog.txt": syslog })],
      ] as const) {
        const { result } = await importInto(bench, bench.write(name, bytes));
        assert.equal(result.boots[0]?.bios, "1.A63", `${order} ${name}`);
      }
      const log = inUtf16(makeDomainLog([{ at: AT + 600_000, works: false }]), order);
      const other = createWorkbench(context);
      await importInto(other, other.write(`${VM}.log`, log));
      assert.deepEqual(
        other.store.attempts.list().map(({ vm, outcome }) => [vm, outcome]),
        [[VM, "failed"]],
      );
    }
  });

  it("reads the end of a long UTF-16 log", async (context) => {
    const bench = createWorkbench(context);
    const filling = "Nov 22 08:00:00 Tower sshd[1]: x\n".repeat(100_000);
    const path = bench.write("syslog", inUtf16(filling + makeSyslog(GOOD), "big"));
    const { notes, result } = await importInto(bench, path, { fileBytes: MB });
    assert.match(notes, /it is longer than 1 MB; only its end was read, from byte \d+ on/);
    assert.equal(result.boots.at(-1)?.bios, "1.A63");
  });
});

it("keeps the newest whatever the order, and counts the rest", () => {
  const things = Array.from({ length: 1_000 }, (_, at) => ({ at, size: 1 + (at % 3) }));
  const keep = (order: typeof things) => {
    const newest = createNewest<(typeof things)[number]>({ most: 20, room: 30 });
    for (const thing of order) newest.add(thing);
    const { kept, leftOut } = newest.finish();
    assert.equal(kept.length + leftOut, 1_000);
    assert.ok(kept.reduce((sum, { size }) => sum + size, 0) <= 30);
    return kept.map(({ at }) => at).sort((a, b) => a - b);
  };
  const forwards = keep(things);
  assert.equal(forwards.at(-1), 999);
  assert.deepEqual(keep(things.toReversed()), forwards);
  assert.deepEqual(keep(things.toSorted((a, b) => ((a.at * 7919) % 997) - ((b.at * 7919) % 997))), forwards);
});

it("stores what it has read before it reads more than fits, and the history and what is told are the same", async (context) => {
  const take = async (storedFrom: number) => {
    const bench = createWorkbench(context);
    const starts = [...GOOD.starts, { at: AT + 1_200_000, works: true }];
    const paths = [
      bench.write("a.zip", archiveWith({})),
      bench.write("b.zip", archiveWith({ [`qemu/${VM}.txt`]: makeDomainLog(starts) })),
      bench.write(`${VM}.log`, makeDomainLog([{ at: AT - 86_400_000, works: false }])),
    ];
    const storedBefore: number[] = [];
    const sources = findSources(paths, {
      paths: createHostPaths(bench.directory),
      isKnown,
      journal: { journalctl: ["false"], clock: systemClock, patienceMs: 20_000 },
    }).map(({ name, read }) => ({
      name,
      read(progress: (text: string) => void) {
        storedBefore.push(bench.store.stats().rows.attempts);
        return read(progress);
      },
    }));
    const now = Date.UTC(2026, 11, 31);
    const { parts } = bench;
    const options = { sources, parts, runningBoot: undefined, now, progress: () => {}, storedFrom };
    const { boots, withoutBoot } = await importHistory(options);
    // The copies of an archive are not made at one moment.
    const contents = JSON.stringify(bench.contents(), (key, value) => (key === "lastSeenAt" ? 0 : value));
    return { storedBefore, contents, boots, withoutBoot };
  };
  const together = await take(Number.POSITIVE_INFINITY);
  const apart = await take(1);
  assert.deepEqual(together.storedBefore, [0, 0, 0]);
  assert.deepEqual(apart.storedBefore, [0, 1, 2]);
  assert.deepEqual({ ...apart, storedBefore: [] }, { ...together, storedBefore: [] });
  assert.equal(apart.boots[0]?.newAttempts, 2);
});

it("runs the command in a child whose memory is bounded, and passes its exit code on", () => {
  const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
  const run = spawnSync(
    process.execPath,
    [main, "import", "/nowhere", "--json", "--database", "/dev/null/x"],
    {
      encoding: "utf8",
    },
  );
  assert.equal(run.status, 1);
  assert.ok("error" in JSON.parse(run.stdout));
});
