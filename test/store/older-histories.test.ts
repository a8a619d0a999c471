import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import Database from "better-sqlite3";
import { textOf } from "../../src/facts/fact-value.ts";
import { knownKey } from "../../src/facts/vocabulary.ts";
import { askBlame, type BlameAnswer, type BlameQuestion } from "../../src/history/ask-blame.ts";
import type { Snapshot } from "../../src/model/fact.ts";
import type { AttemptRow, AttemptTally } from "../../src/store/attempt-store.ts";
import { SCHEMA_VERSION } from "../../src/store/schema.ts";
import type { SnapshotMoment } from "../../src/store/snapshot-store.ts";
import type { Store } from "../../src/store/store.ts";
import { opened, withDirectory } from "./samples.ts";

/** What the release that wrote the history said of it. */
interface Expected {
  readonly rows: { readonly attempts: number; readonly snapshots: number; readonly facts: number };
  readonly boots: readonly unknown[];
  readonly moments: readonly SnapshotMoment[];
  /** Number of facts and hash of them, by id. */
  readonly snapshots: Readonly<Record<string, readonly [number, string]>>;
  readonly attempts: readonly AttemptRow[];
  readonly tallies: readonly AttemptTally[];
  readonly vms: readonly { readonly goneAt?: number }[];
  readonly groups: readonly unknown[];
  readonly blame: readonly {
    readonly question: BlameQuestion;
    readonly good: number;
    readonly bad: number;
    readonly bios: readonly {
      readonly version: string | undefined;
      readonly worked: number;
      readonly failed: number;
    }[];
  }[];
}

/** One VM of the history had another name before: it is one now, and called by its newest name. */
const renamed = <T extends { readonly vm: string }>(rows: readonly T[]) =>
  rows.map((row) => ({ ...row, vm: row.vm === "101 (win11)" ? "101 (gaming)" : row.vm }));

const HISTORIES = fileURLToPath(new URL("../fixtures/histories", import.meta.url));
const unzipped = (name: string) => gunzipSync(readFileSync(join(HISTORIES, name)));

/** Without what JSON does not have. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

/** Of the words of all facts: that release kept lists as texts, whose items had an order and separators of their own. */
function hashOf({ facts }: Snapshot): string {
  const content = facts.map(({ group, key, value }) => {
    const text = value.state === "unknown" ? value.why : (textOf(value) ?? "");
    const words = text.split(/[ ,;]+/).filter((word) => word !== "and");
    return [group, key, value.state, words.sort().join(" ")];
  });
  return createHash("sha256").update(JSON.stringify(content)).digest("hex").slice(0, 16);
}

/** The same history written by this program: as an upgraded one must answer. */
function writeAnew(old: Store, fresh: Store): void {
  for (const { id, startedAt, lastSeenAt, end } of old.boots.list())
    fresh.boots.begin({ id, startedAt, lastSeenAt, end, origin: "live" });
  for (const moment of old.snapshots.timeline()) {
    const snapshot = old.snapshots.get(moment.snapshotId);
    if (snapshot !== undefined) fresh.snapshots.save(snapshot);
    fresh.snapshots.link(moment);
  }
  // By number, so that an open one keeps its place between them.
  const { attempts, openAttempts } = old.stats().rows;
  for (let number = 1; number <= attempts + openAttempts; number++) {
    const attempt = old.attempts.full(number, () => undefined);
    if (attempt === undefined) continue;
    const { snapshotId, origin } = attempt;
    fresh.attempts.save(attempt, { origin, ...(snapshotId !== undefined && { snapshotId }) });
  }
}

test("a history of the release before spans is the same after it was taken along", () =>
  withDirectory((directory) => {
    const path = join(directory, "history.sqlite");
    writeFileSync(path, unzipped("schema-2.db.gz"));
    const expected = JSON.parse(unzipped("schema-2.json.gz").toString()) as Expected;
    const store = opened(path);
    assert.deepEqual(store.troubles(), []);
    assert.equal(store.stats().schemaVersion, SCHEMA_VERSION);
    assert.deepEqual(store.stats().rows, expected.rows);
    assert.deepEqual(plain(store.boots.list()), expected.boots);
    assert.deepEqual(plain(store.snapshots.timeline()), expected.moments);
    assert.deepEqual(plain(store.attempts.list()), renamed(expected.attempts));
    assert.deepEqual(plain(store.attempts.tallies()), renamed(expected.tallies));
    assert.deepEqual(
      plain(store.vms.list()),
      expected.vms.filter(({ goneAt }) => goneAt === undefined),
    );
    assert.deepEqual(plain([...store.vms.groups()]), expected.groups);
    for (const [id, [count, hash]] of Object.entries(expected.snapshots)) {
      const snapshot = store.snapshots.get(id);
      assert.equal(snapshot?.facts.length, count);
      assert.equal(snapshot && hashOf(snapshot), hash);
      for (const { key, value } of snapshot?.facts ?? [])
        if (value.state === "value" && knownKey(key)?.form.type === "list")
          assert.ok(Array.isArray(value.value), key);
    }
    assert.equal(store.snapshots.inOrder().length, Object.keys(expected.snapshots).length);

    const fresh = opened(join(directory, "fresh.sqlite"));
    writeAnew(store, fresh);
    for (const { question, bios } of expected.blame) {
      const answer = plain(askBlame(store, question)) as BlameAnswer;
      assert.deepEqual(counts(answer.bios), counts(bios));
      const { blame, changes, devices } = plain(askBlame(fresh, question)) as BlameAnswer;
      assert.deepEqual([answer.blame, answer.changes, answer.devices], [blame, changes, devices]);
    }
    fresh.close();
    store.close();
    const database = new Database(path, { readonly: true });
    assert.equal(database.pragma("integrity_check", { simple: true }), "ok");
    assert.deepEqual(database.pragma("foreign_key_check"), []);
    database.close();
  }));

/** Good and failed starts by version; builds that differ in their date alone are one here. */
const counts = (bios: Expected["blame"][number]["bios"]) =>
  [...Map.groupBy(bios, ({ version }) => version)].map(([version, rows]) => [
    version,
    rows.reduce((sum, { worked }) => sum + worked, 0),
    rows.reduce((sum, { failed }) => sum + failed, 0),
  ]);
