import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import Database from "better-sqlite3";
import { needsPrograms } from "../helpers/needs.ts";

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
/** As Unraid mounts its stick. */
const OPTIONS = "loop,rw,flush,noatime,nodiratime,dmask=77,fmask=177,shortname=mixed";

function whyNot(): string | false {
  if (process.getuid?.() !== 0) return "only root may mount";
  const missing = needsPrograms("/sbin/mkfs.vfat");
  if (missing !== false) return missing;
  if (
    !/\bvfat$/m.test(readFileSync("/proc/filesystems", "utf8")) &&
    spawnSync("modprobe", ["vfat"]).status !== 0
  )
    return "this kernel has no vfat";
  return false;
}

const clean: (() => void)[] = [];
afterEach(() => {
  for (const step of clean.splice(0).reverse()) step();
});

test("a history on a FAT stick outlives power cuts", { skip: whyNot() }, async () => {
  const directory = mkdtempSync(join(tmpdir(), "vfio-watch-flash-"));
  clean.push(() => rmSync(directory, { recursive: true, force: true }));
  const [image, stick] = [join(directory, "stick.img"), join(directory, "stick")];
  mkdirSync(stick);
  closeSync(openSync(image, "w"));
  truncateSync(image, 48 * 1024 * 1024);
  execFileSync("mkfs.vfat", [image]);
  const database = join(stick, "config", "history.db");
  const mount = () => execFileSync("mount", ["-o", OPTIONS, image, stick]);
  const unmount = () => spawnSync("umount", ["--lazy", stick]);
  mount();
  clean.push(() => void unmount());

  async function runUntilWatching() {
    const env = {
      ...process.env,
      VFIO_WATCH_ROOT: join(directory, "host"),
      VFIO_WATCH_RUNTIME_DIRECTORY: join(directory, "run"),
    };
    const child = spawn(process.execPath, [main, "run", "--database", database], { env });
    let said = "";
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Buffer) => {
        said += chunk.toString();
      });
    const ended = new Promise<number | null>((resolve) => child.on("exit", (code) => resolve(code)));
    for (let round = 0; !said.includes("is watching"); round++) {
      assert.ok(round < 1_000 && child.exitCode === null, said);
      await pause(20);
    }
    return { child, ended };
  }

  for (let cut = 0; cut < 5; cut++) {
    const { child, ended } = await runUntilWatching();
    await pause(cut * 40);
    // What the disk holds at this moment is what a power cut leaves: a copy of it, without asking anybody to flush.
    const left = join(directory, `after-cut-${cut}.img`);
    execFileSync("cp", [image, left]);
    child.kill("SIGKILL");
    await ended;
    unmount();
    execFileSync("cp", [left, image]);
    mount();
  }
  const { child, ended } = await runUntilWatching();
  child.kill("SIGTERM");
  assert.equal(await ended, 0);
  const opened = new Database(database, { readonly: true });
  assert.equal(opened.prepare("PRAGMA integrity_check").pluck().get(), "ok");
  opened.close();
  // Nothing was found damaged and put aside on the way.
  assert.deepEqual(
    readdirSync(join(stick, "config")).filter((name) => !/^history\.db(?:\.lock|-wal|-shm)?$/.test(name)),
    [],
  );
});
