import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseTime } from "../src/cli/parse-time.ts";
import {
  formatDay,
  formatLogTime,
  formatMinute,
  formatSecond,
  formatTimeOfDay,
  inUtc,
  isoTime,
  zoneAt,
} from "../src/time-words.ts";
import { inZone } from "./helpers/time-zone.ts";

const SUMMER = Date.UTC(2026, 6, 1, 22, 30, 15, 7);
const WINTER = Date.UTC(2026, 0, 1, 22, 30, 15, 7);

test("people read times in the zone of the machine, with what it is from UTC", () => {
  inZone("Europe/Berlin", () => {
    assert.equal(formatSecond(SUMMER), "2026-07-02 00:30:15 +02:00");
    assert.equal(formatMinute(WINTER), "2026-01-01 23:30 +01:00");
    assert.equal(formatDay(SUMMER), "2026-07-02");
    assert.equal(formatTimeOfDay(SUMMER), "00:30:15.007");
    assert.equal(isoTime(SUMMER), "2026-07-01T22:30:15.007Z");
    assert.equal(formatLogTime(SUMMER), "2026-07-02T00:30:15.007+02:00");
  });
  inZone("America/St_Johns", () => assert.equal(formatMinute(WINTER), "2026-01-01 19:00 -03:30"));
  inZone("UTC", () => {
    assert.equal(formatMinute(WINTER), "2026-01-01 22:30 UTC");
    assert.equal(formatLogTime(WINTER), "2026-01-01T22:30:15.007Z");
  });
});

test("what is no time is said to be none, also beside the last day that a date can be", () => {
  inZone("Pacific/Auckland", () => {
    for (const at of [8.64e15, 9e15, Number.NaN, Number.POSITIVE_INFINITY])
      assert.match(formatSecond(at, "never"), /^never$|^275760-09-1[23] /);
    assert.equal(formatDay(Number.NaN), "-");
  });
});

test("every time that is printed can be given back, in any zone", () => {
  const zones = fc.constantFrom("UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu");
  const times = fc.integer({ min: Date.UTC(1975, 0), max: Date.UTC(2200, 0) });
  fc.assert(
    fc.property(zones, times, (zone, at) => {
      inZone(zone, () => {
        assert.equal(parseTime(formatSecond(at), 0), Math.floor(at / 1000) * 1000);
        assert.equal(parseTime(isoTime(at) ?? "", 0), at);
        assert.equal(parseTime(formatLogTime(at), 0), at);
      });
    }),
  );
});

test("a zone is put back after what ran in UTC, whether it failed or not", async () => {
  const seen: string[] = [];
  await inZone("Asia/Kathmandu", async () => {
    await inUtc(() => void seen.push(zoneAt(WINTER)));
    seen.push(zoneAt(WINTER));
  });
  await assert.rejects(inUtc(() => Promise.reject(new Error("no"))));
  assert.equal(seen[0], "UTC");
});
