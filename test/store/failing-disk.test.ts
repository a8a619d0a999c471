import assert from "node:assert/strict";
import { it } from "node:test";
import Database from "better-sqlite3";
import { createConnection } from "../../src/store/connection.ts";
import { StoreRefusal } from "../../src/store/refusal.ts";
import { createTroubles } from "../../src/store/troubles.ts";

/** A database whose disk gives what it is told to, and how often it was found damaged. */
function onDisk() {
  const database = new Database(":memory:");
  const clock = { at: Date.UTC(2026, 0, 1), now: () => clock.at };
  let damaged = 0;
  let gives = "";
  database.function("read_disk", { deterministic: false }, () => {
    if (gives !== "") throw new Database.SqliteError("the disk", gives);
    return 1;
  });
  database.exec("CREATE TABLE row (value)");
  const connection = createConnection({
    ...{ database, clock, path: "/var/lib/history.db", troubles: createTroubles(clock) },
    onDamage: () => {
      damaged += 1;
    },
    onSettled: () => {},
  });
  const write = connection.statement<[], never>("INSERT INTO row VALUES (read_disk())");
  return {
    clock,
    damaged: () => damaged,
    /** What a write meets: the kind of trouble, or nothing. */
    write(code: string): string | undefined {
      gives = code;
      try {
        connection.durable(() => write.run());
        return undefined;
      } catch (error) {
        assert.ok(error instanceof StoreRefusal);
        return error.trouble.kind;
      }
    },
  };
}

it("a history is not given up as damaged for what its disk gives to read while it fails", () => {
  const disk = onDisk();
  assert.equal(disk.write("SQLITE_IOERR_WRITE"), "input-output");
  disk.clock.at += 1_000;
  assert.equal(disk.write("SQLITE_CORRUPT"), "input-output");
  assert.equal(disk.damaged(), 0);
});

it("a history is damaged that looks so on a disk that works, or long after it began to fail", () => {
  const sound = onDisk();
  assert.equal(sound.write("SQLITE_CORRUPT"), "damaged");
  assert.equal(sound.damaged(), 1);
  const mended = onDisk();
  mended.write("SQLITE_IOERR_WRITE");
  assert.equal(mended.write(""), undefined);
  assert.equal(mended.write("SQLITE_CORRUPT"), "damaged");
  const failing = onDisk();
  failing.write("SQLITE_IOERR_WRITE");
  failing.clock.at += 600_000;
  assert.equal(failing.write("SQLITE_CORRUPT"), "damaged");
});
