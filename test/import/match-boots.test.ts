import assert from "node:assert/strict";
import { test } from "node:test";
import { findSameBoot, idOf, type KnownBoot } from "../../src/import/match-boots.ts";
import type { PastBoot } from "../../src/import/past-boot.ts";
import { bootId } from "../../src/model/identifiers.ts";

const START = Date.UTC(2026, 2, 1);
const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

function past(given: Partial<PastBoot> = {}): PastBoot {
  return {
    id: undefined,
    startedAt: START,
    precision: "log",
    firstSeenAt: START,
    lastSeenAt: START + HOUR,
    end: "unknown",
    bios: undefined,
    kernelRelease: "6.12.1",
    facts: () => [],
    observations: [],
    groups: new Map(),
    definitions: [],
    ...given,
  };
}

/** A boot as it is stored after such a past one was taken in. */
function known(given: Partial<PastBoot> = {}, id = idOf(past(given))): KnownBoot {
  const { startedAt, firstSeenAt, lastSeenAt, bios, kernelRelease } = past(given);
  return { id, startedAt: startedAt ?? firstSeenAt, lastSeenAt, bios, kernelRelease };
}

const LIVE = bootId("11111111-1111-4111-8111-111111111111");
const isFound = (boot: PastBoot, ...all: readonly KnownBoot[]) => findSameBoot(boot, all) !== undefined;

test("two copies of a log show one boot, and a boot minutes later in another log is another", () => {
  const first = known();
  assert.equal(findSameBoot(past(), [first]), first);
  assert.ok(isFound(past({ startedAt: START + 2 * SECOND }), first));
  assert.ok(!isFound(past({ startedAt: START + 3 * SECOND }), first));
  assert.ok(!isFound(past({ startedAt: START - 3 * SECOND }), first));
});

test("a log begins up to three minutes after the boot that the service saw itself", () => {
  const live = known({}, LIVE);
  assert.ok(isFound(past({ startedAt: START + 3 * MINUTE }), live));
  assert.ok(!isFound(past({ startedAt: START + 3 * MINUTE + SECOND }), live));
  assert.ok(isFound(past({ startedAt: START + 3 * MINUTE, precision: "uptime" }), known()));
});

test("what is read again has the id that it had, and another kernel or another second gives another", () => {
  assert.equal(idOf(past()), idOf(past({ lastSeenAt: START + 9 * HOUR })));
  const ids = [
    past(),
    past({ startedAt: START + SECOND }),
    past({ kernelRelease: "6.6.0" }),
    past({ startedAt: undefined }),
    past({ startedAt: undefined, bios: "F20" }),
    past({ startedAt: undefined, firstSeenAt: START + SECOND }),
  ].map(idOf);
  assert.equal(new Set(ids).size, ids.length);
  // A start that is known to a minute gives no id that copies of a log would share.
  assert.notEqual(idOf(past({ precision: "uptime" })), idOf(past()));
  // Nor does what of the boot a material shows first: the same boot would be imported twice.
  for (const precision of ["uptime", "log"] as const)
    assert.equal(idOf(past({ precision })), idOf(past({ precision, firstSeenAt: START + HOUR })));
  assert.equal(idOf(past({ id: LIVE })), LIVE);
});

test("boots with another BIOS, another kernel or another id of the kernel's are others", () => {
  assert.ok(!isFound(past({ kernelRelease: "6.6.0" }), known({}, LIVE)));
  assert.ok(!isFound(past({ bios: "F20" }), known({ bios: "F10" }, LIVE)));
  assert.ok(isFound(past({ bios: "F20" }), known({}, LIVE)));
  const other = bootId("22222222-2222-4222-8222-222222222222");
  assert.ok(!isFound(past({ id: other }), known({}, LIVE)));
  assert.ok(isFound(past({ id: LIVE }), known({ kernelRelease: "6.6.0" }, LIVE)));
  // The id of material that had none is no id of the kernel's, whatever stands in it.
  const made = bootId("made-11111111-1111-4111-8111-111111111111");
  assert.ok(isFound(past({ id: LIVE }), known({}, made)));
});

test("what begins in the middle of a boot belongs to the one in whose time it was said, or to none of two", () => {
  const part = { startedAt: undefined, firstSeenAt: START + 10 * MINUTE, lastSeenAt: START + 20 * MINUTE };
  const live = known({}, LIVE);
  assert.ok(isFound(past(part), live));
  const later = known({ startedAt: START + 15 * MINUTE }, bootId("33333333-3333-4333-8333-333333333333"));
  assert.ok(!isFound(past(part), live, later));
  // Up to the very last moment, and from a minute before the first.
  assert.ok(isFound(past({ ...part, firstSeenAt: live.lastSeenAt }), live));
  assert.ok(isFound(past({ ...part, firstSeenAt: START - MINUTE, lastSeenAt: START }), live));
  assert.ok(isFound(past({ ...part, firstSeenAt: START - MINUTE, lastSeenAt: START - SECOND }), live));
  const after = { ...part, firstSeenAt: live.lastSeenAt + MINUTE, lastSeenAt: live.lastSeenAt + HOUR };
  assert.ok(isFound(past(after), live));
  assert.ok(!isFound(past({ ...after, firstSeenAt: after.firstSeenAt + SECOND }), live));
  // What ended just before a boot was of another.
  const before = { ...part, firstSeenAt: START - HOUR, lastSeenAt: START - SECOND };
  assert.ok(!isFound(past(before), live));
});

test("of two boots that are equally near none is taken", () => {
  const other = bootId("22222222-2222-4222-8222-222222222222");
  const near = known({ startedAt: START - MINUTE }, LIVE);
  const asNear = known({ startedAt: START + MINUTE }, other);
  assert.ok(!isFound(past(), near, asNear));
  assert.equal(findSameBoot(past({ startedAt: START + SECOND }), [near, asNear]), asNear);
});
