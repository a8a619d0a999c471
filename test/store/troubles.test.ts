import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { createTroubles, explainDiskTrouble, saysDamaged, sqliteCode } from "../../src/store/troubles.ts";
import { handClock, START } from "./samples.ts";

const sqlite = (code: string) => Object.assign(new Error("refused"), { code });
const PATH = join(tmpdir(), "history.db");

describe("troubles with the disk", () => {
  it("that last are counted, not listed twice, and are over with the next write", () => {
    const clock = handClock();
    const troubles = createTroubles(clock);
    assert.equal(troubles.settle(), false);
    troubles.report("disk-full", "full", "room");
    clock.at += 1_000;
    troubles.report("beside", "elsewhere", "move");
    troubles.report("disk-full", "fuller", "more room");
    clock.at += 1_000;
    assert.deepEqual(
      troubles.list().map(({ kind, since, until, times, why }) => [kind, since - START, until, times, why]),
      [
        ["disk-full", 0, undefined, 2, "fuller"],
        ["beside", 1_000, undefined, 1, "elsewhere"],
      ],
    );
    assert.equal(troubles.settle(), true);
    assert.equal(troubles.settle(), false);
    assert.deepEqual(
      troubles.list().map(({ kind, until }) => [kind, until]),
      [
        ["disk-full", START + 2_000],
        ["beside", undefined],
      ],
    );
    clock.at += 1_000;
    assert.equal(troubles.report("disk-full", "again", "room").times, 1);
    assert.equal(troubles.list().length, 3);
  });

  it("of which each kind that a write proves over is, and a file that was set aside is over when it is told", () => {
    const clock = handClock();
    const troubles = createTroubles(clock);
    for (const kind of ["disk-full", "read-only", "input-output", "busy", "damaged", "quarantined"] as const)
      troubles.report(kind, "", "");
    assert.deepEqual(
      troubles.list().flatMap(({ kind, until }) => (until === undefined ? [] : [kind])),
      ["quarantined"],
    );
    troubles.settle();
    assert.deepEqual(
      troubles.list().flatMap(({ kind, until }) => (until === undefined ? [kind] : [])),
      ["damaged"],
    );
  });

  it("are at most 32, the newest, with those of an earlier run behind", () => {
    const troubles = createTroubles(handClock());
    for (let index = 0; index < 40; index++) troubles.report("quarantined", `${index}`, "");
    const { list } = troubles;
    assert.deepEqual([list().length, list()[0]?.why, list().at(-1)?.why], [32, "39", "8"]);
    const other = createTroubles(handClock());
    other.report("beside", "own", "");
    other.addEarlier(list());
    assert.deepEqual([other.list().length, other.list()[0]?.why, other.list()[1]?.why], [32, "own", "39"]);
    assert.equal(createTroubles(handClock()).settle(), false, "what is only known of earlier is no news");
  });

  it("are told by SQLite's codes alone, each with what it takes", () => {
    for (const [code, kind, isFailing] of [
      ["SQLITE_FULL", "disk-full", false],
      ["SQLITE_READONLY_DBMOVED", "read-only", false],
      ["SQLITE_BUSY_SNAPSHOT", "busy", false],
      ["SQLITE_LOCKED", "busy", false],
      ["SQLITE_NOTADB", "damaged", false],
      ["SQLITE_CORRUPT_INDEX", "damaged", false],
      ["SQLITE_IOERR_WRITE", "input-output", false],
      ["SQLITE_CORRUPT", "input-output", true],
      ["SQLITE_CONSTRAINT", undefined, false],
      ["EACCES", undefined, false],
    ] as const) {
      const told = explainDiskTrouble(sqlite(code), PATH, isFailing);
      assert.equal(told?.kind, kind, code);
      if (told !== undefined) assert.ok(told.why.includes(PATH) && told.remedy.length > 20, code);
    }
    assert.equal(sqliteCode("SQLITE_FULL"), undefined);
    assert.equal(sqliteCode(new Error("no code")), undefined);
    assert.deepEqual(
      [saysDamaged(sqlite("SQLITE_NOTADB")), saysDamaged(sqlite("SQLITE_FULL"))],
      [true, false],
    );
    const nowhere = explainDiskTrouble(sqlite("SQLITE_CANTOPEN"), `/nowhere${PATH}`);
    assert.equal(nowhere?.kind, "read-only", "no file can be made there");
  });
});
