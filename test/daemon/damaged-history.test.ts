import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, symlinkSync } from "node:fs";
import { dirname } from "node:path";
import { describe, it, type TestContext } from "node:test";
import Database from "better-sqlite3";
import { SCHEMA_VERSION } from "../../src/store/schema.ts";
import { damagesOf, place, wholeHistory } from "../helpers/damaged-histories.ts";
import { createWatchedHost, type WatchedHost } from "../helpers/watched-host.ts";
import { withDirectory } from "../store/samples.ts";

const RECORDING = ["bios-update", "boot1-good-start-amd", "snap-before"];
const COUNT = Number(process.env.DAMAGES ?? 1);
const SEED = Number(process.env.DAMAGE_SEED ?? 3);

/** Starts the service and lets a VM fail: it watches, whatever its history was. */
async function watchesOn(context: TestContext, prepare: (host: WatchedHost) => void): Promise<WatchedHost> {
  const host = createWatchedHost(context);
  mkdirSync(dirname(host.database), { recursive: true });
  prepare(host);
  const boot = host.boot(RECORDING);
  await host.start(boot);
  boot.failsToStart("Debian");
  await host.hurryUntil(() => host.told().some(({ vm, kind }) => vm === "Debian" && kind === "start-failed"));
  return host;
}

const troubleOf = (host: WatchedHost) =>
  host
    .told()
    .filter(({ kind }) => kind === "watcher-trouble")
    .map(({ cause }) => cause)
    .join("\n");

describe("the service always watches", () => {
  const places: Readonly<Record<string, (path: string) => void>> = {
    "a directory": (path) => mkdirSync(path),
    "a pipe": (path) => execFileSync("mkfifo", [path]),
    "a link that leads nowhere": (path) => symlinkSync("/nowhere/history.db", path),
    "a database of another program": (path) => {
      const other = new Database(path);
      other.exec("CREATE TABLE theirs (a)");
      other.close();
    },
  };
  for (const [what, put] of Object.entries(places)) {
    it(`where ${what} is in the place of its history, on a file beside it, which commands find`, async (context) => {
      const host = await watchesOn(context, ({ database }) => put(database));
      await host.hurryUntil(() => /Meanwhile the history is kept in .*\.beside\./.test(troubleOf(host)));
      assert.match(troubleOf(host), new RegExp(`${what}|another program`));
      assert.deepEqual(
        host.read((store) => store.attempts.list().map(({ vm }) => vm)),
        ["Debian"],
      );
      assert.ok(!existsSync(`${host.database}.corrupt`));
    });
  }

  it("where a newer version wrote the history, with what can be read of it, and back in its place later", async (context) => {
    await withDirectory(async (directory) => {
      const whole = wholeHistory(directory);
      const host = await watchesOn(context, ({ database }) => {
        place(whole, database);
        const newer = new Database(database);
        newer.pragma(`user_version = ${SCHEMA_VERSION + 1}`);
        newer.close();
      });
      const starts = () => host.read((store) => store.attempts.list().length);
      assert.ok(starts() > 380, `${starts()} starts`);
      assert.match(
        troubleOf(host),
        /version .* It was begun with what could be read: \d+ boots and \d+ starts/s,
      );
      await host.daemon().stop();
      const newer = new Database(host.database);
      newer.pragma(`user_version = ${SCHEMA_VERSION}`);
      newer.close();
      const ids = () => host.read((store) => store.attempts.list().map(({ id }) => id));
      const kept = ids();
      await host.start(host.boot(RECORDING));
      const now = new Set(ids());
      assert.deepEqual(
        kept.filter((id) => !now.has(id)),
        [],
      );
      assert.ok(host.read((store) => store.path === host.database));
      assert.ok(!existsSync(`${host.database}.beside`) && existsSync(`${host.database}.beside.taken-in`));
    });
  });

  it("on a damaged history of any kind, with what can be read of it", async (context) => {
    await withDirectory(async (directory) => {
      const whole = wholeHistory(directory);
      for (const damage of damagesOf(whole, COUNT, SEED)) {
        const host = await watchesOn(context, ({ database }) => place(damage, database));
        assert.ok(
          host.lines.every((line) => !/please report it/.test(line)),
          `${damage.name}: ${host.lines.join("\n")}`,
        );
        await host.daemon().stop();
      }
    });
  });
});
