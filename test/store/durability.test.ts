import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import Database from "better-sqlite3";
import { openStore } from "../../src/store/open.ts";
import { StoreRefusal } from "../../src/store/refusal.ts";
import { SCHEMA_VERSION } from "../../src/store/schema.ts";
import {
  BOOT,
  handClock,
  kernelLine,
  opened,
  START,
  sampleAttempt,
  signatures,
  withDirectory,
} from "./samples.ts";

const writer = fileURLToPath(new URL("./write-until-killed.ts", import.meta.url));

/** Starts the writer and waits until it has told `lines` lines; `told` goes on to grow. */
async function startWriter(path: string, first: number, lines: number) {
  const child = spawn(process.execPath, [writer, path, `${first}`], { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  const ended = new Promise<void>((resolve) => child.stdout.on("close", () => resolve()));
  await new Promise<void>((resolve) => {
    child.stdout.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      if (text.split("\n").length > lines) resolve();
    });
    child.stdout.on("close", () => resolve());
  });
  return { child, ended, told: () => text.split("\n").slice(0, -1) };
}

async function kill({ child, ended }: { child: ChildProcess; ended: Promise<void> }): Promise<void> {
  child.kill("SIGKILL");
  await ended;
}

test("a new history is its owner's alone, wherever it lies, with its log and index", () =>
  withDirectory((directory) => {
    const path = join(directory, "history.db");
    const store = opened(path);
    store.attempts.save(sampleAttempt(), { origin: "live" });
    for (const ending of ["", "-wal", "-shm"])
      assert.equal(statSync(path + ending).mode & 0o777, 0o600, ending);
    store.close();
  }));

test("a history that others may read is closed to them, with what lies beside it; a directory only where it is ours", () =>
  withDirectory((directory) => {
    for (const [name, mode] of [
      ["vfio-watch", 0o700],
      ["shared", 0o755],
    ] as const) {
      const place = join(directory, name);
      mkdirSync(place, { mode: 0o755 });
      const path = join(place, "history.db");
      const first = opened(path);
      first.attempts.save(sampleAttempt(), { origin: "live" });
      for (const ending of ["", "-wal", "-shm", ".lock"]) chmodSync(path + ending, 0o644);
      chmodSync(place, 0o755);
      // As after a kill: log and index are left.
      const copy = join(directory, `${name}-left`);
      cpSync(place, copy, { recursive: true });
      first.close();
      rmSync(place, { recursive: true });
      renameSync(copy, place);
      const store = opened(path);
      store.attempts.save(sampleAttempt({ id: "attempt-2" }), { origin: "live" });
      for (const ending of ["", "-wal", "-shm", ".lock"])
        assert.equal(statSync(path + ending).mode & 0o777, 0o600, name + ending);
      assert.equal(statSync(place).mode & 0o777, mode, name);
      store.close();
    }
  }));

test("killed in the middle of writing, again and again, nothing that was confirmed is lost", () =>
  withDirectory(async (directory) => {
    const path = join(directory, "history.sqlite");
    let first = 0;
    for (let round = 0; round < 6; round++) {
      const running = await startWriter(path, first, 3 + round * 7);
      await kill(running);
      const last = Number(running.told().at(-1));
      assert.ok(last >= first);
      const store = opened(path);
      const stored = store.attempts.list({ first: "oldest" });
      for (let index = 0; index <= last; index++) assert.equal(stored[index]?.id, `attempt-${index}`);
      // One more may have been written without the word getting out; half an attempt never.
      assert.ok(stored.length - (last + 1) <= 1);
      for (const { number } of stored.slice(-2))
        assert.equal(store.attempts.full(number, signatures)?.evidence.length, 20);
      assert.ok(Number(store.resumePoints.load().get("kernel-log")) >= last);
      assert.deepEqual(store.troubles(), []);
      store.close();
      const plain = new Database(path, { readonly: true });
      assert.equal(plain.pragma("integrity_check", { simple: true }), "ok");
      assert.deepEqual(plain.pragma("foreign_key_check"), []);
      plain.close();
      first = stored.length;
    }
  }));

