import assert from "node:assert/strict";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import fc from "fast-check";
import { systemClock } from "../../src/clock.ts";
import { diffSnapshots } from "../../src/facts/diff-snapshots.ts";
import { textOf } from "../../src/facts/fact-value.ts";
import { askBlame } from "../../src/history/ask-blame.ts";
import { describeBlame } from "../../src/history/describe-blame.ts";
import { createHostPaths } from "../../src/host-paths.ts";
import { findSources } from "../../src/import/find-sources.ts";
import { vmName } from "../../src/model/identifiers.ts";
import { createWorkbench, isKnown } from "./importing.ts";
import {
  diagnosticsFiles,
  diagnosticsName,
  type MadeUpBoot,
  makeDiagnostics,
  makeSyslog,
  stamp,
  VM,
} from "./make-diagnostics.ts";
import { makeZip } from "./make-zip.ts";

const HOUR = 3_600_000;
const at = (day: number, hour: number) => Date.UTC(2026, 9, day, hour);

function boot(day: number, bios: string, works: boolean, more: Partial<MadeUpBoot> = {}): MadeUpBoot {
  const startedAt = at(day, 8);
  return {
    bios,
    startedAt,
    madeAt: startedAt + 5 * HOUR,
    starts: [1, 2, 3].map((hour) => ({ at: startedAt + hour * HOUR, works })),
    ...more,
  };
}

const GOOD = boot(1, "1.A63", true);
const BROKEN = boot(3, "1.A95", false, { biosDate: "03/02/2026" });
const HEALED = boot(5, "1.A63", true);

function write(context: TestContext, ...boots: readonly MadeUpBoot[]) {
  const bench = createWorkbench(context);
  const paths = boots.map((made) => {
    const { name, bytes } = makeDiagnostics(made);
    return bench.write(name, bytes);
  });
  return { bench, paths };
}

