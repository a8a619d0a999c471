import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import {
  accessSync,
  constants,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../../src/clock.ts";
import { readBootIdentity } from "../../src/host/boot-identity.ts";
import { createHostPaths } from "../../src/host-paths.ts";
import type { Observation, ResumePoint } from "../../src/model/observation.ts";
import { type KmsgRecord, textOf } from "../../src/sources/kernel-log/record-parser.ts";
import { createKernelLogSource } from "../../src/sources/kernel-log.ts";
import { needsPrograms } from "../helpers/needs.ts";

const FLOOD = Number(process.env.KERNEL_LOG_FLOOD ?? 20_000);
const WRITER = join(import.meta.dirname, "kernel-log-writer.ts");
const READER = join(import.meta.dirname, "kernel-log-reader.ts");
const skip = missingRight();

function missingRight(): string | false {
  try {
    accessSync("/dev/kmsg", constants.R_OK | constants.W_OK);
  } catch {
    return "needs a /dev/kmsg that may be read and written (root on a Linux host)";
  }
  return needsPrograms("dd");
}

interface Followed {
  readonly numbers: number[];
  readonly observations: Observation[];
  readonly source: ReturnType<typeof createKernelLogSource>;
  /** Resolves when a record whose text begins with `text` has been seen. */
  until(text: string): Promise<void>;
  lost(): number;
  stop(): Promise<ResumePoint | undefined>;
}

/** Follows the machine's kernel log and keeps the numbers of the records that bear `marker`. */
async function follow(t: TestContext, marker: string, resume?: ResumePoint): Promise<Followed> {
  const paths = createHostPaths();
  const numbers: number[] = [];
  const observations: Observation[] = [];
  const waiting: { text: string; found: () => void }[] = [];
  const texts = new Set<string>();
  const source = createKernelLogSource({
    paths,
    clock: systemClock,
    bootIdentity: () => readBootIdentity({ paths, clock: systemClock }),
    seen(record: KmsgRecord) {
      const said = textOf(record);
      if (!said.startsWith(marker)) return;
      const number = /^\S+ (\d+) \d+$/.exec(said)?.[1];
      if (number !== undefined) numbers.push(Number(number));
      else texts.add(said);
      for (const { text, found } of waiting) if (said === text) found();
    },
  });
  await source.start(
    (observation) => observations.push(observation),
    resume === undefined ? new Map() : new Map([[resume.key, resume.value]]),
  );
  t.after(() => source.stop());
  return {
    numbers,
    observations,
    source,
    until: (text) =>
      texts.has(text)
        ? Promise.resolve()
        : new Promise((found) => {
            waiting.push({ text, found });
          }),
    lost: () => source.health().lost,
    async stop() {
      await source.stop();
      return source.position();
    },
  };
}

function say(text: string): void {
  writeFileSync("/dev/kmsg", `<6>${text}\n`);
}

async function write(marker: string, count: number): Promise<void> {
  const writer = spawn(process.execPath, [WRITER, marker, String(count)], { stdio: "inherit" });
  const code = await new Promise((resolve) => writer.on("close", resolve));
  assert.equal(code, 0);
}

function assertEachOnceInOrder(numbers: readonly number[]): void {
  for (let at = 1; at < numbers.length; at++) {
    assert.ok((numbers[at] ?? 0) > (numbers[at - 1] ?? 0), `number ${numbers[at]} after ${numbers[at - 1]}`);
  }
}

describe("the machine's /dev/kmsg", { skip, concurrency: false }, () => {
  const name = (what: string) => `kernel-log-test-${what}-${process.pid}`;

  test(`a flood of ${FLOOD} records is seen whole, or what is missing is told exactly`, async (t) => {
    const marker = name("flood");
    const followed = await follow(t, marker);
    const before = followed.lost();
    await write(marker, FLOOD);
    say(`${marker} end`);
    await followed.until(`${marker} end`);
    assertEachOnceInOrder(followed.numbers);
    assert.equal(followed.numbers.length + followed.lost() - before, FLOOD);
  });

  test("records overwritten while nobody read are counted exactly after the restart", async (t) => {
    const marker = name("overrun");
    const first = await follow(t, marker);
    say(`${marker} begin`);
    await first.until(`${marker} begin`);
    const left = await first.stop();
    // More than the buffer of any kernel with its default size holds (128 KB to 1 MB).
    const count = 20_000;
    await write(marker, count);
    const second = await follow(t, marker, left);
    const gaps = second.observations.filter((o) => o.kind === "gap");
    assert.equal(gaps.length, 1);
    assert.ok((gaps[0]?.lost ?? 0) > 0);
    assert.equal(second.numbers.length + (gaps[0]?.lost ?? 0), count);
    assert.equal(second.numbers.at(-1), count - 1);
  });

  test("a reader killed in the middle goes on where it stopped, neither repeating nor missing", async (t) => {
    const marker = name("kill");
    const directory = mkdtempSync(join(tmpdir(), "kernel-log-"));
    t.after(() => rmSync(directory, { recursive: true }));
    const file = join(directory, "read");
    writeFileSync(file, "");
    const lines = () =>
      readFileSync(file, "utf8")
        .split("\n")
        .filter((line) => line.endsWith("}"))
        .map((line) => JSON.parse(line));
    const read = (resume?: string) =>
      spawn(process.execPath, [READER, file, ...(resume === undefined ? [] : [resume])], {
        stdio: "inherit",
      });
    const until = async (condition: () => boolean) => {
      while (!condition()) await sleep(10);
    };
    const lives = () => lines().filter((line) => line.live).length;

    let reader = read();
    t.after(() => reader.kill("SIGKILL"));
    await until(() => lives() === 1);
    const writer = spawn(process.execPath, [WRITER, marker, "600", "1000"], { stdio: "inherit" });
    const written = new Promise((resolve) => writer.on("close", resolve));
    for (let kills = 0; kills < 3; kills++) {
      const length = lines().length;
      await until(() => lines().length > length + 20);
      const gone = new Promise((resolve) => reader.on("close", resolve));
      reader.kill("SIGKILL");
      await gone;
      reader = read(
        lines()
          .filter((line) => line.resume)
          .at(-1)?.resume,
      );
    }
    await written;
    say(`${marker} end`);
    await until(() => lines().some((line) => line.text === `${marker} end`));
    const numbers = lines()
      .filter((line) => line.text?.startsWith(`${marker} `) && !line.text.endsWith("end"))
      .map((line) => Number(line.text.split(" ")[1]));
    assert.deepEqual(
      numbers,
      Array.from({ length: 600 }, (_, number) => number),
    );
  });

  test("the kernel's own record becomes an observation at once, a forged one never", async (t) => {
    const marker = name("forged");
    const followed = await follow(t, marker);
    const asked = Date.now();
    say(`${marker} vfio-pci 0000:01:00.0: Firmware has requested`);
    // The kernel itself complains of an option that no file system knows.
    const directory = mkdtempSync(join(tmpdir(), "kernel-log-"));
    t.after(() => rmdirSync(directory));
    spawnSync("mount", ["-t", "tmpfs", "-o", `bogus${process.pid}=1`, "none", directory], {
      env: { ...process.env, LIBMOUNT_FORCE_MOUNT2: "always" },
    });
    say(`${marker} end`);
    await followed.until(`${marker} end`);
    const told = followed.observations.filter((o) => o.kind === "kernel-record");
    assert.equal(
      told.some((o) => o.text.includes(marker)),
      false,
    );
    const complaint = told.find((o) => o.text.includes(`bogus${process.pid}`));
    if (complaint === undefined) {
      t.diagnostic("no kernel record could be provoked here: only the forged one is tested");
      return;
    }
    assert.equal(complaint.text, `tmpfs: Unknown parameter 'bogus${process.pid}'`);
    assert.equal(complaint.level, 3);
    assert.match(complaint.identity, /^[0-9a-f-]{36}:\d+$/);
    assert.ok(complaint.exactTime);
    assert.ok(complaint.at >= asked - 1000 && complaint.at <= Date.now(), "within the run of the test");
  });

  test("stopping leaves no child behind", async (t) => {
    const children = () =>
      readdirSync("/proc").filter((id) => {
        try {
          const status = readFileSync(`/proc/${id}/status`, "latin1");
          return status.includes(`PPid:\t${process.pid}\n`) && status.startsWith("Name:\tdd\n");
        } catch {
          return false;
        }
      });
    const followed = await follow(t, name("children"));
    assert.equal(followed.source.health().state.state, "live");
    assert.equal(children().length, 1);
    await followed.stop();
    assert.deepEqual(children(), []);
    assert.equal(followed.source.health().state.state, "stopped");
  });

  test("a program that exits without stopping is not held up and takes the child along", () => {
    const directory = mkdtempSync(join(tmpdir(), "kernel-log-"));
    const code = `
      process.argv.splice(1, 0, "reader");
      process.argv[2] = ${JSON.stringify(join(directory, "read"))};
      await import(${JSON.stringify(READER)});
      process.exit(7);`;
    const ended = spawnSync(process.execPath, ["--input-type=module", "-e", code], { timeout: 10_000 });
    rmSync(directory, { recursive: true });
    assert.equal(ended.status, 7);
  });
});
