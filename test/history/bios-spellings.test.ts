import assert from "node:assert/strict";
import { test } from "node:test";
import { diffSnapshots } from "../../src/facts/diff-snapshots.ts";
import { makeSnapshot } from "../../src/facts/snapshot.ts";
import { askBlame } from "../../src/history/ask-blame.ts";
import { bad, good, hostFacts, type MadeBoot, storeHistory } from "../helpers/made-history.ts";
import { withStore } from "../store/samples.ts";

const on = (bios: string, starts: MadeBoot["starts"]): MadeBoot => ({
  facts: hostFacts({ "firmware.bios.version": bios }),
  starts,
});

test("a version that a log spells as the vendor does is the row of the machine's own spelling", () =>
  withStore((store) => {
    storeHistory(store, [
      on("E7E49AMSI.1A63", [good()]),
      on("1.A63", [good(), good()]),
      on("1.A95", [bad()]),
      on("7E49v1A95", [bad()]),
      on("1.A63", [good()]),
    ]);
    const { bios, blame } = askBlame(store, {});
    assert.deepEqual(
      bios.map(({ version, build, worked, failed }) => [version, build, worked, failed]),
      [
        ["1.A63", "1.A63", 4, 0],
        ["1.A95", "1.A95", 0, 2],
      ],
    );
    assert.equal(blame.sets[0]?.suspects[0]?.family, "BIOS");
  }));

test("two spellings of one version are no change, two versions are one", () => {
  const [written, own, next] = ["E7E49AMSI.1A63", "1.A63", "1.A95"].map((bios) =>
    makeSnapshot([
      { group: "firmware", key: "firmware.bios.version", value: { state: "value", value: bios } },
    ]),
  );
  assert.ok(written !== undefined && own !== undefined && next !== undefined);
  assert.deepEqual(diffSnapshots(written, own), []);
  assert.deepEqual(
    diffSnapshots(written, next).map(({ key }) => key),
    ["firmware.bios.version"],
  );
});
