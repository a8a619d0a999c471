import assert from "node:assert/strict";
import { test } from "node:test";
import { UsageError } from "../../src/cli/command.ts";
import { parseTime } from "../../src/cli/parse-time.ts";
import { inZone } from "../helpers/time-zone.ts";

/** A Thursday, 00:30 in Berlin, still the day before in UTC. */
const NOW = Date.UTC(2026, 9, 1, 22, 30);
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const cases: readonly (readonly [text: string, at: number])[] = [
  ["now", NOW],
  ["now-2h", NOW - 2 * HOUR],
  ["now - 2h", NOW - 2 * HOUR],
  ["now+30min", NOW + 30 * MINUTE],
  ["today", Date.UTC(2026, 9, 1, 22)],
  ["yesterday", Date.UTC(2026, 8, 30, 22)],
  ["tomorrow", Date.UTC(2026, 9, 2, 22)],
  ["yesterday+8h", Date.UTC(2026, 9, 1, 6)],
  ["7d", NOW - 7 * DAY],
  ["-7d", NOW - 7 * DAY],
  ["+1h", NOW + HOUR],
  ["90m", NOW - 90 * MINUTE],
  ["1h30m", NOW - 90 * MINUTE],
  ["1h 30min", NOW - 90 * MINUTE],
  ["1.5h", NOW - 90 * MINUTE],
  ["2 weeks ago", NOW - 14 * DAY],
  ["2 weeks 1 day ago", NOW - 15 * DAY],
  ["1 hour ago", NOW - HOUR],
  ["90s", NOW - 90_000],
  ["1M", NOW - 30.4375 * DAY],
  ["1y", NOW - 365.25 * DAY],
  ["2026-01-21", Date.UTC(2026, 0, 20, 23)],
  ["2026-07-21", Date.UTC(2026, 6, 20, 22)],
  ["2026-01-21 11:02", Date.UTC(2026, 0, 21, 10, 2)],
  ["2026-01-21T11:02:03", Date.UTC(2026, 0, 21, 10, 2, 3)],
  ["2026-01-21T11:02:03.5Z", Date.UTC(2026, 0, 21, 11, 2, 3, 500)],
  ["2026-01-21 11:02 UTC", Date.UTC(2026, 0, 21, 11, 2)],
  ["2026-01-21 11:02:03 -03:30", Date.UTC(2026, 0, 21, 14, 32, 3)],
  ["2026-01-21 UTC", Date.UTC(2026, 0, 21)],
  ["Wed 2026-01-21 11:02", Date.UTC(2026, 0, 21, 10, 2)],
  ["00:10", Date.UTC(2026, 9, 1, 22, 10)],
  ["8:15", Date.UTC(2026, 9, 2, 6, 15)],
  ["22:10 UTC", Date.UTC(2026, 9, 1, 22, 10)],
  ["@1395716396", 1_395_716_396_000],
];

for (const [text, at] of cases)
  test(`'${text}' is a time as journalctl takes it, in the machine's zone`, () =>
    inZone("Europe/Berlin", () =>
      assert.equal(new Date(parseTime(text, NOW)).toISOString(), new Date(at).toISOString()),
    ));

for (const text of [
  ..."|7|h|ago|now ago|yesterday 8h|2026-02-30|2026-13-01|2026-01-21 25:00|11:60|1 fortnight|7d ago ago".split(
    "|",
  ),
  ...["-now", "2026-1-1", "@", "@x", `${"9".repeat(9)}y`, "now-2h ago", "1h30", "\u001b[2J"],
])
  test(`'${text}' is no time`, () => assert.throws(() => parseTime(text, NOW), UsageError));
