import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { test } from "node:test";
import Database from "better-sqlite3";
import { bootId, signatureId, vmName } from "../../src/model/identifiers.ts";
import { openStore } from "../../src/store/open.ts";
import type { DroppedCounts, RetentionLimits, Store } from "../../src/store/store.ts";
import { BOOT, fact, kernelLine, START, sampleAttempt, signatures, snapshot, withStore } from "./samples.ts";

const DAY = 86_400_000;
const NO_CAP = 1e12;

/** Runs retention to its end; each step has to be bounded, so the number of steps is bounded by the rows. */
function pruneAll(store: Store, limits: RetentionLimits): DroppedCounts {
  const total = {
    attempts: 0,
    evidence: 0,
    sightings: 0,
    gaps: 0,
    hotPlugs: 0,
    boots: 0,
    snapshots: 0,
    incidents: 0,
  };
  for (let step = 0; step < 1000; step++) {
    const { done, dropped } = store.prune(limits);
    for (const key of Object.keys(total) as (keyof DroppedCounts)[]) total[key] += dropped[key];
    if (done) return total;
  }
  return assert.fail("retention does not come to an end");
}

function saveSeries(store: Store, outcomes: string, vm = "Windows 11"): void {
  store.batched(() => {
    [...outcomes].forEach((letter, index) => {
      store.attempts.save(
        sampleAttempt({
          id: `${vm}-${index}`,
          vm: vmName(vm),
          outcome: letter === "." ? "started" : "failed",
          openedAt: START + index * DAY,
          evidence: [kernelLine(index, "a line")],
        }),
        { origin: "live" },
      );
    });
  });
}

const kept = (store: Store, vm = "Windows 11") =>
  store.attempts.list({ vm: vmName(vm), first: "oldest" }).map(({ id }) => Number(id.split("-")[1]));

test("by age, both sides of every change of outcome and the newest stay", () =>
  withStore((store) => {
    saveSeries(store, "......xxxx........");
    const limits = { now: START + 100 * DAY, maxAgeMs: DAY, maxBytes: NO_CAP, keepNewest: 2 };
    const dropped = pruneAll(store, limits);
    assert.deepEqual(kept(store), [5, 6, 9, 10, 16, 17]);
    assert.equal(dropped.attempts, 12);
    assert.equal(dropped.evidence, 12);
    assert.equal(store.stats().dropped.attempts, 12);
    assert.equal(pruneAll(store, limits).attempts, 0, "what stayed once stays");
  }));

test("what is younger than the limit stays, and so does what is still open", () =>
  withStore((store) => {
    saveSeries(store, "..........");
    store.attempts.save(sampleAttempt({ id: "open", outcome: undefined, openedAt: START - 900 * DAY }), {
      origin: "live",
    });
    pruneAll(store, { now: START + 9 * DAY, maxAgeMs: 3 * DAY, maxBytes: NO_CAP, keepNewest: 1 });
    assert.deepEqual(kept(store), [6, 7, 8, 9]);
    assert.equal(store.attempts.open(signatures).length, 1);
  }));

test("old sightings, gaps, closed incidents and boots without attempts go, with the facts that only they had", () =>
  withStore((store) => {
    const old = bootId("old");
    store.boots.begin({ id: old, startedAt: START, origin: "live" });
    store.snapshots.save(snapshot("s-old", [fact("bios.version", "A63"), fact("only.then", "1")]));
    store.snapshots.link({ bootId: old, at: START, snapshotId: "s-old", reason: "service start" });
    store.sightings.record([
      { bootId: old, source: "kernel-log", signature: signatureId("s"), text: "t", at: START },
    ]);
    store.boots.begin({ id: BOOT, startedAt: START + 50 * DAY, origin: "live" });
    store.snapshots.save(snapshot("s-new", [fact("bios.version", "A63"), fact("only.now", "1")]));
    store.snapshots.link({
      bootId: BOOT,
      at: START + 50 * DAY,
      snapshotId: "s-new",
      reason: "service start",
    });
    const dropped = pruneAll(store, { now: START + 60 * DAY, maxAgeMs: 30 * DAY, maxBytes: NO_CAP });
    assert.deepEqual([dropped.boots, dropped.sightings, dropped.snapshots], [1, 1, 1]);
    assert.deepEqual(
      store.boots.list().map(({ id }) => id),
      [BOOT],
    );
    assert.equal(store.snapshots.get("s-old"), undefined);
    assert.equal(store.snapshots.get("s-new")?.facts.length, 2);
    assert.equal(store.stats().rows.facts, 2);
  }));

