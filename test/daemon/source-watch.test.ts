import assert from "node:assert/strict";
import { test } from "node:test";
import { createVirtualClock } from "../../src/clock.ts";
import { createSourceWatch } from "../../src/daemon/source-watch.ts";
import type { SourceName } from "../../src/model/observation.ts";
import type { SourceHealth } from "../../src/model/source.ts";

const MINUTE = 60_000;
const DAY = 1_440 * MINUTE;

/** A source whose health the test sets, and a watch that looks at it each minute. */
function watched(name: SourceName) {
  const clock = createVirtualClock(Date.UTC(2026, 10, 23));
  let health: SourceHealth = {
    ...{ name, state: { state: "starting" }, since: clock.now(), seen: 0, lastSeenAt: undefined },
    ...{ lost: 0, skipped: 0 },
  };
  const said: string[] = [];
  const watch = createSourceWatch({
    clock,
    sources: [{ name, start: async () => {}, stop: async () => {}, health: () => health }],
    trouble: (topic, subject, why, remedy) => said.push(`${topic}: ${subject}: ${why}: ${remedy}`),
    resolved: (topic) => said.push(`${topic} is over`),
  });
  return {
    said,
    setClock: (by: number) => clock.setWall(clock.now() + by),
    set(changes: Partial<SourceHealth>) {
      health = { ...health, ...(changes.state !== undefined && { since: clock.now() }), ...changes };
    },
    pass(minutes: number) {
      for (let minute = 0; minute < minutes; minute++) {
        watch.look();
        clock.moveTo(clock.now() + MINUTE);
      }
      watch.look();
    },
  };
}

test("a source that was live is told as lost after a quarter of an hour, whatever it waits for meanwhile", () => {
  const { said, set, pass } = watched("libvirt");
  set({ state: { state: "live", detail: "libvirt 11.3.0" } });
  pass(1);
  assert.deepEqual(said, ["source/libvirt is over"]);
  for (let round = 0; round < 14; round++) {
    set({ state: { state: "waiting", why: `reason ${round}`, remedy: "start libvirtd" } });
    pass(1);
  }
  assert.equal(said.length, 1);
  pass(60);
  assert.deepEqual(said.slice(1), ["source/libvirt: The source libvirt is lost: reason 13: start libvirtd"]);
  set({ state: { state: "live", detail: "libvirt 11.3.0" } });
  pass(60);
  assert.deepEqual(said.slice(2), ["source/libvirt is over"]);
});

for (const [how, by] of [
  ["forward by a year", 365 * DAY],
  ["back by two days", -2 * DAY],
] as const)
  test(`a clock that is set ${how} makes no source lost any sooner or later`, () => {
    const { said, set, pass, setClock } = watched("libvirt");
    set({ state: { state: "live", detail: "libvirt 11.3.0" } });
    pass(1);
    set({ state: { state: "waiting", why: "gone", remedy: "start libvirtd" } });
    pass(2);
    setClock(by);
    pass(10);
    assert.equal(said.length, 1);
    pass(5);
    assert.deepEqual(said.slice(1), ["source/libvirt: The source libvirt is lost: gone: start libvirtd"]);
  });

test("a source that never was live is missing, and nobody is alarmed", () => {
  const { said, set, pass } = watched("libvirt");
  set({ state: { state: "waiting", why: "not installed", remedy: "install it" } });
  pass(600);
  assert.deepEqual(said, []);
});

test("records that are lost are told with their number, and a day without a loss ends it", () => {
  const { said, set, pass } = watched("kernel-log");
  pass(1);
  set({ lost: 312 });
  pass(5);
  set({ lost: 320 });
  pass(5);
  assert.equal(said.length, 2);
  assert.match(said[0] ?? "", /^lost\/kernel-log: .*: 312 records .*log_buf_len/);
  assert.match(said[1] ?? "", /: 8 records /);
  pass(DAY / MINUTE);
  assert.deepEqual(said.slice(2), ["lost/kernel-log is over"]);
});
