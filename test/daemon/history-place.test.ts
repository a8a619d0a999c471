import assert from "node:assert/strict";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { createVirtualClock } from "../../src/clock.ts";
import { awaitHistory, openHistory } from "../../src/daemon/history-place.ts";
import { opened, START, sampleAttempt, withDirectory } from "../store/samples.ts";

const clock = () => createVirtualClock(START);

test("where the history can be neither made nor read there is one in memory, and the reason", () =>
  withDirectory((directory) => {
    writeFileSync(join(directory, "no directory"), "");
    const place = openHistory({ path: join(directory, "no directory", "history.db"), clock: clock() });
    assert.ok(!("state" in place));
    assert.match(place.volatile?.why ?? "", /refuses to read or write/);
    place.store.attempts.save(sampleAttempt({ id: "a" }), { origin: "live" });
    assert.equal(place.store.attempts.list().length, 1);
    assert.equal(place.store.isDisplaced(), false);
    place.store.close();
  }));

test("what stands in a history that can only be read is known in memory", () =>
  withDirectory((directory) => {
    const path = join(directory, "history.db");
    const store = opened(path);
    store.attempts.save(sampleAttempt({ id: "earlier" }), { origin: "live" });
    store.close();
    // Whatever keeps a lock from being taken keeps a file from being written; a directory in its place does so for root.
    rmSync(`${path}.lock`, { force: true });
    mkdirSync(`${path}.lock`);
    const place = openHistory({ path, clock: clock() });
    assert.ok(!("state" in place));
    assert.ok(place.volatile !== undefined);
    assert.deepEqual(
      place.store.attempts.list().map(({ id }) => id),
      ["earlier"],
    );
    place.store.attempts.save(sampleAttempt({ id: "new" }), { origin: "live" });
    assert.equal(place.store.attempts.list().length, 2);
    place.store.close();
  }));

test("beside a service that writes there is no second one, not even in memory", () =>
  withDirectory((directory) => {
    const path = join(directory, "history.db");
    const first = opened(path);
    const place = openHistory({ path, clock: clock() });
    assert.ok("state" in place && place.reason === "locked");
    first.close();
  }));

test("a history that can be used again is noticed within half a minute, once", () =>
  withDirectory((directory) => {
    const path = join(directory, "flash", "history.db");
    writeFileSync(dirname(path), "");
    const time = clock();
    let noticed = 0;
    awaitHistory(path, time, () => {
      noticed += 1;
    });
    time.moveTo(START + 300_000);
    assert.equal(noticed, 0);
    rmSync(dirname(path));
    time.moveTo(START + 330_000);
    assert.equal(noticed, 1);
    time.moveTo(START + 900_000);
    assert.equal(noticed, 1);
  }));
