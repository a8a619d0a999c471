import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import Database from "better-sqlite3";
import fc from "fast-check";
import type { Incident } from "../../src/model/alert.ts";
import type { Outcome, StartAttempt } from "../../src/model/attempt.ts";
import type { CauseClass } from "../../src/model/catalogue.ts";
import { vmName } from "../../src/model/identifiers.ts";
import { MIGRATIONS, SCHEMA_VERSION } from "../../src/store/schema.ts";
import type { Store } from "../../src/store/store.ts";
import {
  BOOT,
  GPU,
  handClock,
  opened,
  START,
  sampleAttempt,
  signatures,
  withDirectory,
  withStore,
} from "./samples.ts";

const CONTENT: Incident["content"] = {
  kind: "start-failed",
  importance: "alert",
  subject: "Windows 11 did not start",
  vm: vmName("Windows 11"),
  devices: [{ bdf: GPU }],
  changes: [],
  cause: "The firmware demands a 1:1 mapping. ".repeat(20),
  remedy: "Go back.",
};

function incident(overrides: Partial<Incident> = {}): Incident {
  return {
    ...{ id: "incident-1", key: "start-failed/Windows 11", openedAt: START, lastAt: START, count: 1 },
    ...{ closedAt: undefined, acknowledgedAt: undefined, silencedUntil: undefined, lastToldAt: START },
    ...{ reminders: 0, bootId: BOOT, attemptId: "attempt-1", content: CONTENT },
    ...overrides,
  };
}

/** Without what the store adds. */
function asGiven(stored: ReturnType<Store["attempts"]["full"]>): StartAttempt | undefined {
  if (stored === undefined) return undefined;
  const {
    number: _number,
    origin: _origin,
    snapshotId: _snapshotId,
    evidenceLeftOut: _leftOut,
    ...attempt
  } = stored;
  return attempt;
}

/** What a start that fails makes the service write: opened, settled with its alert queued, and the alert has left. */
function failOnce(store: Store, id: string, at: number): void {
  const settled = sampleAttempt({ id, openedAt: at, closedAt: at + 2_000 });
  const { diagnosis: _, ...open } = settled;
  store.durable(() =>
    store.attempts.save({ ...open, closedAt: undefined, outcome: undefined }, { origin: "live" }),
  );
  store.durable(() => {
    store.attempts.save(settled, { origin: "live" });
    store.alerts.saveIncident(
      incident({ id: `incident-${id}`, key: id, attemptId: id, openedAt: at, lastAt: at }),
    );
    for (const channel of ["unraid", "command"])
      store.alerts.enqueue({
        incidentId: `incident-${id}`,
        channel,
        content: CONTENT,
        createdAt: at,
        dueAt: at,
      });
  });
  for (const { id: delivery } of store.alerts.dueDeliveries(at, 10)) store.alerts.markDelivered(delivery, at);
}

test("an incident with its alerts writes less than 64 KB, the log and what is written back together", () =>
  withDirectory((directory) => {
    const path = join(directory, "history.sqlite");
    const store = opened(path);
    store.boots.begin({ id: BOOT, startedAt: START, lastSeenAt: START, end: "unknown", origin: "live" });
    failOnce(store, "before", START);
    const beside = new Database(path);
    beside.pragma("wal_checkpoint(TRUNCATE)");
    const incidents = 30;
    for (let index = 0; index < incidents; index++)
      failOnce(store, `attempt-${index}`, START + index * 60_000);
    const log = statSync(`${path}-wal`).size;
    const [written] = beside.pragma("wal_checkpoint(PASSIVE)") as { checkpointed: number }[];
    assert.ok((written?.checkpointed ?? 0) > 0);
    const file = statSync(path).size;
    beside.close();
    store.close();
    // The log holds every page that a commit wrote, the file each once more at most.
    const each = (log + file) / incidents;
    assert.ok(each < 64 * 1024, `${Math.round(each / 1024)} KB`);
  }));

test("whatever changes of an attempt, the stored one is the newest", () =>
  withStore((store) => {
    store.boots.begin({ id: BOOT, startedAt: START, lastSeenAt: START, end: "unknown", origin: "live" });
    const outcome = fc.constantFrom<Outcome | undefined>(
      undefined,
      "started",
      "failed",
      "crashed-early",
      "refused",
    );
    const change = fc.record({
      outcome,
      openedAt: fc.constantFrom(START, START + 1),
      closedAt: fc.constantFrom(undefined, START + 10, START + 20),
      devices: fc.constantFrom([GPU], []),
      bootId: fc.constantFrom(BOOT, undefined),
      lines: fc.nat(2),
      cause: fc.constantFrom<CauseClass>("iommu-direct-mapping-required", "device-lost"),
    });
    let made = 0;
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 6 }), (changes) => {
        const id = `attempt-${made++}`;
        let newest: StartAttempt | undefined;
        for (const { lines, cause, ...changed } of changes) {
          const sample = sampleAttempt({ id, ...changed });
          newest = {
            ...sample,
            evidence: sample.evidence.slice(0, lines),
            ...(sample.diagnosis !== undefined && {
              diagnosis: {
                ...sample.diagnosis,
                causes: sample.diagnosis.causes.map((one) => ({ ...one, class: cause })),
              },
            }),
          };
          store.attempts.save(newest, { origin: "live" });
        }
        assert.deepEqual(asGiven(store.attempts.full(id, signatures)), newest);
        const row = store.attempts.list({ limit: 1_000 }).find((one) => one.id === id);
        assert.equal(row?.cause, newest?.diagnosis?.causes[0]?.class);
        assert.equal(row?.outcome, newest?.outcome);
      }),
      { numRuns: 100 },
    );
  }));

