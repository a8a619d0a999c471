import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { SignatureMatch } from "../../src/model/catalogue.ts";
import { vmName } from "../../src/model/identifiers.ts";
import { AUDIO, bdf, bench, GPU, kernel, libvirtd, logEnd, logStart, NIC, REFUSAL, T0 } from "./bench.ts";

const VM = "Windows 11";
const NOISE: readonly SignatureMatch[] = REFUSAL.map((match) => ({
  ...match,
  signature: { ...match.signature, role: "noise" as const },
}));
const OTHER = bdf("0000:0a:00.0");
const other = (index: number) => bdf(`0000:${index.toString(16).padStart(2, "0")}:1f.0`);

describe("what nobody claims at once", () => {
  it("is looked at once more after a moment, when what it belongs to has been read", () => {
    const one = bench();
    one.feed(logStart(VM, 0, [GPU]));
    one.feed(logEnd(VM, 500, "failed"));
    const waiting = () => one.tracker.unfinished().length;
    for (const at of [600, 1_000]) {
      one.feed(kernel(at, GPU, `line ${at}`));
      one.clock.moveTo(T0 + at + 119);
      assert.equal(waiting(), 1);
      one.clock.moveTo(T0 + at + 120);
      assert.equal(waiting(), 0);
    }
    one.clock.moveTo(T0 + 5_000);
    assert.equal(one.outcomes()[0]?.evidence.length, 4);
  });

  it("is kept for as long as a reset may take before its start, and then forgotten", () => {
    const one = bench();
    one.feed(kernel(0, NIC), []);
    assert.equal(one.tracker.unfinished().length, 0, "what no signature knows is nothing to wait with");
    one.feed(libvirtd(0, "an error that names nobody"));
    assert.equal(one.tracker.unfinished().length, 1);
    one.clock.moveTo(T0 + 74_999);
    assert.equal(one.tracker.unfinished().length, 1);
    one.feed({ ...libvirtd(74_999, "another"), vm: vmName("nobody") });
    one.clock.moveTo(T0 + 75_000);
    assert.equal(one.tracker.unfinished().length, 1);
    one.clock.moveTo(T0 + 150_000);
    assert.equal(one.tracker.unfinished().length, 0);
  });

  it("is worth keeping where it may be the reason of a failure, and only there", () => {
    const one = bench();
    const kept = () => one.tracker.unfinished().length;
    one.feed(kernel(0, OTHER), NOISE);
    one.feed({ ...libvirtd(0, "only a warning"), level: "warning" });
    one.feed(libvirtd(0, "known as noise"), NOISE);
    assert.equal(kept(), 0);
    one.feed({ ...libvirtd(0, "a warning with a meaning"), level: "warning" }, REFUSAL);
    one.feed(kernel(0, OTHER), [...NOISE, ...REFUSAL]);
    assert.equal(kept(), 2);
  });

  it("is of one message about one device 64 times, and a thousand in all, the newest", () => {
    const one = bench();
    for (let index = 0; index < 70; index++) one.feed(kernel(index, OTHER, `1:1 ${index}`));
    one.feed(kernel(70, other(1)));
    const waiting = () => one.tracker.unfinished().map(({ observation }) => observation.at - T0);
    assert.deepEqual([waiting().length, waiting()[0], waiting().at(-1)], [65, 6, 70]);
    for (let index = 0; index < 1_100; index++) one.feed(kernel(1_000 + index, other(index % 200)));
    assert.deepEqual([waiting().length, waiting()[0]], [1_024, 1_000 + 1_100 - 1_024]);
    // Who pushed others out has room for as many of his own again.
    for (let index = 0; index < 64; index++) one.feed(kernel(3_000 + index, OTHER, `1:1 again ${index}`));
    assert.equal(waiting().filter((at) => at >= 3_000).length, 64);
  });

  it("names the VM of a device that is in no definition, where libvirt said so at that moment", () => {
    for (const [at, vm] of [
      [0, "night"],
      [5_000, "night"],
      [5_001, `unknown VM (${OTHER})`],
    ] as const) {
      const one = bench();
      one.feed({ ...libvirtd(0, `cannot use ${OTHER}, says libvirt`), vm: vmName("night") });
      one.feed({ ...libvirtd(0, `cannot use ${AUDIO}, says libvirt`), vm: vmName("day") });
      one.feed(kernel(at, OTHER));
      one.clock.moveTo(T0 + 60_000);
      assert.deepEqual(
        one.outcomes().map((attempt) => attempt.vm),
        [vm],
      );
    }
  });

  it("fits when the groups of devices are known", () => {
    const one = bench();
    const [card, sibling] = [bdf("0000:0c:00.0"), bdf("0000:0c:00.1")];
    one.feed(logStart("plain", 0, [card]));
    one.feed(kernel(500, sibling));
    one.feed(logEnd("plain", 1_000, "failed"));
    one.clock.moveTo(T0 + 3_000);
    assert.equal(one.tracker.unfinished().length, 1);
    const again = bench();
    again.feed(logStart("plain", 0, [card]));
    again.feed(kernel(500, sibling));
    again.clock.moveTo(T0 + 900);
    again.tracker.learnGroups(
      new Map([
        [card, 40],
        [sibling, 40],
      ]),
    );
    again.feed(logEnd("plain", 1_000, "failed"));
    assert.equal(again.tracker.unfinished().length, 0);
  });
});
