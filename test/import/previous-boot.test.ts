import assert from "node:assert/strict";
import { mkdirSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import fc from "fast-check";
import { systemClock } from "../../src/clock.ts";
import { takeInPreviousBoot } from "../../src/daemon/previous-boot.ts";
import { createHostPaths } from "../../src/host-paths.ts";
import { parseLastLine, readLastWords } from "../../src/import/pstore.ts";
import { lastWordsOf } from "../../src/import/take-in.ts";
import { bootId } from "../../src/model/identifiers.ts";
import { createWorkbench, type Workbench } from "./importing.ts";
import { makeSyslog } from "./make-diagnostics.ts";

const DIED = Date.UTC(2026, 8, 2, 10);
const STARTED = DIED - 600_000;
const NOW_BOOT = bootId("33333333-3333-4333-8333-333333333333");
const LAST_BOOT = bootId("44444444-4444-4444-8444-444444444444");

function put(bench: Workbench, path: string, content: string, at: number): void {
  const place = join(bench.directory, path);
  mkdirSync(dirname(place), { recursive: true });
  writeFileSync(place, content);
  utimesSync(place, at / 1000, at / 1000);
}

/** A panic as efi-pstore keeps it: in parts, the newest first. */
function putPanic(bench: Workbench): void {
  put(
    bench,
    "/sys/fs/pstore/dmesg-efi-178840000001001",
    "Panic#1 Part1\n<4>[  599.100000] vfio-pci 0000:01:00.0: not ready 65535ms after bus reset; giving up\n<0>[  600.000000] Kernel panic - not syncing: Fatal exception\n",
    DIED,
  );
  put(
    bench,
    "/sys/fs/pstore/dmesg-efi-178840000002001",
    "Panic#1 Part2\n<5>[    0.000000] Linux version 6.12.54-Unraid (root@x) (gcc) #1 SMP\n<6>[    0.000000] DMI: MSI MS-7E49/MPG X870E CARBON WIFI, BIOS 1.A95 03/02/2026\n<12>[  500.000000] a program wrote this: vfio-pci 0000:01:00.0: not ready 1ms after bus reset; giving up\n",
    DIED,
  );
}

function take(bench: Workbench, journalctl?: readonly [string, ...string[]]) {
  return takeInPreviousBoot({
    ...bench.parts,
    paths: createHostPaths(bench.directory),
    clock: systemClock,
    bootId: NOW_BOOT,
    bootedAt: DIED + 60_000,
    ...(journalctl === undefined ? {} : { journalctl }),
  });
}

describe("what the previous, dead boot left", () => {
  it("puts a dump's parts in order and leaves out what programs wrote", (context) => {
    const bench = createWorkbench(context);
    putPanic(bench);
    const [words, ...others] = readLastWords(join(bench.directory, "/sys/fs/pstore"));
    assert.equal(others.length, 0);
    assert.equal(words?.reason, "Panic");
    assert.deepEqual(
      words?.lines.map(({ monotonicUs }) => monotonicUs),
      [0, 0, 599_100_000, 600_000_000],
    );
  });

  it("adds the kernel's last words to the boot that the service saw, and says that it ended badly", async (context) => {
    const bench = createWorkbench(context);
    putPanic(bench);
    bench.store.boots.begin({
      id: LAST_BOOT,
      startedAt: STARTED,
      lastSeenAt: STARTED + 60_000,
      origin: "live",
    });
    bench.store.boots.begin({ id: NOW_BOOT, startedAt: DIED + 60_000, origin: "live" });
    const taken = await take(bench);
    assert.deepEqual(
      taken.boots.map(({ id, isLive }) => ({ id, isLive })),
      [{ id: LAST_BOOT, isLive: true }],
    );
    assert.match(taken.lastWords.at(-1) ?? "", /Kernel panic/);
    assert.deepEqual(lastWordsOf(bench.store, LAST_BOOT), taken.lastWords);
    const stored = bench.store.boots.get(LAST_BOOT);
    assert.deepEqual([stored?.origin, stored?.startedAt, stored?.end], ["live", STARTED, "unclean"]);
    const said = bench.store.sightings.list({ bootId: LAST_BOOT }).map(({ text, count }) => [text, count]);
    assert.deepEqual(said, [["vfio-pci 0000:01:00.0: not ready 65535ms after bus reset; giving up", 1]]);
    assert.deepEqual((await take(bench)).boots, [], "once a boot");
  });

  it("makes a boot of what nobody saw", async (context) => {
    const bench = createWorkbench(context);
    putPanic(bench);
    await take(bench);
    const [stored, ...others] = bench.store.boots.list();
    assert.equal(others.length, 0);
    assert.deepEqual([stored?.origin, stored?.startedAt, stored?.end], ["imported", STARTED, "unclean"]);
  });

  it("reads Unraid's syslog-previous", async (context) => {
    const bench = createWorkbench(context);
    put(bench, "/etc/unraid-version", 'version="7.2.3"\n', DIED);
    put(
      bench,
      "/boot/logs/syslog-previous",
      makeSyslog({ bios: "1.A95", startedAt: STARTED, madeAt: DIED, starts: [] }),
      DIED,
    );
    const taken = await take(bench);
    assert.deepEqual(
      taken.boots.map(({ bios, startedAt, isNew }) => ({ bios, startedAt, isNew })),
      [{ bios: "1.A95", startedAt: STARTED, isNew: true }],
    );
  });

  it("asks the journal for the boot before this one only", async (context) => {
    const bench = createWorkbench(context);
    mkdirSync(join(bench.directory, "/run/systemd/system"), { recursive: true });
    const plain = (id: string) => id.replaceAll("-", "");
    const entry = JSON.stringify({
      __CURSOR: "c1",
      __REALTIME_TIMESTAMP: String(STARTED * 1000),
      __MONOTONIC_TIMESTAMP: "0",
      _SOURCE_MONOTONIC_TIMESTAMP: "0",
      _BOOT_ID: plain(LAST_BOOT),
      _TRANSPORT: "kernel",
      SYSLOG_FACILITY: "0",
      PRIORITY: "6",
      MESSAGE: "DMI: MSI MS-7E49/MPG X870E CARBON WIFI, BIOS 1.A95 03/02/2026",
    });
    const boots = [bootId("55555555-5555-4555-8555-555555555555"), LAST_BOOT, NOW_BOOT].map((id, index) => ({
      index: index - 2,
      boot_id: plain(id),
      first_entry: STARTED * 1000,
      last_entry: DIED * 1000,
    }));
    const script = bench.write(
      "journalctl.sh",
      `case "$*" in *--list-boots*) echo '${JSON.stringify(boots)}';; *--boot=${plain(LAST_BOOT)}*) echo '${entry}';; *) exit 1;; esac\n`,
    );
    const taken = await take(bench, ["sh", script]);
    assert.deepEqual(
      taken.boots.map(({ id, bios }) => ({ id, bios })),
      [{ id: LAST_BOOT, bios: "1.A95" }],
    );
    assert.deepEqual(taken.notes, []);
  });

  it("is content with nothing, and with damaged dumps", async (context) => {
    const bench = createWorkbench(context);
    assert.deepEqual((await take(bench)).boots, []);
    fc.assert(
      fc.property(fc.string(), (text) => {
        for (const { monotonicUs } of parseLastLine(text)) assert.ok(Number.isFinite(monotonicUs));
      }),
    );
  });
});
