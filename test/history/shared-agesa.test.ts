import assert from "node:assert/strict";
import { test } from "node:test";
import { askBlame } from "../../src/history/ask-blame.ts";
import { describeBlame } from "../../src/history/describe-blame.ts";
import { bad, good, hostFacts, type MadeBoot, storeHistory } from "../helpers/made-history.ts";
import { withStore } from "../store/samples.ts";

const OLD = "ComboAm5PI 1.2.0.2b";
const NEW = "ComboAm5PI 1.2.0.3";
const boot = (
  board: string,
  bios: string,
  agesa: string | undefined,
  starts: MadeBoot["starts"],
): MadeBoot => ({
  facts: hostFacts({
    "firmware.board.name": board,
    "firmware.bios.version": bios,
    ...(agesa !== undefined && { "firmware.agesa": agesa }),
  }),
  starts,
});

async function certaintyOf(boots: readonly MadeBoot[]): Promise<string> {
  let text = "";
  await withStore((store) => {
    storeHistory(store, boots);
    text = describeBlame(askBlame(store, {})).certainty;
  });
  return text;
}

test("two boards that broke with one AGESA are said to have", async () => {
  const text = await certaintyOf([
    boot("X870E", "1.A63", OLD, [good()]),
    boot("X870E", "1.A95", NEW, [bad()]),
    boot("B650", "F30", OLD, [good()]),
    boot("B650", "F33", NEW, [bad()]),
  ]);
  assert.match(text, /Both boards broke with AGESA ComboAm5PI 1\.2\.0\.3; none of the good starts had it\./);
});

test("so are two versions of one board", async () => {
  const text = await certaintyOf([
    boot("X870E", "1.A63", OLD, [good()]),
    boot("X870E", "1.A7D", NEW, [bad()]),
    boot("X870E", "1.A95", NEW, [bad()]),
  ]);
  assert.match(text, /Every BIOS version that failed \(1\.A7D, 1\.A95\) carries AGESA ComboAm5PI 1\.2\.0\.3/);
});

test("nothing is said where a good start had it too, where one is not known, or of a single version", async () => {
  const first = boot("X870E", "1.A63", OLD, [good()]);
  const failed = [boot("X870E", "1.A7D", NEW, [bad()]), boot("X870E", "1.A95", NEW, [bad()])];
  for (const boots of [
    [first, boot("X870E", "1.A70", NEW, [good()]), ...failed],
    [first, ...failed, boot("X870E", "1.A96", undefined, [bad()])],
    [first, ...failed.slice(0, 1)],
  ])
    assert.doesNotMatch(await certaintyOf(boots), /AGESA/);
});
