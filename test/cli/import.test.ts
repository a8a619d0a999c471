import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { describe, it, type TestContext } from "node:test";
import { EXIT } from "../../src/cli/command.ts";
import { main } from "../../src/cli/main.ts";
import { systemClock } from "../../src/clock.ts";
import { openStore } from "../../src/store/open.ts";
import { makeDiagnostics } from "../import/make-diagnostics.ts";
import { makeZip } from "../import/make-zip.ts";

const START = Date.UTC(2026, 9, 3, 8);

function createPlace(context: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), "vfio-watch-cli-"));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  const database = join(directory, "history.db");
  const { name, bytes } = makeDiagnostics({
    bios: "1.A95",
    startedAt: START,
    madeAt: START + 7_200_000,
    starts: [{ at: START + 3_600_000, works: false }],
  });
  const archive = join(directory, name);
  writeFileSync(archive, bytes);
  const run = async (...args: string[]) => {
    let out = "";
    let err = "";
    const code = await main(args.includes("--database") ? args : [...args, "--database", database], {
      out: (text) => {
        out += text;
      },
      err: (text) => {
        err += text;
      },
      color: false,
      columns: 100,
      tableColumns: Number.POSITIVE_INFINITY,
      env: { VFIO_WATCH_ROOT: directory },
      readInput: async () => Buffer.alloc(0),
      input: () => Readable.from([]),
    });
    return { code, out, err };
  };
  return { directory, database, archive, run };
}

describe("vfio-watch import", () => {
  it("knows by its logs alone of which machine a history is, also of two with one board", async (context) => {
    const { directory, run } = createPlace(context);
    const log = (name: string, month: string, board: string, card: string) => {
      const at = `${month}  3 08:00:01 Tower kernel:`;
      const path = join(directory, name);
      writeFileSync(
        path,
        [
          `${at} Linux version 6.12.54-Unraid (root@Develop) (gcc) #1 SMP PREEMPT_DYNAMIC Wed Oct 8 10:17:13 PDT 2025`,
          `${at} DMI: Micro-Star International Co., Ltd. MS-7E49/${board}, BIOS 1.A63 08/05/2025`,
          `${at} r8169 0000:0a:00.0 eth0: RTL8125B, ${card}, XID 641, IRQ 120`,
          `${at} r8169 0000:0a:00.0 eth0: jumbo frames [max: 9194 bytes]`,
          "",
        ].join("\n"),
      );
      return path;
    };
    const carbon = "MPG X870E CARBON WIFI (MS-7E49)";
    const first = log("syslog-a", "Jan", carbon, "04:7c:16:00:00:01");
    assert.doesNotMatch((await run("import", first)).out, /WARNING/);
    const same = log("syslog-b", "Feb", carbon, "04:7c:16:00:00:01");
    assert.doesNotMatch((await run("import", same)).out, /WARNING/);
    const twin = log("syslog-c", "Mar", carbon, "04:7c:16:00:00:02");
    assert.match((await run("import", twin)).out, /WARNING: it names none of this history's network cards/);
    const other = log("syslog-d", "Apr", "ROG STRIX X670E-F GAMING WIFI", "04:7c:16:00:00:01");
    assert.match((await run("import", other)).out, /WARNING: it is of another machine \(board ROG STRIX/);
    // An address that a driver made up is nobody's.
    const made = log("syslog-e", "May", carbon, "06:7c:16:00:00:03");
    assert.doesNotMatch((await run("import", made)).out, /WARNING/);
  });

  it("tells its progress on standard error, the result on standard output, and marks imported starts", async (context) => {
    const { archive, run } = createPlace(context);
    const { code, out, err } = await run("import", archive);
    assert.equal(code, EXIT.ok);
    assert.match(err, /\[1\/1\] tower-diagnostics-/);
    assert.match(out, /^Taken in: 1 boot and 1 VM start that the history did not have\./);
    assert.match(out, /2026-10-03 08:00:00 UTC {2}BIOS 1\.A95 {2}VM starts: 1 failed {2}new/);
    assert.match((await run("starts")).out, /failed .*\(imported\)/);
    assert.match((await run("import", archive)).out, /^Nothing new/);
    const { starts } = JSON.parse((await run("starts", "--json")).out);
    assert.deepEqual(
      starts.map(({ origin, cause }: Record<string, string>) => [origin, cause]),
      [["imported", "iommu-direct-mapping-required"]],
    );
  });

  it("says what it refuses and why, takes the rest, and ends with a failure", async (context) => {
    const { directory, archive, run } = createPlace(context);
    const evil = join(directory, "evil.zip");
    writeFileSync(evil, makeZip([{ name: "../x", content: "x" }]));
    const { code, out } = await run("import", evil, archive);
    assert.equal(code, EXIT.failure);
    assert.match(out, /evil\.zip: refused\. The path "\.\.\/x" leads out of the archive\./);
    assert.match(out, /Taken in: 1 boot/);
  });

  it("names who writes the history and the commands that help, and changes nothing", async (context) => {
    const { archive, database, run } = createPlace(context);
    const other = openStore({ path: database, clock: systemClock });
    assert.equal(other.state, "open");
    const { code, out, err } = await run("import", archive);
    assert.equal(code, EXIT.failure);
    assert.equal(out, "");
    assert.match(err, new RegExp(`pid ${process.pid}`));
    assert.match(err, /systemctl stop vfio-watch.*systemctl start vfio-watch.*--database FILE/s);
    if (other.state === "open") {
      assert.equal(other.store.boots.list().length, 0);
      other.store.close();
    }
  });

  it("wants a source", async (context) => {
    const { code, err } = await createPlace(context).run("import");
    assert.equal(code, EXIT.usage);
    assert.match(err, /name at least one source/);
  });

  it("warns where what is taken in is of another machine than the history", async (context) => {
    const { archive, directory, run } = createPlace(context);
    const { bytes } = makeDiagnostics({
      ...{ bios: "3205", startedAt: START + 86_400_000, madeAt: START + 90_000_000, starts: [] },
      change: (files) =>
        files.set(
          "system/motherboard.txt",
          "ASUSTeK COMPUTER INC. - ROG STRIX X670E-F GAMING WIFI\r\nBIOS Information\r\n\tVersion: 3205\r\n",
        ),
    });
    const other = join(directory, "friend-diagnostics-20261005-0900.zip");
    writeFileSync(other, bytes);
    const warning =
      /WARNING: it is of another machine \(board ROG STRIX X670E-F GAMING WIFI\) than this history \(board MPG X870E/;
    assert.doesNotMatch((await run("import", archive)).out, /WARNING/);
    assert.match((await run("import", other)).out.replace(/\s+/g, " "), warning);
    // Together, too: the first has no history yet that it could differ from.
    const both = await run("import", archive, other, "--database", join(directory, "both.db"));
    assert.match(both.out.replace(/\s+/g, " "), warning);
  });

  it("gives one JSON document", async (context) => {
    const { archive, run } = createPlace(context);
    const { out } = await run("import", archive, "--json");
    const result = JSON.parse(out);
    assert.deepEqual(
      result.boots.map(({ bios, failed, isNew }: Record<string, unknown>) => ({ bios, failed, isNew })),
      [{ bios: "1.A95", failed: 1, isNew: true }],
    );
    assert.deepEqual(
      result.sources.map(({ refused }: { refused: string | null }) => refused),
      [null],
    );
  });
});
