import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { KnobKind } from "../../src/facts/kind.ts";
import { certaintyOf, whyNone } from "../../src/history/blame-certainty.ts";
import type { SuspectSet } from "../../src/history/suspects.ts";
import type { FailureClass, Trial } from "../../src/history/trials.ts";
import { trialsOf } from "./made-trials.ts";

const TWO_BOOTS = trialsOf("g b b");
const ONE_BOOT = trialsOf("g bb");

function certainty(
  more: Partial<SuspectSet> & { readonly kinds?: readonly KnobKind[] },
  options: { failure?: FailureClass; trials?: readonly Trial[]; isLawful?: boolean } = {},
): string {
  const { kinds = ["bios"], ...own } = more;
  const first = {
    ...{ probability: 0.99, together: false, proof: [], reverted: false, thereAndBack: 0, brokeAgain: 0 },
    ...own,
    suspects: kinds.map((kind) => ({ kind })),
  } as unknown as SuspectSet;
  const { failure = "iommu-direct-mapping-required", trials = TWO_BOOTS, isLawful = false } = options;
  return certaintyOf(first, failure, trials, isLawful);
}

describe("how certain the first suspect is", () => {
  it("is confirmed by the known mechanism once it went back", () => {
    const lawful = { isLawful: true };
    assert.equal(certainty({ probability: 0.95, reverted: true }, lawful), "confirmed");
    assert.equal(certainty({ probability: 0.949, reverted: true }, lawful), "likely");
    assert.equal(certainty({ reverted: false }, lawful), "likely");
    assert.equal(certainty({ probability: 0.85 }, lawful), "likely");
    assert.equal(certainty({ probability: 0.849 }, lawful), "possible");
    assert.equal(certainty({ reverted: true, proof: [{}] as unknown as SuspectSet["proof"] }), "confirmed");
  });

  it("is possible of two that cannot be told apart, not of two that break it only together", () => {
    const kinds = ["bios", "kernel"] as const;
    assert.equal(certainty({ kinds }, { isLawful: true }), "possible");
    assert.equal(certainty({ kinds, together: true }, { isLawful: true }), "likely");
  });

  it("without the mechanism needs more than one failed boot, or that it was put back", () => {
    assert.equal(certainty({}), "likely");
    assert.equal(certainty({}, { trials: ONE_BOOT }), "possible");
    assert.equal(certainty({ reverted: true }, { trials: ONE_BOOT }), "likely");
  });

  it("is confirmed where such failures are mostly due to it and it went there and back over two boots each", () => {
    const own = { reverted: true, thereAndBack: 2 };
    assert.equal(certainty(own), "confirmed");
    assert.equal(certainty({ ...own, thereAndBack: 1 }), "likely");
    assert.equal(certainty({ ...own, probability: 0.95 }), "confirmed");
    assert.equal(certainty({ ...own, probability: 0.949 }), "likely");
  });

  it("is confirmed of what merely can break it only when it broke it again, and likely without a return only above 0.96", () => {
    const kinds = ["kernel"] as const;
    const failure = "unknown";
    assert.equal(certainty({ kinds, probability: 0.96 }, { failure }), "likely");
    assert.equal(certainty({ kinds, probability: 0.959 }, { failure }), "possible");
    assert.equal(certainty({ kinds, probability: 0.9, reverted: true }, { failure }), "likely");
    assert.equal(certainty({ kinds, reverted: true, thereAndBack: 2 }, { failure }), "likely");
    assert.equal(certainty({ kinds, reverted: true, brokeAgain: 2 }, { failure }), "confirmed");
  });

  it("of an update of the whole system is possible until it was put back", () => {
    assert.equal(certainty({ kinds: ["os"] }, { failure: "unknown" }), "possible");
    assert.equal(certainty({ kinds: ["os"], reverted: true }, { failure: "unknown" }), "likely");
  });
});

describe("why nothing explains the failures", () => {
  const why = (outcomes: string, rivals = { hidden: 0.5, flaky: 0.3, number: 0.2 }, known = 9) =>
    whyNone(trialsOf(outcomes), new Map(Array.from({ length: known }, (_, at) => [`s${at}`, at])), rivals);

  it("is what the outcomes look like", () => {
    assert.equal(why("ggbb"), "nothing-changed");
    assert.equal(why("ggbbg"), "comes-and-goes");
    assert.equal(why("gb|gb"), "comes-and-goes");
    assert.equal(why("gg|bg"), "nothing-changed", "another host is no turn");
  });

  it("is that facts are missing where no good or no failed start has any", () => {
    assert.equal(why("ggbb", undefined, 2), "facts-missing");
    assert.equal(why("ggbb", undefined, 3), "nothing-changed");
    assert.equal(why("bbgg", undefined, 2), "facts-missing");
  });

  it("is the number of the start where that is likelier than all that nobody sees", () => {
    assert.equal(why("gbgb", { hidden: 0.2, flaky: 0.3, number: 0.4 }), "later-starts");
    assert.equal(why("gbgb", { hidden: 0.2, flaky: 0.4, number: 0.4 }), "comes-and-goes");
    assert.equal(why("gbgb", { hidden: 0.4, flaky: 0.2, number: 0.4 }), "comes-and-goes");
  });
});