describe("importing Unraid's diagnostics", () => {
  it("knows a VM under the name that it had then, whatever is taken in first", async (context) => {
    const renamed = (files: Map<string, string>) => {
      for (const [path, content] of [...files]) {
        if (!path.includes(VM)) continue;
        files.delete(path);
        files.set(path.replace(VM, "Gaming"), content.replaceAll(VM, "Gaming"));
      }
    };
    const { bench, paths } = write(context, GOOD, { ...BROKEN, change: renamed });
    await bench.import(paths.toReversed());
    const { store } = bench;
    for (const name of [VM, "Gaming"]) assert.equal(store.attempts.list({ vm: vmName(name) }).length, 6);
    assert.deepEqual(store.vms.past(vmName(VM)), { name: "Gaming", formerNames: [VM], madeAnewAt: [] });
    const before = bench.contents();
    await bench.import(paths);
    assert.deepEqual(bench.contents(), before);
  });

  it("answers who broke it for a user who installed after it broke", async (context) => {
    const { bench, paths } = write(context, GOOD, BROKEN, HEALED);
    // In any order.
    const result = await bench.import([paths[1] ?? "", paths[2] ?? "", paths[0] ?? ""]);
    assert.deepEqual(
      result.boots.map(({ bios, good, failed, isNew }) => ({ bios, good, failed, isNew })),
      [
        { bios: "1.A63", good: 3, failed: 0, isNew: true },
        { bios: "1.A95", good: 0, failed: 3, isNew: true },
        { bios: "1.A63", good: 3, failed: 0, isNew: true },
      ],
    );
    const answer = askBlame(bench.store, { vm: vmName(VM) });
    assert.equal(answer.imported, "all");
    assert.equal(answer.blame.failure, "iommu-direct-mapping-required");
    const [first] = answer.blame.sets;
    assert.deepEqual(
      first?.suspects.map(({ family }) => family),
      ["BIOS"],
    );
    assert.equal(first?.reverted, true);
    // The archives show no regions, but the refusal's text proves one, and each good start on 6.12 that there is none.
    assert.equal(answer.blame.certainty, "confirmed");
    assert.equal(answer.blame.healed, true);
    assert.deepEqual([answer.blame.good, answer.blame.bad], [6, 3]);
    const versions = answer.bios.map(({ version }) => version);
    assert.ok(versions.includes("1.A95") && versions.includes("1.A63"));
    assert.match(answer.devices[0]?.name ?? "", /RTX 4060 Ti/);
  });

  it("names the forum's BIOS, with the starts behind it, and advises nothing that was done", async (context) => {
    const { bench, paths } = write(
      context,
      boot(1, "1.A63", true),
      boot(3, "1.A7D", false, { biosDate: "01/07/2026" }),
      boot(5, "1.A95", false, { biosDate: "03/02/2026" }),
      boot(7, "1.A63", true),
    );
    await bench.import([dirname(paths[0] ?? "")]);
    const answer = askBlame(bench.store, { vm: vmName(VM) });
    const { headline, sections } = describeBlame(answer);
    assert.equal(answer.blame.certainty, "confirmed");
    assert.match(
      headline,
      /^BIOS 1\.A7D broke passthrough of .*: 3 of 3 starts worked on 1\.A63, 0 of 3 on 1\.A7D, 0 of 3 on 1\.A95, 3 of 3 after going back to 1\.A63\.$/,
    );
    assert.ok(!sections.some(({ title }) => title === "What would tell them apart"), "it was all tried");
  });

  it("is surer with more boots, and confirms what went back and forth", async (context) => {
    const boots = [1, 2, 3, 4].map((day) => boot(day, "1.A63", true));
    const broken = [6, 7, 8].map((day) => boot(day, "1.A95", false, { biosDate: "03/02/2026" }));
    const { bench, paths } = write(context, ...boots, ...broken, boot(10, "1.A63", true));
    await bench.import([dirname(paths[0] ?? "")]);
    const { blame } = askBlame(bench.store, { vm: vmName(VM) });
    assert.equal(blame.certainty, "confirmed");
    assert.deepEqual(
      blame.sets[0]?.suspects.map(({ family }) => family),
      ["BIOS"],
    );
  });

  it("marks all of it as imported, and changes nothing when it is done again", async (context) => {
    const { bench, paths } = write(context, GOOD, BROKEN);
    await bench.import(paths);
    assert.ok(bench.store.boots.list().every(({ origin }) => origin === "imported"));
    assert.ok(bench.store.attempts.list().every(({ origin }) => origin === "imported"));
    const before = bench.contents();
    const again = await bench.import([...paths].reverse());
    assert.deepEqual(bench.contents(), before);
    assert.ok(again.boots.every(({ isNew, newAttempts }) => !isNew && newAttempts === 0));
  });

  it("finds BIOS, kernel, command line, groups, bindings and VMs, and claims no absence it cannot know", async (context) => {
    const { bench, paths } = write(context, GOOD);
    await bench.import(paths);
    const [stored] = bench.store.boots.list();
    const snapshot = bench.store.snapshots.get(stored?.snapshotId ?? "");
    const facts = new Map(snapshot?.facts.map(({ key, value }) => [key, value]));
    const valueOfKey = (key: string) => {
      const value = facts.get(key);
      return textOf(value) ?? value?.state;
    };
    assert.equal(valueOfKey("firmware.bios.version"), "1.A63");
    assert.equal(valueOfKey("firmware.bios.release"), "5.35");
    assert.equal(valueOfKey("firmware.board.name"), "MPG X870E CARBON WIFI (MS-7E49)");
    assert.equal(valueOfKey("kernel.release"), "6.12.54-Unraid");
    assert.equal(valueOfKey("kernel.parameter.iommu"), "pt");
    assert.equal(valueOfKey("pci.10de:2805/1462:5174.address"), "0000:01:00.0");
    assert.equal(valueOfKey("pci.10de:2805/1462:5174.group"), "14");
    assert.equal(valueOfKey("pci.10de:2805/1462:5174.driver"), "vfio-pci");
    assert.equal(
      valueOfKey("iommu.group.10de:2805/1462:5174.members"),
      "10de:22bd/1462:5174, 10de:2805/1462:5174",
    );
    assert.equal(valueOfKey("iommu.interrupt-remapping"), "on");
    assert.equal(valueOfKey("vfio-setup.config"), "0000:01:00.0|10de:2805, 0000:01:00.1|10de:22bd");
    assert.equal(valueOfKey(`vm.${VM}.devices`), "0000:01:00.0");
    assert.equal(valueOfKey("software.os.version"), "7.2.3");
    assert.equal(valueOfKey("software.libvirt"), "11.7.0");
    for (const unknown of [
      "firmware-tables",
      "boot-loader",
      "hardware",
      "iommu.group.10de:2805/1462:5174",
      "firmware.setting",
      "kernel.modprobe",
    ])
      assert.equal(valueOfKey(unknown), "unknown", unknown);
    assert.deepEqual(
      [...facts].filter(
        // The command line binds nothing, the listing shows which devices have no driver, and definitions are whole.
        ([key, value]) =>
          value.state === "absent" && key !== "vfio-setup.ids" && !/^vm\.|^pci\..*\.driver$/.test(key),
      ),
      [],
    );
  });

  it("reads what Unraid bound and made at boot, and what waits for the next one", async (context) => {
    const bind = "BIND=0000:01:00.0|10de:2805";
    const { bench, paths } = write(context, {
      ...GOOD,
      change(files) {
        files.set("logs/vfio-pci.txt", `Loading config from /boot/config/vfio-pci.cfg\r\n${bind}---\r\n`);
        files.set("config/sriov.cfg", "VFS=0000:04:00.0|8086:1521|2");
        files.set("config/sriovvfs.cfg", "VFSETTINGS=0000:04:11.5|8086:1520|0x02|1|62:00:04:11:05:01\n");
      },
    });
    await bench.import(paths);
    const facts = new Map(
      bench.store.snapshots
        .get(bench.store.boots.list()[0]?.snapshotId ?? "")
        ?.facts.map(({ key, value }) => [key, textOf(value)]),
    );
    assert.equal(facts.get("vfio-setup.waits-for-reboot"), "0000:01:00.1|10de:22bd added");
    assert.equal(facts.get("vfio-setup.vfs"), "0000:04:00.0|8086:1521|2");
    assert.equal(facts.get("vfio-setup.vfs-bound"), "0000:04:11.5|8086:1520");
  });

  it("compares with a boot that the service sees live without inventing a change", async (context) => {
    const { bench, paths } = write(context, GOOD);
    await bench.import(paths);
    const [stored] = bench.store.boots.list();
    const past = bench.store.snapshots.get(stored?.snapshotId ?? "");
    assert.ok(past);
    const live = {
      id: "live",
      facts: past.facts
        .filter(({ value }) => value.state !== "unknown")
        .concat([
          {
            group: "iommu",
            key: "iommu.group.10de:2805/1462:5174.direct",
            value: { state: "value", value: "0x1-0x2" },
          },
          {
            group: "iommu",
            key: "iommu.group.10de:2805/1462:5174.type",
            value: { state: "value", value: "DMA" },
          },
          {
            group: "firmware-tables",
            key: "firmware-tables.IVRS.sha256",
            value: { state: "value", value: "abc" },
          },
          {
            group: "pci",
            key: "pci.10de:2805/1462:5174.reset-methods",
            value: { state: "value", value: "bus" },
          },
          {
            group: "boot-loader",
            key: "boot-loader./boot/syslinux/syslinux.cfg.parameters",
            value: { state: "value", value: "quiet" },
          },
        ]),
    };
    assert.deepEqual(
      diffSnapshots(past, live).map(({ sentence }) => sentence),
      [],
    );
    assert.deepEqual(
      diffSnapshots(live, past).map(({ sentence }) => sentence),
      [],
    );
  });

  it("reads an unpacked archive and a folder of archives as well", async (context) => {
    const bench = createWorkbench(context);
    const top = join(bench.directory, diagnosticsName(GOOD.madeAt));
    for (const [path, content] of diagnosticsFiles(GOOD)) {
      mkdirSync(dirname(join(top, path)), { recursive: true });
      writeFileSync(join(top, path), content);
    }
    const { name, bytes } = makeDiagnostics(BROKEN);
    bench.write(name, bytes);
    const result = await bench.import([bench.directory]);
    assert.deepEqual(
      result.boots.map(({ bios, good, failed }) => [bios, good, failed]),
      [
        ["1.A63", 3, 0],
        ["1.A95", 0, 3],
      ],
    );
  });

  it("takes two archives of one boot, and the syslog on disk, as one boot", async (context) => {
    const early = boot(3, "1.A95", false, {
      madeAt: at(3, 10) + 1_800_000,
      starts: [{ at: at(3, 9), works: false }],
    });
    const late: MadeUpBoot = {
      ...early,
      madeAt: at(3, 14),
      starts: [...early.starts, { at: at(3, 12), works: false }],
    };
    const { bench, paths } = write(context, early, late);
    bench.write("syslog", makeSyslog(late));
    const result = await bench.import([...paths, join(bench.directory, "syslog")]);
    assert.equal(result.boots.length, 1);
    assert.equal(bench.store.boots.list().length, 1);
    const starts = bench.store.attempts.list();
    assert.deepEqual(
      starts.map(({ openedAt }) => openedAt),
      [at(3, 12), at(3, 9)],
    );
    assert.ok(starts.every(({ cause }) => cause === "iommu-direct-mapping-required"));
  });

  it("knows a boot by how long it had been up when its syslog has lost the beginning", async (context) => {
    const early = boot(3, "1.A95", false);
    const late = boot(3, "1.A95", false, {
      madeAt: at(4, 13),
      starts: [{ at: at(4, 12), works: false }],
      change(files) {
        files.set("logs/syslog.txt", `${stamp(at(4, 11))} Tower emhttpd: spinning down\r\n`);
        files.set(
          "system/top.txt",
          "top - 13:00:03 up 1 day,  5:00,  0 users,  load average: 0.5, 0.4, 0.3\r\n",
        );
      },
    });
    const { bench, paths } = write(context, early, late);
    const result = await bench.import(paths);
    assert.equal(result.boots.length, 1);
    assert.equal(result.boots[0]?.failed, 4);
  });

  it("reads local times in the server's own time zone", async (context) => {
    // 08:00 in New York is 12:00 UTC; the log of the VM is in UTC whatever the zone.
    const newYork = boot(3, "1.A95", false, {
      timeZone: "America/New_York",
      starts: [{ at: at(3, 13), works: false }],
      change(files) {
        files.set(
          "logs/syslog.txt",
          (files.get("logs/syslog.txt") ?? "").replaceAll("Oct  3 13:", "Oct  3 09:"),
        );
      },
    });
    const { bench, paths } = write(context, newYork);
    const result = await bench.import(paths);
    assert.equal(result.boots[0]?.startedAt, at(3, 12));
    const start = bench.store.attempts.full(bench.store.attempts.list()[0]?.number ?? 0, () => undefined);
    const kinds = start?.evidence.map(({ observation }) => observation.source);
    assert.ok(
      kinds?.includes("kernel-log"),
      "the kernel's line joins the start, so its local time was understood",
    );
  });

  it("says what is missing and takes the rest", async (context) => {
    const poor = boot(3, "1.A95", false, {
      change(files) {
        for (const name of [
          "system/vars.txt",
          "system/lspci.txt",
          "system/motherboard.txt",
          "logs/syslog.txt",
          `xml/${VM}.xml`,
        ])
          files.delete(name);
      },
    });
    const { bench, paths } = write(context, poor);
    const result = await bench.import(paths);
    const notes = result.sources[0]?.notes.join("\n") ?? "";
    assert.match(notes, /time zone/);
    assert.match(notes, /Nothing in it names the BIOS version/);
    assert.match(notes, /holds no syslog/);
    assert.equal(result.boots[0]?.failed, 3);
    const facts = bench.store.snapshots.get(bench.store.boots.list()[0]?.snapshotId ?? "")?.facts ?? [];
    for (const key of ["firmware.bios.version", "pci", "vm"]) {
      assert.equal(facts.find((fact) => fact.key === key)?.value.state, "unknown", key);
    }
  });

  it("reads the tail of a syslog that was cut, and says that there is a hole", async (context) => {
    const cut = boot(3, "1.A95", false, {
      change(files) {
        const lines = (files.get("logs/syslog.txt") ?? "").split("\r\n");
        files.set("logs/syslog.txt", `${lines.slice(0, 8).join("\r\n")}\r\nOct  3 08:0`);
        files.set("logs/syslog.last200.txt", lines.slice(-4).join("\r\n"));
      },
    });
    const { bench, paths } = write(context, cut);
    const result = await bench.import(paths);
    assert.equal(result.boots.length, 1);
    assert.match(result.sources[0]?.notes.join("\n") ?? "", /was cut when the archive was made/);
    const [newest] = bench.store.attempts.list();
    const full = bench.store.attempts.full(newest?.number ?? 0, () => undefined);
    assert.ok(full?.evidence.some(({ observation }) => observation.source === "kernel-log"));
  });

  it("counts repeated lines that were collapsed", async (context) => {
    const fault =
      "Tower kernel: vfio-pci 0000:01:00.0: AMD-Vi: Event logged [IO_PAGE_FAULT domain=0x000e address=0xfe00 flags=0x0020]";
    const noisy = boot(3, "1.A63", true, {
      moreSyslog: Array.from(
        { length: 8 },
        (_, index) => `${stamp(at(3, 8) + 60_000 + index * 1000)} ${fault}`,
      ),
    });
    const { bench, paths } = write(context, noisy);
    await bench.import(paths);
    const sighting = bench.store.sightings.list().find(({ text }) => text.includes("IO_PAGE_FAULT"));
    assert.equal(sighting?.count, 8);
    await bench.import(paths);
    assert.equal(bench.store.sightings.list().find(({ text }) => text.includes("IO_PAGE_FAULT"))?.count, 8);
  });

  it("does not call a start good that nobody watched long enough", async (context) => {
    const { bench, paths } = write(
      context,
      boot(3, "1.A63", true, {
        madeAt: at(3, 9) + 60_000,
        starts: [{ at: at(3, 9), works: true }],
        change(files) {
          const log = files.get(`qemu/${VM}.txt`) ?? "";
          files.set(
            `qemu/${VM}.txt`,
            log
              .split("\r\n")
              .filter((line) => !line.includes("shutting down"))
              .join("\r\n"),
          );
        },
      }),
    );
    const result = await bench.import(paths);
    assert.equal(result.boots[0]?.undecided, 1);
    assert.equal(bench.store.attempts.list().length, 0);
  });

  it("makes up no boot from an archive in which nothing can be read", async (context) => {
    const bench = createWorkbench(context);
    const locked = ["system/lspci.txt", "logs/syslog.txt", "unraid-7.2.3.txt"].map((name) => ({
      name: `tower-diagnostics-20261001-0800/${name}`,
      content: "x",
      lie: { flags: 0x0801 },
    }));
    const result = await bench.import([bench.write("locked.zip", makeZip(locked))]);
    assert.match(result.sources[0]?.refused ?? "", /^It is encrypted\. Unpack it with its password/);
    assert.deepEqual(bench.store.boots.list(), []);
  });

  it("names what cannot be looked at, an empty file, and what is packed in another way, and takes in the rest", async (context) => {
    const { bench, paths } = write(context, GOOD);
    const loop = join(bench.directory, "loop");
    symlinkSync(loop, loop);
    const packed = bench.write("syslog.1.xz", Buffer.from("fd377a585a000004", "hex"));
    const refusals = async (...words: readonly string[]) =>
      (await bench.import(words)).sources.map(({ refused }) => refused);
    assert.deepEqual(await refusals(loop), ["It is a link that leads back to itself."]);
    assert.deepEqual(await refusals(bench.write("syslog", "")), ["It is empty."]);
    assert.deepEqual(await refusals(packed), ["It is packed with xz (unpack it with 'xz -dk')."]);
    assert.equal(paths.length, 1);
    await bench.import([bench.directory]);
    assert.equal(bench.store.boots.list().length, 1);
  });

  it("refuses foreign and hostile archives with the reason, and goes on with the others", async (context) => {
    const { bench, paths } = write(context, GOOD);
    const foreign = bench.write("photos.zip", makeZip([{ name: "photos/1.jpg", content: "x" }]));
    const hostile = bench.write("evil.zip", makeZip([{ name: "../../etc/cron.d/x", content: "x" }]));
    const result = await bench.import([foreign, hostile, ...paths]);
    assert.match(result.sources[0]?.refused ?? "", /archive of something else/);
    assert.match(result.sources[1]?.refused ?? "", /leads out/);
    assert.equal(result.boots.length, 1);
  });

  it("leaves the running boot to the service", async (context) => {
    const { bench, paths } = write(context, GOOD, BROKEN);
    const result = await bench.import(paths, {
      runningBoot: {
        id: "11111111-1111-4111-8111-111111111111" as never,
        startedAt: BROKEN.startedAt - 40_000,
        lastSeenAt: BROKEN.madeAt,
        bios: "1.A95",
        kernelRelease: "6.12.54-Unraid",
      },
    });
    assert.equal(result.runningBootLeftOut, true);
    assert.deepEqual(
      result.boots.map(({ bios }) => bios),
      ["1.A63"],
    );
  });

  it("survives any damage to an archive", async (context) => {
    const bench = createWorkbench(context);
    const { bytes: whole } = makeDiagnostics(BROKEN);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 20 }),
        fc.option(fc.nat(whole.length)),
        async (changes, cut) => {
          const bytes = Buffer.from(whole.subarray(0, cut ?? whole.length));
          for (const [place, value] of changes) if (place < bytes.length) bytes[place] = value;
          const path = bench.write("damaged-diagnostics-20261003-1300.zip", bytes);
          const sources = findSources([path], {
            paths: createHostPaths(bench.directory),
            isKnown,
            journal: { journalctl: ["false"], clock: systemClock, patienceMs: 1_000 },
          });
          for (const source of sources) {
            const material = await source.read(() => {});
            if (typeof material !== "string")
              assert.ok(material.boots.every(({ lastSeenAt }) => Number.isFinite(lastSeenAt)));
          }
        },
      ),
      { numRuns: 400 },
    );
  });
});
