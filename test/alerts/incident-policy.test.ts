import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  decide,
  incidentId,
  incidentKey,
  mayTell,
  type Occurrence,
} from "../../src/alerts/incident-policy.ts";
import type { Incident } from "../../src/model/alert.ts";
import { failureOf } from "./examples.ts";

const DAY = 86_400_000;
const START = Date.UTC(2026, 10, 1, 12);
const content = failureOf();
const key = incidentKey(content);
const occurrence = (at: number): Occurrence => ({ key, content, at, attemptId: `attempt-${at}` });

/** Lets the same failure happen at the given times and says at which of them people are told. */
function toldTimes(
  times: readonly number[],
  settings = { reminders: true },
  touch = (incident: Incident) => incident,
) {
  let incident: Incident | undefined;
  const told: number[] = [];
  for (const at of times) {
    const decision = decide(
      incident === undefined ? undefined : touch(incident),
      occurrence(at),
      at,
      settings,
    );
    incident = decision.tell ? { ...decision.incident, lastToldAt: at } : decision.incident;
    if (decision.tell) told.push(at);
  }
  return { told, incident };
}

test("one incident is told once and reminded of after 1, 2, 4 and 8 days", () => {
  const hourly = Array.from({ length: 24 * 20 }, (_, hour) => START + hour * 3_600_000);
  const { told, incident } = toldTimes(hourly);
  assert.deepEqual(
    told.map((at) => (at - START) / DAY),
    [0, 1, 3, 7, 15],
  );
  assert.equal(incident?.count, hourly.length);
  assert.equal(incident?.lastAt, hourly.at(-1));
  assert.equal(incident?.content.count, hourly.length);
});

test("without reminders it is told once and counted for ever", () => {
  const daily = Array.from({ length: 40 }, (_, day) => START + day * DAY);
  assert.deepEqual(toldTimes(daily, { reminders: false }).told, [START]);
});

test("the same attempt seen twice is one occurrence", () => {
  const first = decide(undefined, occurrence(START), START, { reminders: true });
  const again = decide({ ...first.incident, lastToldAt: START }, occurrence(START), START + 40 * DAY, {
    reminders: true,
  });
  assert.equal(again.tell, false);
  assert.equal(again.incident.count, 1);
});

test("an acknowledged incident is left alone; a silenced one until its time", () => {
  const daily = Array.from({ length: 20 }, (_, day) => START + day * DAY);
  const acknowledged = toldTimes(daily, undefined, (incident) => ({
    ...incident,
    acknowledgedAt: START + 1,
  }));
  assert.deepEqual(acknowledged.told, [START]);
  const silenced = toldTimes(daily, undefined, (incident) => ({
    ...incident,
    silencedUntil: START + 10 * DAY,
  }));
  assert.deepEqual(
    silenced.told.map((at) => (at - START) / DAY),
    [0, 10, 12, 16],
  );
});

test("an incident that a storm kept from being told stays due", () => {
  const { incident } = decide(undefined, occurrence(START), START, { reminders: true });
  assert.equal(decide(incident, occurrence(START + 1), START + 1, { reminders: true }).tell, true);
});

test("a clock that was years ahead when it was told does not silence an incident for years", () => {
  const told = {
    ...decide(undefined, occurrence(START), START, { reminders: true }).incident,
    lastToldAt: START + 900 * DAY,
  };
  assert.equal(decide(told, occurrence(START + 1), START + 1, { reminders: true }).tell, true);
});

test("incidents differ by kind, VM, cause and topic, whatever these are called", () => {
  const hostile = incidentKey({ ...content, vm: '","' as never });
  const other = incidentKey({ ...content, causeClass: "device-busy" });
  assert.equal(new Set([key, hostile, other, incidentKey(content, "x")]).size, 4);
  assert.notEqual(incidentId(key, START), incidentId(key, START + 1));
  assert.match(incidentId(key, START), /^[0-9a-f]{10}$/);
});

test("a burst leaves at once, then so many an hour", () => {
  const limits = { burst: 5, hourly: 6 };
  const told: number[] = [];
  for (let at = START; at < START + 2 * 3_600_000; at += 1_000) if (mayTell(told, at, limits)) told.push(at);
  assert.equal(told.filter((at) => at < START + 60_000).length, 5);
  // 5 at once, then one every ten minutes.
  assert.equal(told.length, 5 + 11);
  assert.equal(mayTell(told, START + 5 * 3_600_000, limits), true);
});

test("never more than burst and rate allow, however the occurrences fall", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 7_200_000 }), { maxLength: 150 }), (offsets) => {
      const told: number[] = [];
      for (const at of offsets.map((offset) => START + offset).sort((a, b) => a - b)) {
        if (mayTell(told, at, { burst: 3, hourly: 12 })) told.push(at);
      }
      for (const [index, first] of told.entries()) {
        for (const [more, last] of told.slice(index).entries())
          assert.ok(more + 1 <= 3 + ((last - first) * 12) / 3_600_000 + 1e-6);
      }
    }),
  );
});
