import assert from "node:assert/strict";
import {
  appendFileSync,
  closeSync,
  copyFileSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import {
  createFileFollower,
  type FileFollower,
  type FollowerHandlers,
} from "../../src/sources/file-follower.ts";
import { type FilePosition, readPosition } from "../../src/sources/file-position.ts";
import { temporaryDirectory } from "./observed.ts";

interface Seen extends FollowerHandlers {
  readonly lines: string[];
  readonly cut: string[];
  readonly gaps: number[];
  readonly replacements: boolean[];
  position: FilePosition | undefined;
}

function seen(): Seen {
  const all: Seen = {
    lines: [],
    cut: [],
    gaps: [],
    replacements: [],
    position: undefined,
    line(line) {
      all.lines.push(line.text);
      if (line.cut) all.cut.push(line.text);
      all.position = line.position();
    },
    skipped: ({ bytes }) => void all.gaps.push(bytes),
    replaced: ({ unread }) => void all.replacements.push(unread),
  };
  return all;
}

function setUp(context: TestContext): { path: string; handlers: Seen; follower: FileFollower } {
  const path = join(temporaryDirectory(context), "vm.log");
  return { path, handlers: seen(), follower: createFileFollower({ path }) };
}

test("a line is told once it is whole", async (context) => {
  const { path, handlers, follower } = setUp(context);
  assert.equal((await follower.drain(handlers)).state, "absent");
  writeFileSync(path, "one\ntw");
  await follower.drain(handlers);
  assert.deepEqual(handlers.lines, ["one"]);
  appendFileSync(path, "o\r\n\nthree");
  await follower.drain(handlers);
  assert.deepEqual(handlers.lines, ["one", "two", ""]);
});

test("nothing stays open between two reads", async (context) => {
  const { path, handlers, follower } = setUp(context);
  writeFileSync(path, "one\n");
  const before = readdirSync("/proc/self/fd").length;
  await follower.drain(handlers);
  assert.equal(readdirSync("/proc/self/fd").length, before);
});

test("an unchanged file is not read again", async (context) => {
  const { path, handlers, follower } = setUp(context);
  writeFileSync(path, "one\n");
  assert.deepEqual(await follower.drain(handlers), { state: "read", value: 4 });
  assert.deepEqual(await follower.drain(handlers), { state: "read", value: 0 });
});

test("rotation by renaming loses neither the end of the old file nor the new one", async (context) => {
  const { path, handlers, follower } = setUp(context);
  writeFileSync(path, "one\n");
  await follower.drain(handlers);
  appendFileSync(path, "two\nthree");
  renameSync(path, `${path}.0`);
  writeFileSync(path, "four\n");
  await follower.drain(handlers);
  assert.deepEqual(handlers.lines, ["one", "two", "three", "four"]);
  assert.deepEqual(handlers.replacements, []);
});

test("the end of a renamed file is read before its successor exists", async (context) => {
  const { path, handlers, follower } = setUp(context);
  writeFileSync(path, "one\n");
  await follower.drain(handlers);
  appendFileSync(path, "two\n");
  renameSync(path, `${path}.0`);
  assert.equal((await follower.drain(handlers)).state, "read");
  writeFileSync(path, "three\n");
  await follower.drain(handlers);
  assert.deepEqual(handlers.lines, ["one", "two", "three"]);
});

test("copying and truncating loses nothing that the copy holds", async (context) => {
  const { path, handlers, follower } = setUp(context);
  writeFileSync(path, "one\n");
  await follower.drain(handlers);
  appendFileSync(path, "two\n");
  copyFileSync(path, `${path}.1`);
  truncateSync(path);
  appendFileSync(path, "three\n");
  await follower.drain(handlers);
  assert.deepEqual(handlers.lines, ["one", "two", "three"]);
});

test("a truncated file that has grown past the old place is noticed", async (context) => {
  const { path, handlers, follower } = setUp(context);
  // The same length and the same end, as two starts of one VM have: only the first time stamp differs.
  const block = `${"same arguments \\\n".repeat(40)}`;
  writeFileSync(path, `2026-01-01 start\n${block}`);
  await follower.drain(handlers);
  const before = handlers.lines.length;
  writeFileSync(path, `2026-01-02 start\n${block}more\n`);
  await follower.drain(handlers);
  assert.equal(handlers.lines[before], "2026-01-02 start");
  assert.deepEqual(handlers.replacements, [false], "all of it had been read: nothing is lost");
});

test("removal and re-creation begin anew", async (context) => {
  const { path, handlers, follower } = setUp(context);
  writeFileSync(path, "one\n");
  await follower.drain(handlers);
  rmSync(path);
  assert.equal((await follower.drain(handlers)).state, "absent");
  writeFileSync(path, "two\n");
  await follower.drain(handlers);
  assert.deepEqual(handlers.lines, ["one", "two"]);
});

test("a restarted reader goes on where it stopped, through several rotations", async (context) => {
  const { path, handlers, follower } = setUp(context);
  writeFileSync(path, "one\ntwo\n");
  await follower.drain(handlers);
  const position = readPosition(JSON.parse(JSON.stringify(handlers.position)));
  appendFileSync(path, "three\n");
  renameSync(path, `${path}.1`);
  utimesSync(`${path}.1`, 1_000, 1_000);
  writeFileSync(`${path}.0`, "four\n");
  utimesSync(`${path}.0`, 2_000, 2_000);
  writeFileSync(path, "five\n");
  const later = seen();
  await createFileFollower({ path, position }).drain(later);
  assert.deepEqual(later.lines, ["three", "four", "five"]);
});

test("a restarted reader whose file was swapped says that something may be lost", async (context) => {
  const { path, handlers, follower } = setUp(context);
  writeFileSync(path, "one\n");
  await follower.drain(handlers);
  rmSync(path);
  writeFileSync(path, "another\n");
  const later = seen();
  await createFileFollower({ path, position: handlers.position }).drain(later);
  assert.deepEqual([later.lines, later.replacements], [["another"], [true]]);
});

test("a line beyond the bound is cut, counted, and what follows is whole", async (context) => {
  const { path, handlers, follower } = setUp(context);
  writeFileSync(path, `${"x".repeat(200_000)}\nshort\n${"y".repeat(40_000)}\nend\n`);
  await follower.drain(handlers);
  assert.deepEqual(
    handlers.lines.map((line) => line.length),
    [32 * 1024, 5, 32 * 1024, 3],
  );
  assert.equal(handlers.cut.length, 2);
});

test("2 GB are neither read nor held: only the end, and how much was passed over", async (context) => {
  const { path, handlers, follower } = setUp(context);
  const descriptor = openSync(path, "w");
  ftruncateSync(descriptor, 2 * 1024 ** 3);
  closeSync(descriptor);
  appendFileSync(path, "\nthe end\n");
  const result = await follower.drain(handlers);
  assert.deepEqual(handlers.lines, ["the end"]);
  assert.deepEqual(handlers.gaps, [2 * 1024 ** 3 + 9 - 8 * 1024 ** 2]);
  assert.deepEqual(result, { state: "read", value: 8 * 1024 ** 2 });
});

test("at first only what was written since a given time is read", async (context) => {
  const { path, handlers } = setUp(context);
  writeFileSync(path, "old\n");
  utimesSync(path, 1_000, 1_000);
  const follower = createFileFollower({ path, since: 2_000_000 });
  await follower.drain(handlers);
  appendFileSync(path, "new\n");
  await follower.drain(handlers);
  assert.deepEqual(handlers.lines, ["new"]);
});

test("what is no text file is unreadable, not fatal", async (context) => {
  const directory = temporaryDirectory(context, "vm.log");
  const result = await createFileFollower({ path: join(directory, "vm.log") }).drain(seen());
  assert.equal(result.state, "unreadable");
});

test("whatever the pieces in which a file grows, its lines are told once each and in order", async (context) => {
  const root = temporaryDirectory(context);
  let count = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ maxLength: 400 }), { maxLength: 12 }),
      fc.array(fc.constantFrom("append", "rotate", "restart"), { minLength: 12, maxLength: 12 }),
      async (pieces, steps) => {
        const path = join(root, `${count++}.log`);
        const handlers = seen();
        let follower = createFileFollower({ path });
        let expected = Buffer.alloc(0);
        let rotations = 0;
        for (const [index, piece] of pieces.entries()) {
          // Every piece has a mark of its own, as a log line has its time.
          const bytes = Buffer.concat([Buffer.from(`${index}:`), piece]);
          appendFileSync(path, bytes);
          expected = Buffer.concat([expected, bytes]);
          await follower.drain(handlers);
          if (steps[index] === "restart" && handlers.position !== undefined) {
            follower = createFileFollower({ path, position: handlers.position });
          } else if (steps[index] === "rotate") {
            renameSync(path, `${path}.${rotations}`);
            utimesSync(`${path}.${rotations}`, 1_000 + rotations, 1_000 + rotations);
            rotations += 1;
            await follower.drain(handlers);
            if (
              !readFileSync(`${path}.${rotations - 1}`)
                .toString("latin1")
                .endsWith("\n")
            ) {
              expected = Buffer.concat([expected, Buffer.from("\n")]);
            }
          }
        }
        const whole = expected.subarray(0, expected.lastIndexOf(10) + 1);
        const lines = whole.length === 0 ? [] : splitLines(whole);
        assert.deepEqual(handlers.lines, lines);
      },
    ),
    { numRuns: 60 },
  );
});

function splitLines(bytes: Buffer): string[] {
  const lines: string[] = [];
  for (let from = 0; from < bytes.length; ) {
    const end = bytes.indexOf(10, from);
    lines.push(bytes.toString("utf8", from, end > from && bytes[end - 1] === 13 ? end - 1 : end));
    from = end + 1;
  }
  return lines;
}