test("a second writer is refused with the pid of the first, and reading goes on beside it", () =>
  withDirectory(async (directory) => {
    const path = join(directory, "history.sqlite");
    const running = await startWriter(path, 0, 5);
    try {
      const second = openStore({ path, clock: handClock() });
      assert.equal(second.state, "refused");
      assert.ok(second.state === "refused" && second.reason === "locked");
      assert.match(second.why, new RegExp(`pid ${running.child.pid}\\b`));

      const reader = opened(path, { readOnly: true });
      const before = reader.attempts.list().length;
      assert.ok(before >= 5);
      const seen = running.told().length;
      while (running.told().length < seen + 20) await new Promise((resolve) => setImmediate(resolve));
      assert.ok(reader.attempts.list().length > before, "a reader sees what is written meanwhile");
      assert.throws(() => reader.meta.set("a", "b"), StoreRefusal);
      reader.close();
    } finally {
      await kill(running);
    }
    opened(path).close();
  }));

test("a lock file of a dead process is no obstacle, not even a damaged one", () =>
  withDirectory((directory) => {
    const path = join(directory, "history.sqlite");
    opened(path).close();
    writeFileSync(`${path}.lock`, "garbage ".repeat(1000));
    opened(path).close();
    const store = opened(path);
    const second = openStore({ path, clock: handClock() });
    assert.ok(second.state === "refused" && second.reason === "locked");
    store.close();
  }));

test("a database from a newer version is refused, names both versions and is left alone", () =>
  withDirectory((directory) => {
    const path = join(directory, "history.sqlite");
    opened(path).close();
    const plain = new Database(path);
    plain.pragma(`user_version = ${SCHEMA_VERSION + 6}`);
    plain.pragma("wal_checkpoint(TRUNCATE)");
    plain.close();
    const bytes = readFileSync(path);
    for (const readOnly of [true, false]) {
      const result = openStore({ path, clock: handClock(), readOnly });
      assert.ok(result.state === "refused" && result.reason === "newer");
      assert.match(result.why, new RegExp(`version ${SCHEMA_VERSION + 6}; .* up to ${SCHEMA_VERSION}\\.`));
    }
    assert.deepEqual(readFileSync(path), bytes);
  }));

test("another program's database is refused and left alone", () =>
  withDirectory((directory) => {
    const path = join(directory, "other.sqlite");
    const plain = new Database(path);
    plain.exec("CREATE TABLE theirs (a)");
    plain.close();
    const result = openStore({ path, clock: handClock() });
    assert.ok(result.state === "refused" && result.reason === "occupied");
    assert.match(result.why, /another program/);
  }));

test("reading before anything was stored says so", () =>
  withDirectory((directory) => {
    const result = openStore({ path: join(directory, "none.sqlite"), clock: handClock(), readOnly: true });
    assert.ok(result.state === "refused" && result.reason === "missing");
    assert.deepEqual(readdirSync(directory), []);
  }));

const DAMAGE: Record<string, (path: string) => void> = {
  "text instead of a database": (path) => writeFileSync(path, "not a database at all\n".repeat(500)),
  "a file that was cut": (path) => truncateSync(path, 20_000),
  "a header without pages": (path) => truncateSync(path, 100),
};

for (const [what, damage] of Object.entries(DAMAGE)) {
  test(`${what} is moved aside, a new database begins, and both are said`, () =>
    withDirectory((directory) => {
      const path = join(directory, "history.sqlite");
      const before = opened(path);
      for (let index = 0; index < 50; index++)
        before.attempts.save(sampleAttempt({ id: `a${index}` }), { origin: "live" });
      before.close();
      damage(path);
      const damaged = readFileSync(path);

      const reader = openStore({ path, clock: handClock(), readOnly: true });
      assert.ok(reader.state === "refused" && reader.reason === "damaged");

      const store = opened(path);
      const [trouble] = store.troubles();
      assert.equal(trouble?.kind, "quarantined");
      const aside = readdirSync(directory).find((name) => /\.corrupt-20260101T000000Z$/.test(name));
      assert.ok(aside !== undefined);
      assert.deepEqual(readFileSync(join(directory, aside)), damaged);
      assert.match(trouble?.why ?? "", new RegExp(aside));
      const beside = opened(path, { readOnly: true });
      assert.deepEqual(beside.troubles(), store.troubles(), "a command beside the service can tell, too");
      beside.close();
      store.attempts.save(sampleAttempt(), { origin: "live" });
      assert.equal(store.attempts.list().length, 1);
      store.close();
    }));
}

