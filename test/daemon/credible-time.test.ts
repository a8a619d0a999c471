import assert from "node:assert/strict";
import { test } from "node:test";
import { createVirtualClock } from "../../src/clock.ts";
import { createCredibleTime } from "../../src/daemon/credible-time.ts";
import { bootId } from "../../src/model/identifiers.ts";
import { START, withStore } from "../store/samples.ts";

const DAY = 86_400_000;
const THIS = bootId("this");

test("a clock that jumps ahead makes nothing old, whether at the boot or in the middle of it", () =>
  withStore((store) => {
    store.boots.begin({ id: bootId("before"), startedAt: START, origin: "live", lastSeenAt: START + DAY });
    const clock = createVirtualClock(START + 7_000 * DAY);
    store.boots.begin({ id: THIS, startedAt: clock.now(), origin: "live", lastSeenAt: clock.now() });
    const now = createCredibleTime({ clock, store, bootId: THIS });
    assert.equal(now(), START + DAY);
    clock.moveTo(clock.now() + 3 * DAY);
    assert.equal(now(), START + 4 * DAY, "what has passed has passed");
    clock.setWall(START + 4 * DAY);
    assert.equal(now(), START + 4 * DAY);
    clock.setWall(START + 2 * DAY);
    assert.equal(now(), START + 2 * DAY);
  }));

test("in the first boot that is on record only what has passed since counts", () =>
  withStore((store) => {
    const clock = createVirtualClock(START);
    store.boots.begin({ id: THIS, startedAt: START, origin: "live", lastSeenAt: START });
    const now = createCredibleTime({ clock, store, bootId: THIS });
    clock.moveTo(START + DAY);
    assert.equal(now(), START + DAY);
    clock.setWall(START + 7_000 * DAY);
    assert.equal(now(), START + DAY);
  }));