test("a flood is held below the size cap, the file really shrinks, and the boundary survives", () =>
  withStore((store, path) => {
    const cap = 4 * 1024 * 1024;
    const limits = { now: START + 4000 * DAY, maxAgeMs: 4000 * DAY, maxBytes: cap, keepNewest: 5 };
    let number = 0;
    for (let round = 0; round < 4; round++) {
      store.batched(() => {
        for (let index = 0; index < 600; index++, number++) {
          store.attempts.save(
            sampleAttempt({
              id: `flood-${number}`,
              outcome: number < 30 ? "started" : "failed",
              openedAt: START + number * 1000,
              evidence: Array.from({ length: 10 }, (_, line) => kernelLine(line, "flood ".repeat(60))),
            }),
            { origin: "live" },
          );
        }
      });
      assert.ok(store.stats().bytes > cap);
      pruneAll(store, limits);
      assert.ok(store.stats().bytes <= cap, `${store.stats().bytes} bytes after round ${round}`);
      assert.ok(statSync(path).size + statSync(`${path}-wal`).size <= cap, "as the file system sees it");
    }
    const numbers = kept(store);
    assert.deepEqual(numbers.slice(0, 2), [29, 30]);
    assert.deepEqual(numbers.slice(-5), [2395, 2396, 2397, 2398, 2399]);
    assert.ok(store.stats().dropped.attempts > 500);
    const plain = new Database(path, { readonly: true });
    assert.equal(plain.pragma("integrity_check", { simple: true }), "ok");
    plain.close();
  }));

test("a cap that even the protected attempts exceed is held all the same", () =>
  withStore((store) => {
    // Works and fails in turn: every attempt stands at a boundary.
    store.batched(() => {
      for (let index = 0; index < 400; index++) {
        store.attempts.save(
          sampleAttempt({
            id: `flaky-${index}`,
            outcome: index % 2 === 0 ? "started" : "failed",
            openedAt: START + index * 1000,
            evidence: Array.from({ length: 20 }, (_, line) => kernelLine(line, "x".repeat(500))),
          }),
          { origin: "live" },
        );
      }
    });
    const cap = 1024 * 1024;
    const dropped = pruneAll(store, { now: START + DAY, maxAgeMs: 9 * DAY, maxBytes: cap });
    assert.ok(store.stats().bytes <= cap);
    assert.ok(dropped.evidence > 0);
    assert.deepEqual(kept(store).slice(-2), [398, 399]);
    assert.ok(kept(store).length > 100, "plain lines go before attempts do");
  }));

test("with nothing to drop nothing is written", () =>
  withStore((store) => {
    saveSeries(store, "..x.");
    const limits = { now: START + 5 * DAY, maxAgeMs: 90 * DAY, maxBytes: NO_CAP };
    pruneAll(store, limits);
    const before = store.stats();
    assert.equal(store.prune(limits).done, true);
    assert.deepEqual(store.stats(), before);
  }));