test("whatever changes of an incident, the stored one is the newest, and found by its key while it is open", () =>
  withStore((store) => {
    const change = fc.record({
      key: fc.constantFrom("a", "b"),
      count: fc.nat(9),
      lastAt: fc.nat(9),
      closedAt: fc.constantFrom(undefined, undefined, 3, 4),
      attemptId: fc.constantFrom(undefined, "attempt-1"),
    });
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 6 }), (changes) => {
        for (const changed of changes) {
          const newest = incident(changed);
          store.alerts.saveIncident(newest);
          assert.deepEqual(store.alerts.incident(newest.id), newest);
          for (const key of ["a", "b"]) {
            const isOpen = newest.closedAt === undefined && newest.key === key;
            assert.deepEqual(store.alerts.openIncident(key), isOpen ? newest : undefined);
          }
        }
      }),
    );
  }));

test("a database of version 1 is brought up to date with all its rows, and keeps its page size", () =>
  withDirectory((directory) => {
    const path = join(directory, "history.sqlite");
    const old = new Database(path);
    old.pragma("auto_vacuum = INCREMENTAL");
    old.pragma("journal_mode = WAL");
    old.exec(`${MIGRATIONS[0]?.sql}; PRAGMA user_version = 1; PRAGMA application_id = ${0x5646494f}`);
    const content = JSON.stringify(CONTENT);
    old.exec(
      `INSERT INTO boot (id, order_key, started_at, last_seen_at, origin) VALUES ('${BOOT}', 1, ${START}, ${START}, 'live')`,
    );
    const insertIncident = old.prepare(
      `INSERT INTO incident (id, key, opened_at, last_at, count, last_told_at, reminders, boot_id, attempt_id, content)
       VALUES (?, ?, ?, ?, 1, ?, 0, ?, 'attempt-1', ?)`,
    );
    insertIncident.run("incident-1", "start-failed/Windows 11", START, START, START, BOOT, content);
    const insertDelivery = old.prepare(
      `INSERT INTO delivery (incident, channel, content, created_at, due_at, state, last_error, finished_at)
       VALUES (1, ?, ?, ?, ?, ?, ?, ?)`,
    );
    insertDelivery.run("command", content, START, START + 5, "pending", null, null);
    insertDelivery.run("unraid", content, START, START + 1, "pending", "not yet", null);
    insertDelivery.run("unraid", content, START, START, "delivered", null, START + 9);
    insertDelivery.run("ntfy", content, START, START, "given-up", "no answer", START + 8);
    old.close();

    const beside = opened.bind(undefined, path, { readOnly: true });
    assert.throws(beside, /version 1; this program reads version/);
    const store = opened(path, { clock: handClock() });
    assert.equal(store.stats().schemaVersion, SCHEMA_VERSION);
    assert.deepEqual(store.alerts.incident("incident-1"), incident());
    assert.deepEqual(
      store.alerts.dueDeliveries(START + 100, 10).map(({ channel, dueAt }) => [channel, dueAt - START]),
      [
        ["unraid", 1],
        ["command", 5],
      ],
    );
    assert.deepEqual(store.alerts.dueDeliveries(START + 4, 10, "command"), []);
    assert.deepEqual([store.alerts.nextDueAt(), store.alerts.nextDueAt("command")], [START + 1, START + 5]);
    const nothing = { lastError: undefined, lastDeliveredAt: undefined };
    assert.deepEqual(store.alerts.channelStates(), [
      { ...nothing, channel: "command", pending: 1, givenUp: 0 },
      { ...nothing, channel: "ntfy", pending: 0, givenUp: 1, lastError: "no answer" },
      {
        ...nothing,
        channel: "unraid",
        pending: 1,
        givenUp: 0,
        lastError: "not yet",
        lastDeliveredAt: START + 9,
      },
    ]);
    store.attempts.save(sampleAttempt(), { origin: "live" });
    store.close();

    const plain = new Database(path, { readonly: true });
    assert.equal(plain.pragma("integrity_check", { simple: true }), "ok");
    assert.equal(plain.pragma("page_size", { simple: true }), 4096);
    plain.close();
    const again = opened(path);
    assert.deepEqual(asGiven(again.attempts.full("attempt-1", signatures)), sampleAttempt());
    again.close();
  }));
