import assert from "node:assert/strict";
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { secondCopyDirectory } from "../../src/daemon/second-copies.ts";
import { askBlame } from "../../src/history/ask-blame.ts";
import { createHostPaths } from "../../src/host-paths.ts";
import { vmName } from "../../src/model/identifiers.ts";
import { openStore } from "../../src/store/open.ts";
import { secondCopies, writeSecondCopy } from "../../src/store/second-copy.ts";
import { place, wholeHistory } from "../helpers/damaged-histories.ts";
import { handClock, opened, sampleAttempt, withDirectory } from "./samples.ts";

const question = { vm: vmName("101 (gaming)") };

test("a history that is lost begins with its second copy, and blame with what it knew", () =>
  withDirectory((directory) => {
    const path = join(directory, "history.db");
    const elsewhere = join(directory, "elsewhere");
    place(wholeHistory(directory), path);
    const before = opened(path);
    const [starts, blame] = [before.attempts.list(), askBlame(before, question).blame];
    const boots = before.boots.list().length;
    before.close();
    const size = writeSecondCopy(path, elsewhere);
    assert.ok(typeof size === "number" && size > 0 && size < statSync(path).size / 3, `${size}`);
    assert.equal(writeSecondCopy(path, elsewhere), 0, "nothing has changed");

    const [copy = "", older = ""] = secondCopies(path, elsewhere);
    assert.equal(statSync(copy).mode & 0o777, 0o600);
    for (const lose of [
      () => rmSync(path),
      () => writeFileSync(path, "no database ".repeat(999)),
      // Of the same history, with only the facts lost.
      () => writeFileSync(path, readFileSync(path).fill(0, 2048 * 30, 2048 * 60)),
    ]) {
      lose();
      for (const ending of ["-wal", "-shm"]) rmSync(path + ending, { force: true });
      const result = openStore({ path, clock: handClock(), copies: [copy, older] });
      assert.ok(result.state === "open");
      const { store } = result;
      assert.match(store.troubles()[0]?.why ?? "", /from the copy .*copy\.gz: \d+ boots and \d+ starts/);
      assert.equal(store.boots.list().length, boots);
      assert.deepEqual(
        store.attempts.list().map(({ id, outcome, cause }) => [id, outcome, cause]),
        starts.map(({ id, outcome, cause }) => [id, outcome, cause]),
      );
      assert.deepEqual(askBlame(store, question).blame, blame);
      store.close();
    }

    const store = opened(path);
    store.attempts.save(sampleAttempt({ id: "one more" }), { origin: "live" });
    store.close();
    const first = readFileSync(copy);
    assert.ok(Number(writeSecondCopy(path, elsewhere)) > 0);
    assert.deepEqual(readFileSync(older), first, "the one before is kept");
  }));

test("a second copy goes where it is set to, or beside the history where there is no other device", () =>
  withDirectory((directory) => {
    const paths = createHostPaths(directory);
    const database = join(directory, "state", "history.db");
    mkdirSync(join(directory, "state"));
    mkdirSync(join(directory, "boot/config/plugins"), { recursive: true });
    const of = (SECOND_COPY: string) => secondCopyDirectory({ SECOND_COPY }, database, paths, {});
    assert.equal(of("off"), undefined);
    assert.equal(of("/mnt/backup"), "/mnt/backup");
    assert.equal(of("auto"), join(directory, "state"));
  }));

test("what keeps a second copy from being made is said", () =>
  withDirectory((directory) => {
    const path = join(directory, "history.db");
    assert.match(String(writeSecondCopy(path, directory)), /no history at/);
    opened(path).close();
    writeFileSync(join(directory, "file"), "");
    assert.match(String(writeSecondCopy(path, join(directory, "file"))), /cannot be written/);
  }));
