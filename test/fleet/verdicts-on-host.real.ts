import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { runProgram } from "../helpers/command-io.ts";
import { buildForumHost } from "../helpers/forum-host.ts";
import { bad, good, hostFacts } from "../helpers/made-history.ts";
import { exportFrom, newFleet, serverOf, withHistory } from "./fleet-hosts.ts";
import { noPostgres, type OwnPostgres, startOwnPostgres } from "./own-postgres.ts";

const skip = noPostgres;
const directory = mkdtempSync(join(tmpdir(), "vfio-watch-verdicts-"));
let postgres: OwnPostgres;

/** The child is this program. */
process.argv[1] = join(import.meta.dirname, "../../src/main.ts");

before(async () => {
  if (skip === false) postgres = await startOwnPostgres();
});
after(async () => {
  await postgres?.remove();
  rmSync(directory, { recursive: true, force: true });
});

test("check and advise say what the fleet says, and what it said last when it cannot be asked", {
  skip,
}, async () => {
  const fleet = await newFleet(postgres);
  // A version of which no other owner is known to have said anything.
  const unheard = { "firmware.bios.version": "E7E49AMSI.1AZ9" };
  for (const label of ["a", "b", "c", "d", "e", "f"]) {
    const server = await fleet.add(label);
    const boots = [
      { facts: hostFacts(), starts: [good(2)] },
      { facts: hostFacts(unheard), starts: [bad(2, "device-lost")] },
    ];
    await withHistory(boots, (store) => exportFrom(server, store));
  }
  const own = await fleet.add("own");
  const url = fleet.url.replace(/\/\/.*@/, `//${own.user}:${own.password}@`);
  const { root } = buildForumHost(join(directory, "host"), { bios: "E7E49AMSI.1A63", demand: false });
  const ask = (...words: string[]) =>
    runProgram(words, {
      VFIO_WATCH_ROOT: root,
      VFIO_WATCH_DATABASE: join(directory, "history.db"),
      VFIO_WATCH_FLEET_URL: url,
    });
  const sentence =
    /Your fleet, this board: 0 of 6 hosts fail on E7E49AMSI\.1A63, 6 of 6 hosts fail on E7E49AMSI\.1AZ9 \(device-lost\)\./;
  const check = await ask("check");
  assert.match(check.out, sentence);
  const advice = await ask("advise", "--bios", "1.AZ9");
  assert.deepEqual([advice.code, sentence.test(advice.out)], [3, true], "six hosts failed on it");
  assert.match(advice.out, /six other owners lost passed-through devices on it/);
  assert.doesNotMatch(check.out + advice.out, /That is of/);
  // A host that has a part in what the fleet says is no other owner of its own.
  const one = await withHistory(
    [{ facts: hostFacts(unheard), starts: [bad(2, "device-lost")] }],
    (_store, database) =>
      runProgram(["advise", "--bios", "1.AZ9", "--database", database], {
        VFIO_WATCH_ROOT: root,
        VFIO_WATCH_FLEET_URL: url,
      }),
  );
  assert.match(one.out, /five other owners lost passed-through devices on it/);

  await postgres.stop();
  const away = await ask("advise", "--bios", "1.AZ9", "--json");
  assert.equal(away.code, 3);
  assert.match(
    JSON.parse(away.out).notes[0],
    /\(device-lost\)\. That is of \d{4}-\d\d-\d\d .*; it cannot be asked now: /,
  );
  assert.doesNotMatch(away.out, new RegExp(own.password ?? "none"));
  await postgres.start();
  const alone = await runProgram(["check"], {
    VFIO_WATCH_ROOT: root,
    VFIO_WATCH_DATABASE: join(directory, "history.db"),
  });
  assert.doesNotMatch(alone.out, /fleet/i, "a host of no fleet hears nothing of one");
  assert.equal(serverOf(url).user, own.user);
});
