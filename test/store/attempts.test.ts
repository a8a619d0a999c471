import assert from "node:assert/strict";
import { test } from "node:test";
import { bootId, vmName } from "../../src/model/identifiers.ts";
import {
  BOOT,
  demandsMapping,
  GPU,
  kernelLine,
  START,
  sampleAttempt,
  signatures,
  withStore,
} from "./samples.ts";

test("an attempt comes back with its evidence and its diagnosis as it was", () =>
  withStore((store) => {
    const attempt = sampleAttempt();
    const number = store.attempts.save(attempt, { origin: "live", snapshotId: "abc" });
    assert.deepEqual(store.attempts.full(number, signatures), {
      ...attempt,
      number,
      origin: "live",
      snapshotId: "abc",
      evidenceLeftOut: 0,
    });
    assert.deepEqual(
      store.attempts.full(attempt.id, signatures),
      store.attempts.full(`${number}`, signatures),
    );
  }));

test("saving the same attempt again writes nothing", () =>
  withStore((store) => {
    const number = store.attempts.save(sampleAttempt(), { origin: "live" });
    const before = store.stats();
    assert.equal(store.attempts.save(sampleAttempt(), { origin: "live" }), number);
    assert.deepEqual(store.stats(), before);
  }));

test("an attempt that grows keeps its number, and its evidence follows the newest state", () =>
  withStore((store) => {
    const open = sampleAttempt({ outcome: undefined, evidence: [kernelLine(2, "b"), kernelLine(3, "c")] });
    const number = store.attempts.save(open, { origin: "live", snapshotId: "facts" });
    assert.deepEqual(store.attempts.list(), []);
    const [reopened] = store.attempts.open(signatures);
    assert.deepEqual(reopened?.evidence, open.evidence);
    assert.deepEqual(store.attempts.open(signatures, BOOT), store.attempts.open(signatures));
    assert.deepEqual(store.attempts.open(signatures, bootId("another")), []);

    const settled = sampleAttempt({
      evidence: [kernelLine(1, "a"), kernelLine(2, "b", { count: 7, lastAt: START + 900 })],
    });
    assert.equal(store.attempts.save(settled, { origin: "live" }), number);
    const full = store.attempts.full(number, signatures);
    assert.deepEqual(full?.evidence, settled.evidence);
    assert.equal(full?.snapshotId, "facts", "an omitted snapshot keeps the stored one");
    assert.deepEqual(store.attempts.open(signatures), []);
  }));

test("the same line given twice is one piece of evidence", () =>
  withStore((store) => {
    const number = store.attempts.save(
      sampleAttempt({ evidence: [kernelLine(1, "a"), kernelLine(1, "a")] }),
      {
        origin: "live",
      },
    );
    assert.equal(store.attempts.full(number, signatures)?.evidence.length, 1);
  }));

test("an import never overwrites what was seen live", () =>
  withStore((store) => {
    const number = store.attempts.save(sampleAttempt(), { origin: "live" });
    store.attempts.save(sampleAttempt({ outcome: "started", evidence: [] }), { origin: "imported" });
    const full = store.attempts.full(number, signatures);
    assert.equal(full?.outcome, "failed");
    assert.equal(full?.evidence.length, 2);
  }));

test("hostile text is stored and read as it is", () =>
  withStore((store) => {
    const texts = [
      "a\0b",
      "\ud800 half",
      "'; DROP TABLE attempt; --",
      "\u001b[2J<b>$(reboot)`id`",
      "😀\u202e",
    ];
    const vm = vmName('$(reboot)<b>\n"x"');
    const attempt = sampleAttempt({
      vm,
      evidence: texts.map((text, index) =>
        kernelLine(index, text, { matches: [{ signature: demandsMapping, captures: { vm: text } }] }),
      ),
    });
    const number = store.attempts.save(attempt, { origin: "live" });
    assert.deepEqual(store.attempts.full(number, signatures)?.evidence, attempt.evidence);
    assert.equal(store.attempts.list({ vm })[0]?.vm, vm);
  }));

test("a flood of evidence stays within the budget of an incident and keeps what decides", () =>
  withStore((store) => {
    const decisive = kernelLine(5, "1:1 mapping", { matches: [{ signature: demandsMapping, captures: {} }] });
    const flood = Array.from({ length: 3000 }, (_, index) =>
      kernelLine(100 + index, `noise ${"x".repeat(200)}`),
    );
    const sizeWithoutLog = () => store.stats().bytes - store.stats().walBytes;
    const before = sizeWithoutLog();
    const number = store.attempts.save(sampleAttempt({ evidence: [decisive, ...flood] }), { origin: "live" });
    const full = store.attempts.full(number, signatures);
    assert.deepEqual(full?.evidence[0], decisive);
    assert.deepEqual(full?.evidence.at(-1), flood.at(-1), "the last words before the failure stay");
    assert.equal((full?.evidence.length ?? 0) + (full?.evidenceLeftOut ?? 0), 3001);
    assert.ok(sizeWithoutLog() - before <= 64 * 1024);
  }));