test("starts of a boot with a clock that lagged years are as old as where it stands, and the oldest go first", () =>
  withStore((store) => {
    const boots = ["first", "lagging", "last"].map(bootId);
    const begunAt = [START + 1000 * DAY, START, START + 1010 * DAY];
    boots.forEach((id, index) => {
      const startedAt = begunAt[index] ?? START;
      store.boots.begin({ id, startedAt, origin: "live", lastSeenAt: startedAt + DAY });
      for (const minute of [1, 2])
        store.attempts.save(
          sampleAttempt({
            ...{ id: `${id}-${minute}`, bootId: id, openedAt: startedAt + minute * 60_000 },
            ...{ steady: minute * 60_000, outcome: "started", evidence: [] },
          }),
          { origin: "live" },
        );
    });
    const ids = () => store.attempts.list({ first: "oldest" }).map(({ id }) => id);
    const all = ["first-1", "first-2", "lagging-1", "lagging-2", "last-1", "last-2"];
    assert.deepEqual(ids(), all);
    const limits = { maxBytes: NO_CAP, keepNewest: 1 };
    pruneAll(store, { ...limits, now: START + 1012 * DAY, maxAgeMs: 30 * DAY });
    assert.deepEqual(ids(), all, "none is older than thirty days");
    pruneAll(store, { ...limits, now: START + 1012 * DAY, maxAgeMs: 12 * DAY - 90_000 });
    assert.deepEqual(ids(), all.slice(1));
  }));

test("a step touches a bounded number of rows, and a run that is broken off is gone on with, its counts right", () =>
  withStore((first, path) => {
    const vms = ["one", "two", "three"];
    for (const vm of vms) saveSeries(first, ".".repeat(400), vm);
    first.sightings.record(
      Array.from({ length: 50 }, (_, index) => ({
        ...{
          bootId: BOOT,
          source: "kernel-log" as const,
          signature: signatureId("s"),
          text: `line ${index}`,
        },
        at: START + index,
      })),
    );
    const limits = { now: START + 1000 * DAY, maxAgeMs: DAY, maxBytes: NO_CAP, keepNewest: 5 };
    let steps = 0;
    let attempts = 0;
    while (attempts < 500) {
      const { done, dropped } = first.prune(limits);
      assert.equal(done, false);
      assert.ok(dropped.attempts + dropped.evidence <= 1500, `${dropped.attempts} starts in one step`);
      attempts += dropped.attempts;
      steps += 1;
      assert.ok(steps < 100);
    }
    const killed = new Database(path, { readonly: true });
    const left = killed.prepare("SELECT count(*) AS starts, sum(evidence_count) AS lines FROM attempt").get();
    assert.deepEqual(left, { starts: 1200 - attempts, lines: 1200 - attempts });
    killed.close();
    first.close();
    const opened = openStore({ path, clock: { now: () => START } });
    assert.equal(opened.state, "open");
    if (opened.state !== "open") return;
    pruneAll(opened.store, limits);
    for (const vm of vms) assert.deepEqual(kept(opened.store, vm), [395, 396, 397, 398, 399]);
    const { dropped } = opened.store.stats();
    assert.deepEqual([dropped.attempts, dropped.evidence, dropped.sightings], [1185, 1185, 50]);
    opened.store.close();
  }));

test("what another process takes in meanwhile is kept as if it had been there before", () =>
  withStore((store, path) => {
    saveSeries(store, ".".repeat(1500));
    const limits = { now: START + 4000 * DAY, maxAgeMs: DAY, maxBytes: NO_CAP, keepNewest: 2 };
    while (store.prune(limits).dropped.attempts === 0);
    const opened = openStore({ path, clock: { now: () => START }, besideService: true });
    assert.equal(opened.state, "open");
    if (opened.state !== "open") return;
    const failed = { id: "imported", outcome: "failed" as const, openedAt: START + 1200.5 * DAY };
    opened.store.attempts.save(sampleAttempt({ ...failed, vm: vmName("Windows 11") }), {
      origin: "imported",
    });
    opened.store.close();
    pruneAll(store, limits);
    const ids = store.attempts.list({ first: "oldest" }).map(({ id }) => id.replace("Windows 11-", ""));
    assert.deepEqual(ids, ["1200", "imported", "1201", "1498", "1499"]);
  }));