test("damage that shows only while the file is in use is repaired at the next start", () =>
  withDirectory((directory) => {
    const path = join(directory, "history.sqlite");
    const before = opened(path);
    for (let index = 0; index < 200; index++)
      before.attempts.save(sampleAttempt({ id: `a${index}` }), { origin: "live" });
    before.close();
    const bytes = readFileSync(path);
    // The header says how large a page is.
    const page = bytes.readUInt16BE(16);
    let at = bytes.indexOf("something beside it");
    for (; at >= 0; at = bytes.indexOf("something beside it", at + 1))
      bytes.fill(0xff, at - (at % page), at - (at % page) + page);
    writeFileSync(path, bytes);

    let told = 0;
    const result = openStore({ path, clock: handClock(), onDamage: () => void told++ });
    assert.ok(result.state === "open");
    const { store } = result;
    const tried = store.durable(() => {
      for (let index = 0; index < 200; index++)
        store.attempts.save(sampleAttempt({ id: `a${index}`, evidence: [] }), { origin: "live" });
    });
    assert.ok(tried.state === "refused" && tried.trouble.kind === "damaged");
    assert.equal(told, 1, "whoever has it open hears of it at once");
    store.close();
    const again = opened(path);
    assert.deepEqual(
      again.troubles().map(({ kind }) => kind),
      ["quarantined"],
    );
    again.close();
  }));

test("only the newest three damaged files are kept", () =>
  withDirectory((directory) => {
    const path = join(directory, "history.sqlite");
    const clock = handClock();
    for (let round = 0; round < 5; round++) {
      writeFileSync(path, "garbage".repeat(1000));
      clock.at = START + round * 60_000;
      opened(path, { clock }).close();
    }
    const kept = readdirSync(directory).filter((name) => name.includes(".corrupt-"));
    assert.deepEqual(
      kept.sort(),
      [2, 3, 4].map((minute) => `history.sqlite.corrupt-20260101T000${minute}00Z`),
    );
  }));

test("a durable write within a batch makes the batch durable", () =>
  withDirectory((directory) => {
    const store = opened(join(directory, "history.sqlite"));
    store.batched(() => store.meta.set("only", "batched"));
    assert.equal(store.meta.get("durable commits after the fact"), undefined);
    store.batched(() => {
      store.meta.set("with", "an attempt");
      store.attempts.save(sampleAttempt(), { origin: "live" });
    });
    assert.equal(store.meta.get("durable commits after the fact"), "1");
    store.close();
  }));

/** On a file system of two megabytes, which only root can mount. */
function onSmallDisk(context: TestContext, use: (disk: string) => void): Promise<void> {
  return withDirectory((directory) => {
    const disk = join(directory, "disk");
    mkdirSync(disk);
    const { status } = spawnSync("mount", ["-t", "tmpfs", "-o", "size=2m", "none", disk]);
    if (status !== 0) return context.skip("needs root, to mount a small tmpfs");
    try {
      use(disk);
    } finally {
      spawnSync("umount", [disk]);
    }
  });
}

test("a full disk refuses in words, keeps what was stored, and is forgotten when there is room", (context) =>
  onSmallDisk(context, (disk) => {
    const clock = handClock();
    const store = opened(join(disk, "history.sqlite"), { clock });
    let stored = 0;
    const save = () =>
      store.durable(() =>
        store.attempts.save(
          sampleAttempt({
            id: `a${stored}`,
            evidence: Array.from({ length: 40 }, (_, index) => kernelLine(index, "x".repeat(500))),
          }),
          { origin: "live" },
        ),
      );
    let result = save();
    while (result.state === "written" && stored < 1000) {
      stored++;
      result = save();
    }
    assert.ok(result.state === "refused" && result.trouble.kind === "disk-full", JSON.stringify(result));
    assert.match(result.trouble.remedy, /Make room/);
    assert.equal(save().state, "refused");
    assert.equal(store.troubles()[0]?.times, 2);
    assert.equal(store.attempts.list().length, stored);

    // Inside a batch, too, nothing half done gets through.
    const batch = store.batched(() => {
      store.meta.set("before", "the refusal");
      save();
      store.meta.set("after", "the refusal");
    });
    if (batch.state === "refused") assert.equal(store.meta.get("after"), undefined);

    clock.at += 60_000;
    assert.equal(spawnSync("mount", ["-o", "remount,size=16m", disk]).status, 0);
    assert.equal(save().state, "written");
    assert.equal(store.troubles()[0]?.until, clock.at);
    assert.equal(store.attempts.list().length, stored + 1);
    store.close();
    const later = opened(join(disk, "history.sqlite"));
    assert.equal(later.troubles()[0]?.until, clock.at, "a restarted service still knows");
    later.close();

    const plain = new Database(join(disk, "history.sqlite"), { readonly: true });
    assert.equal(plain.pragma("integrity_check", { simple: true }), "ok");
    plain.close();
  }));

