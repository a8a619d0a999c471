import assert from "node:assert/strict";
import { it } from "node:test";
import { runProgram } from "../helpers/command-io.ts";
import { bad, GPU_IDENTITY, good, hostFacts, storeHistory, UNREADABLE } from "../helpers/made-history.ts";
import { withStore } from "../store/samples.ts";

/** What `show` says of a failed start when the lanes were so at the good start before it. */
async function shownAfter(before: string, now: string): Promise<string> {
  let shown = "";
  await withStore(async (store) => {
    const lanes = (width: string) => hostFacts({ [`pci.${GPU_IDENTITY}.link-width`]: width });
    storeHistory(store, [
      { facts: lanes(before), starts: [good()] },
      { facts: lanes(now), starts: [bad(1, "reset-failed")] },
    ]);
    shown = (await runProgram(["show", "2", "--database", store.path], {}, { columns: 200 })).out;
  });
  return shown;
}

it("says at a failed start that the link of a card lost lanes", async () => {
  assert.match(
    await shownAfter("x16", "x4"),
    /^- The link of NVIDIA [^\n]* \(0000:01:00\.0\) runs with 4 lanes, 16 before$/m,
  );
  assert.match(await shownAfter("x16", "x1"), /runs with 1 lane, 16 before$/m);
});

it("says nothing of the lanes of a card that slept, whose link nobody could read", async () => {
  assert.doesNotMatch(await shownAfter("x16", UNREADABLE), /lanes/i);
});

it("says at a failed start that the port above a card holds its link at a lower speed", async () => {
  let shown = "";
  await withStore(async (store) => {
    const speed = (text: string) => hostFacts({ [`pci.${GPU_IDENTITY}.port-speed-target`]: text });
    storeHistory(store, [
      { facts: speed("16.0 GT/s"), starts: [good()] },
      { facts: speed("2.5 GT/s"), starts: [bad(1, "reset-failed")] },
    ]);
    shown = (await runProgram(["show", "2", "--database", store.path], {}, { columns: 200 })).out;
  });
  assert.match(shown, /^- The link of NVIDIA [^\n]* is held at 2\.5 GT\/s, 16\.0 GT\/s before$/m);
});