test("a line of a hundred kilobytes is cut, and says so", () =>
  withStore((store) => {
    const number = store.attempts.save(sampleAttempt({ evidence: [kernelLine(1, "x".repeat(100_000))] }), {
      origin: "live",
    });
    const observation = store.attempts.full(number, signatures)?.evidence[0]?.observation;
    assert.ok(observation?.kind === "kernel-record");
    assert.match(observation.text, /^x{4096} … \[95904 more characters\]$/);
  }));

test("a signature that left the catalogue is still named and explained", () =>
  withStore((store) => {
    const number = store.attempts.save(sampleAttempt(), { origin: "live" });
    const match = store.attempts.full(number, () => undefined)?.evidence[0]?.matches[0];
    assert.equal(match?.signature.id, demandsMapping.id);
    assert.equal(match?.signature.class, demandsMapping.class);
    assert.equal(match?.signature.meaning, demandsMapping.meaning);
    assert.doesNotMatch("1:1", new RegExp(match?.signature.pattern ?? ""));
    assert.deepEqual(match?.captures, { bdf: GPU });
  }));

test("attempts are listed by boot and time, not by the wall clock alone", () =>
  withStore((store) => {
    const later = bootId("22222222-2222-4222-8222-222222222222");
    store.boots.begin({ id: BOOT, startedAt: START, origin: "live" });
    // The clock of the second boot was years behind until NTP.
    store.boots.begin({ id: later, startedAt: 1000, origin: "live" });
    store.attempts.save(sampleAttempt({ id: "a" }), { origin: "live" });
    store.attempts.save(sampleAttempt({ id: "b", bootId: later, openedAt: 2000, outcome: "started" }), {
      origin: "live",
    });
    assert.deepEqual(
      store.attempts.list({ first: "oldest" }).map(({ id, bootOrdinal }) => [id, bootOrdinal]),
      [
        ["a", 1],
        ["b", 2],
      ],
    );
    assert.deepEqual(
      store.attempts.list({ limit: 1 }).map(({ id }) => id),
      ["b"],
    );
    assert.deepEqual(
      store.attempts.list({ failedOnly: true }).map(({ id }) => id),
      ["a"],
    );
    assert.deepEqual(
      store.attempts.list({ startedOnly: true }).map(({ id }) => id),
      ["b"],
    );
    assert.deepEqual(
      store.attempts.list({ since: START }).map(({ id }) => id),
      ["a"],
    );
    assert.deepEqual(
      store.attempts.list({ bootId: later, device: GPU }).map(({ id }) => id),
      ["b"],
    );
    assert.deepEqual(store.attempts.list({ vm: vmName("nobody") }), []);
  }));

test("tallies count what the list lists", () =>
  withStore((store) => {
    for (let index = 0; index < 9; index++) {
      const outcome = index < 5 ? "started" : "failed";
      store.attempts.save(sampleAttempt({ id: `a${index}`, outcome, openedAt: START + index }), {
        origin: "live",
        snapshotId: index < 5 ? "old bios" : "new bios",
      });
    }
    const shown = store.attempts
      .tallies({ vm: vmName("Windows 11") })
      .map(({ outcome, cause, count, firstAt, lastAt, snapshotId, devices, firstNumber }) => [
        outcome,
        cause,
        count,
        firstAt - START,
        lastAt - START,
        snapshotId,
        devices[0],
        firstNumber,
      ]);
    assert.deepEqual(shown, [
      ["started", undefined, 5, 0, 4, "old bios", GPU, 1],
      ["failed", "iommu-direct-mapping-required", 4, 5, 8, "new bios", GPU, 6],
    ]);
    assert.deepEqual(store.attempts.tallies({ device: "0000:02:00.0" as typeof GPU }), []);
  }));

test("a gap of unknown size among the evidence stays unknown", () =>
  withStore((store) => {
    const gap = {
      observation: {
        kind: "gap" as const,
        source: "kernel-log" as const,
        at: START,
        exactTime: false,
        identity: "gap:1",
        lost: undefined,
        detail: "overwritten",
      },
      matches: [],
      count: 1,
      lastAt: START,
    };
    const number = store.attempts.save(sampleAttempt({ evidence: [gap] }), { origin: "live" });
    assert.deepEqual(store.attempts.full(number, signatures)?.evidence, [gap]);
  }));
