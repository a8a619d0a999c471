import assert from "node:assert/strict";
import { test } from "node:test";
import { createShelf } from "../../src/attempts/shelf.ts";
import { openAttempt } from "../../src/attempts/working-attempt.ts";
import { createVirtualClock } from "../../src/clock.ts";
import { vmName } from "../../src/model/identifiers.ts";

const CALM = 8_000;

function shelfWith(vms: number, eachFails: number) {
  const clock = createVirtualClock(0);
  const shelf = createShelf(clock);
  for (let index = 0; index < vms * eachFails; index++) {
    const vm = vmName(`vm ${index % vms}`);
    const moment = { at: index, steady: index };
    const said = {
      kind: "domain-log-start",
      source: "domain-logs",
      identity: `${index}`,
      ...moment,
    } as const;
    const first = { ...said, vm, exactTime: true, devices: [], isWhole: true, heard: moment };
    const attempt = openAttempt(vm, first as never, shelf.known);
    shelf.known.add(`domain-logs\u0000${index}`);
    attempt.identities.set(`domain-logs\u0000${index}`, { first: index, last: index });
    attempt.settled = index !== 0;
    shelf.put(attempt);
  }
  return { clock, shelf };
}

test("what a storm leaves is a few starts of each VM, the newest and whatever has not settled", () => {
  const { clock, shelf } = shelfWith(30, 10);
  clock.moveTo(CALM - 1);
  assert.equal(shelf.all().length, 300);
  clock.moveTo(CALM);
  assert.equal(shelf.all().length, 90);
  assert.deepEqual(
    shelf.of(vmName("vm 0")).map(({ opened }) => opened.at),
    [0, 240, 270],
  );
  assert.equal(shelf.known.has("domain-logs\u0000239"), true);
  assert.equal(shelf.known.has("domain-logs\u000060"), false);
  assert.equal(shelf.takeChanged().length, 90);
});

test("of a host that is calm all twelve stay", () => {
  const { clock, shelf } = shelfWith(10, 14);
  clock.moveTo(10 * CALM);
  assert.equal(shelf.all().length, 120);
});
