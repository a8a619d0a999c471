import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { test } from "node:test";
import { createHistoryWatch } from "../../src/daemon/history-watch.ts";
import type { StoreTrouble } from "../../src/store/refusal.ts";
import { createWatchedHost } from "../helpers/watched-host.ts";

test("a history that is deleted while the service runs is told, begun anew, and gets what the logs still hold", async (context) => {
  const host = createWatchedHost(context);
  const boot = host.boot(["bios-update", "boot1-good-start-amd", "snap-before"]);
  await host.start(boot);
  boot.failsToStart("Windows 11");
  await host.hurryUntil(() => host.read((store) => store.attempts.list({}).length) === 1);
  await host.allDelivered();
  for (const part of ["", "-wal", "-shm", ".lock"]) rmSync(`${host.database}${part}`, { force: true });
  await host.hurryUntil(() => host.lines.some((line) => line.includes("starting anew")));
  await host.hurryUntil(() => host.told().some(({ kind }) => kind === "watcher-trouble"));
  const trouble = host.told().find(({ kind }) => kind === "watcher-trouble");
  assert.match(trouble?.cause ?? "", /history\.db was removed, moved or replaced while it was in use/);
  boot.failsToStart("Debian");
  await host.hurryUntil(
    () => host.told().filter(({ vm, kind }) => vm === "Debian" && kind === "start-failed").length === 1,
  );
  const vms = host.read((store) => store.attempts.list({}).map(({ vm }) => vm));
  assert.deepEqual([...vms].sort(), ["Debian", "Windows 11"]);
});

test("a history that SQLite finds damaged is opened anew, once", () => {
  const asked: string[] = [];
  let troubles: readonly StoreTrouble[] = [];
  const watch = createHistoryWatch({
    store: { path: "/history.db", isDisplaced: () => false, troubles: () => troubles },
    onLost: () => assert.fail("nothing is lost"),
    startAnew: (why) => asked.push(why),
  });
  watch.look();
  assert.deepEqual(asked, []);
  troubles = [{ kind: "damaged", since: 0, until: undefined, why: "why", remedy: "remedy", times: 1 }];
  watch.look();
  watch.look();
  assert.deepEqual(asked, ["the history was found damaged while in use"]);
});
