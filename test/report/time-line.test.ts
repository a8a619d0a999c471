import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Outcome } from "../../src/model/attempt.ts";
import type { BootRecord } from "../../src/model/history.ts";
import { bootId } from "../../src/model/identifiers.ts";
import { drawTimeLine } from "../../src/report/time-line.ts";
import { drawTimeLinePicture } from "../../src/report/time-line-picture.ts";

interface Lived {
  readonly bios: string | undefined;
  readonly starts: readonly Outcome[];
}

function draw(lived: readonly Lived[]) {
  const boots = lived.map(
    (_boot, index): BootRecord => ({
      id: bootId(`boot-${index}`),
      ordinal: index + 1,
      startedAt: index * 86_400_000,
      lastSeenAt: index * 86_400_000,
      end: "clean",
      origin: "live",
      snapshotId: String(index),
    }),
  );
  const tallies = lived.flatMap(({ starts }, index) =>
    starts.map((outcome) => ({ bootId: bootId(`boot-${index}`), outcome, count: 1 })),
  );
  return drawTimeLine("'VM'", boots, tallies, (id) => lived[Number(id)]?.bios);
}

const good = (bios: string): Lived => ({ bios, starts: ["started"] });
const bad = (bios: string): Lived => ({ bios, starts: ["failed"] });

describe("the time line", () => {
  it("joins boots that went the same way on the same BIOS", () => {
    const { runs } = draw([good("A63"), good("A63"), bad("A95"), bad("A95"), good("A63")]);
    assert.deepEqual(
      runs.map(({ bios, outcome, boots }) => [bios, outcome, boots]),
      [
        ["A63", "good", 2],
        ["A95", "bad", 2],
        ["A63", "good", 1],
      ],
    );
  });

  it("keeps apart what went well and badly on one BIOS, and what did both in one boot", () => {
    const { runs } = draw([good("A63"), bad("A63"), { bios: "A63", starts: ["started", "crashed-early"] }]);
    assert.deepEqual(
      runs.map(({ outcome }) => outcome),
      ["good", "bad", "mixed"],
    );
  });

  it("lets boots without a start join their neighbours, and shows a new BIOS that nobody tried", () => {
    const idle = (bios: string): Lived => ({ bios, starts: [] });
    const { runs } = draw([idle("A50"), good("A63"), idle("A63"), good("A63"), idle("A95")]);
    assert.deepEqual(
      runs.map(({ bios, outcome, boots }) => [bios, outcome, boots]),
      [
        ["A63", "good", 3],
        ["A95", "none", 1],
      ],
    );
  });

  it("goes by BIOS alone where starts fail now and then, so that all BIOS versions have room", () => {
    const flaky = (bios: string) =>
      Array.from({ length: 30 }, (_boot, index) => (index % 5 === 4 ? bad(bios) : good(bios)));
    const { runs, earlierBoots } = draw([...flaky("A63"), ...flaky("A95")]);
    assert.equal(earlierBoots, 0);
    assert.deepEqual(
      runs.map(({ bios, outcome, started, failed }) => [bios, outcome, started, failed]),
      [
        ["A63", "mixed", 24, 6],
        ["A95", "mixed", 24, 6],
      ],
    );
  });

  it("never loses a boot or a start, however long it gets", () => {
    const outcome = fc.constantFrom<Outcome>("started", "failed", "refused", "crashed-early");
    const boot = fc.record({
      bios: fc.constantFrom("A", "B", undefined),
      starts: fc.array(outcome, { minLength: 1, maxLength: 3 }),
    });
    fc.assert(
      fc.property(fc.array(boot, { maxLength: 60 }), (lived) => {
        const { runs, earlierBoots } = draw(lived);
        assert.ok(runs.length <= 12);
        const shown = runs.reduce((sum, run) => sum + run.boots, 0);
        assert.equal(shown + earlierBoots, lived.length);
        const starts = runs.reduce((sum, run) => sum + run.started + run.failed + run.refused, 0);
        const expected = lived.slice(earlierBoots).reduce((sum, { starts: own }) => sum + own.length, 0);
        assert.equal(starts, expected);
      }),
      { numRuns: 300 },
    );
  });
});

describe("the picture of the time line", () => {
  it("says in words what it shows, for who cannot see it", () => {
    const svg = drawTimeLinePicture(draw([good("A63"), bad("A95")]), "p");
    assert.match(svg, /role="img" aria-labelledby="p-title p-text"/);
    assert.match(
      svg,
      /<desc id="p-text">1970-01-01 00:00:00 UTC: BIOS A63, 1 of 1 starts worked in 1 boot; /,
    );
  });

  it("holds no script, no style sheet and no address but the one that names SVG", () => {
    const svg = drawTimeLinePicture(draw([good('"><script>x</script>'), bad("url(http://x)")]), "p");
    assert.doesNotMatch(svg, /<(?:script|style|image|a|use|foreignObject)\b|href|\son\w+=/);
    assert.equal(svg.match(/<svg[^>]* xmlns="http:\/\/www\.w3\.org\/2000\/svg"/g)?.length, 1);
  });

  it("has labels below its axis that differ, however near to each other its runs are", () => {
    const line = draw([good("A63"), bad("A63"), good("A63")]);
    const labels = (...times: readonly number[]) => {
      const runs = line.runs.map((run, index) => ({ ...run, from: times[index] ?? 0 }));
      const svg = drawTimeLinePicture({ ...line, runs }, "p");
      return [...svg.matchAll(/font-size:11px">([^<]*)</g)].map(([, label]) => label);
    };
    const [minute, hour, day] = [60_000, 3_600_000, 86_400_000];
    assert.deepEqual(labels(0, day, 2 * day), ["1970-01-01", "1970-01-02", "1970-01-03"]);
    assert.deepEqual(labels(hour, 2 * hour, day), ["01-01 01:00", "01-01 02:00", "01-02 00:00"]);
    assert.deepEqual(labels(0, minute, 2 * hour), ["00:00 UTC", "00:01 UTC", "02:00 UTC"]);
    assert.deepEqual(labels(0, 20_000, 2 * hour), ["00:00:00 UTC", "00:00:20 UTC", "02:00:00 UTC"]);
  });

  it("draws nothing where there is nothing", () => {
    assert.equal(drawTimeLinePicture(draw([]), "p"), "");
  });
});
