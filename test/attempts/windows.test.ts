import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createRecent } from "../../src/attempts/recent.ts";
import {
  coversKernelTime,
  coversLibvirtTime,
  distance,
  hadDevicesAt,
  isOver,
} from "../../src/attempts/windows.ts";
import type { WorkingAttempt } from "../../src/attempts/working-attempt.ts";
import type { SignatureMatch } from "../../src/model/catalogue.ts";
import { REFUSAL } from "./bench.ts";

const BEGAN = 100_000;
const ENDED = 110_000;
const moment = (steady: number) => ({ at: steady, steady });
const attempt = (more: Partial<WorkingAttempt> = {}): WorkingAttempt =>
  ({ opened: moment(BEGAN), closed: moment(ENDED), hasLogStart: true, ...more }) as WorkingAttempt;
const SLOW: readonly SignatureMatch[] = REFUSAL.map((match) => ({
  ...match,
  signature: { ...match.signature, class: "reset-failed" as const },
}));

/** The first and the last time at which it holds. */
function span(holds: (steady: number) => boolean): readonly number[] {
  const times = Array.from({ length: 300_000 }, (_, steady) => steady).filter(holds);
  return [(times[0] ?? Number.NaN) - BEGAN, (times.at(-1) ?? Number.NaN) - ENDED];
}

describe("the time of an attempt", () => {
  it("takes what the kernel said shortly around it, and of a slow reset a minute before", () => {
    const kernel = (exact: boolean, matches: readonly SignatureMatch[], of = attempt()) =>
      span((steady) => coversKernelTime(of, steady, exact, matches));
    assert.deepEqual(kernel(true, REFUSAL), [-1_000, 1_000]);
    assert.deepEqual(kernel(false, REFUSAL), [-3_000, 3_000]);
    assert.deepEqual(kernel(true, []), [-1_000, 1_000]);
    assert.deepEqual(kernel(true, [...REFUSAL, ...SLOW]), [-70_000, 1_000]);
    assert.deepEqual(kernel(true, REFUSAL, attempt({ hasLogStart: false })), [-10_000, 1_000]);
    assert.equal(coversKernelTime(attempt({ closed: undefined }), 9_999_999, true, []), true);
  });

  it("takes what libvirt said shortly around it, until the VM was started", () => {
    const libvirt = (of = attempt()) => span((steady) => coversLibvirtTime(of, steady));
    assert.deepEqual(libvirt(), [-1_000, 1_000]);
    assert.deepEqual(libvirt(attempt({ hasLogStart: false })), [-3_000, 1_000]);
    assert.deepEqual(libvirt(attempt({ closed: undefined, started: moment(ENDED - 500) })), [-1_000, 500]);
    assert.equal(coversLibvirtTime(attempt({ closed: undefined }), 9_999_999), true);
  });

  it("is over when nothing that comes late can be of it", () => {
    assert.deepEqual(
      [ENDED + 3_000, ENDED + 3_001].map((steady) => isOver(attempt(), steady)),
      [false, true],
    );
    assert.equal(isOver(attempt({ closed: undefined }), 9_999_999), false);
  });

  it("is so far from another time", () => {
    assert.deepEqual(
      [BEGAN - 7, BEGAN, ENDED, ENDED + 5].map((steady) => distance(attempt(), steady)),
      [7, 0, 0, 5],
    );
    assert.equal(distance(attempt({ closed: undefined }), 9_999_999), 0);
  });

  it("tells whether its VM had its devices then", () => {
    const had = (steady: number, more: Partial<WorkingAttempt>) => hadDevicesAt(attempt(more), steady);
    const failed = { outcome: "failed" } as const;
    assert.deepEqual(
      [ENDED - 1, ENDED].map((steady) => had(steady, failed)),
      [true, false],
    );
    assert.equal(had(ENDED - 1, { ...failed, hasLogStart: false }), false);
    assert.equal(had(ENDED + 9, { ...failed, closed: undefined }), true);
    for (const ran of [
      { outcome: "started" },
      { outcome: "crashed-early" },
      { started: moment(BEGAN) },
    ] as const) {
      assert.equal(had(ENDED + 9, ran), true);
      const ended = { ...ran, ended: moment(ENDED + 5) };
      assert.deepEqual(
        [ENDED + 4, ENDED + 5].map((steady) => had(steady, ended)),
        [true, false],
      );
    }
  });
});

it("of a time long past all attempts are looked through, of now those that are not over", () => {
  const [old, young] = [attempt({ id: "old" }), attempt({ id: "young", closed: undefined })];
  const recent = createRecent(() => [old, young]);
  for (const one of [old, young]) recent.add(one);
  const at = (steady: number) => [...recent.notOverAt(steady)].map(({ id }) => id);
  assert.deepEqual(at(ENDED), ["old", "young"]);
  assert.deepEqual(at(ENDED + 10_000), ["young"]);
  assert.deepEqual(at(ENDED), ["old", "young"]);
  recent.add(old);
  assert.deepEqual(at(ENDED + 10_999), ["young", "old"]);
  assert.deepEqual(at(ENDED + 11_000), ["young"]);
  recent.delete(young);
  assert.deepEqual(at(ENDED + 11_500), []);
});