test("an existing database on a full disk opens and can be read", (context) =>
  onSmallDisk(context, (disk) => {
    const path = join(disk, "history.sqlite");
    const before = opened(path);
    before.attempts.save(sampleAttempt(), { origin: "live" });
    before.close();
    assert.throws(() => writeFileSync(join(disk, "filler"), Buffer.alloc(4 * 1024 * 1024)), /ENOSPC/);
    const result = openStore({ path, clock: handClock() });
    if (result.state === "open") {
      assert.equal(result.store.attempts.list().length, 1);
      const tried = result.store.durable(() => result.store.meta.set("a", "b".repeat(9000)));
      assert.ok(tried.state === "refused" && tried.trouble.kind === "disk-full");
      result.store.close();
    } else {
      assert.equal(result.reason, "inaccessible");
      assert.match(result.why, /full/);
    }
    assert.ok(existsSync(path));
    assert.deepEqual(
      readdirSync(disk).filter((name) => name.includes("corrupt")),
      [],
      "a full disk is not taken for damage",
    );
  }));

test("a read-only file system is refused in words", (context) =>
  onSmallDisk(context, (disk) => {
    const path = join(disk, "history.sqlite");
    const store = opened(path);
    store.attempts.save(sampleAttempt(), { origin: "live" });
    store.close();
    assert.equal(spawnSync("mount", ["-o", "remount,ro", disk]).status, 0);
    const result = openStore({ path, clock: handClock() });
    assert.ok(result.state === "refused" && result.reason === "inaccessible");
    assert.match(result.why, /read-only/);
  }));

test("a history on a read-only file system is read as it was left, unless a log with more of it is there", (context) =>
  onSmallDisk(context, (disk) => {
    const path = join(disk, "history.sqlite");
    const store = opened(path);
    store.meta.set("seen", "yes");
    store.close();
    assert.deepEqual(
      ["-wal", "-shm"].filter((ending) => existsSync(path + ending)),
      [],
    );
    const remount = (how: string) =>
      assert.equal(spawnSync("mount", ["-o", `remount,${how}`, disk]).status, 0);
    remount("ro");
    const reader = opened(path, { readOnly: true });
    assert.equal(reader.meta.get("seen"), "yes");
    assert.throws(() => reader.meta.set("seen", "no"), StoreRefusal);
    reader.close();
    remount("rw");
    writeFileSync(`${path}-wal`, "more");
    remount("ro");
    assert.equal(openStore({ path, clock: handClock(), readOnly: true }).state, "refused");
  }));

test("a boot that nobody announced does not keep an attempt from being stored", () =>
  withDirectory((directory) => {
    const store = opened(join(directory, "history.sqlite"));
    store.attempts.save(sampleAttempt(), { origin: "imported" });
    assert.deepEqual(
      store.boots.list().map(({ id, origin, startedAt }) => [id, origin, startedAt]),
      [[BOOT, "imported", START]],
    );
    store.close();
  }));

test("a whole database is kept although a disk that failed for a moment made it look damaged", () =>
  withDirectory((directory) => {
    const path = join(directory, "history.sqlite");
    const store = opened(path);
    store.meta.set("kept", "yes");
    store.close();
    writeFileSync(`${path}.damaged`, "");
    const again = opened(path);
    assert.equal(again.meta.get("kept"), "yes");
    assert.deepEqual(again.troubles(), []);
    again.close();
    assert.deepEqual(
      readdirSync(directory).filter((name) => /damaged|corrupt/.test(name)),
      [],
    );
  }));

test("what is no file in the place of the database is named, and neither waited for nor blamed on the disk", () =>
  withDirectory((directory) => {
    const path = join(directory, "history.sqlite");
    const said = (readOnly: boolean) => {
      const result = openStore({ path, clock: handClock(), readOnly });
      assert.ok(result.state === "refused" && result.reason === "occupied");
      rmSync(`${path}.lock`, { force: true });
      return result.why;
    };
    mkdirSync(path);
    assert.match(said(true) + said(false), /(?:history\.sqlite is a directory, not a database\..*){2}/);
    rmdirSync(path);
    spawnSync("mkfifo", [path]);
    assert.match(said(true) + said(false), /(?:is a pipe or a device, not a database\..*){2}/);
    rmSync(path);
    symlinkSync(join(directory, "none", "history.sqlite"), path);
    assert.match(said(false), /is a link that leads nowhere/);
  }));
