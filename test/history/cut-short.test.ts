import assert from "node:assert/strict";
import { it } from "node:test";
import { bootId } from "../../src/model/identifiers.ts";
import { runProgram } from "../helpers/command-io.ts";
import { BEGINNING, bad, DAY, good, hostFacts, storeHistory } from "../helpers/made-history.ts";
import { sampleAttempt, withStore } from "../store/samples.ts";

it("shows a start that the host took with it in history and blame, as neither good nor bad", () =>
  withStore(async (store) => {
    const boot = { facts: hostFacts() };
    storeHistory(store, [
      { ...boot, starts: [good()] },
      { ...boot, starts: [bad(1, "reset-failed")] },
    ]);
    const { diagnosis: _, ...open } = sampleAttempt({ id: "cut", openedAt: BEGINNING + DAY + 600_000 });
    store.attempts.save(
      {
        ...open,
        ...{ bootId: bootId("00000001-0000-4000-8000-000000000000"), outcome: undefined, evidence: [] },
        closedAt: BEGINNING + DAY + 700_000,
        diagnosis: {
          ...{ causes: [], deviceRelated: false, noEffect: [] },
          summary: "The host went down while it was starting.",
        },
      },
      { origin: "live" },
    );
    const ask = async (...words: readonly string[]) =>
      (await runProgram([...words, "--database", store.path], {}, { columns: 200 })).out;
    assert.match(await ask("history"), /'Windows 11' cut short: The host went down while it was starting\./);
    const blame = await ask("blame", "--vm", "Windows 11");
    assert.match(
      blame,
      /1 start was cut short when the host went down; how it would have gone is not known\./,
    );
    const { otherClasses } = JSON.parse(await ask("blame", "--vm", "Windows 11", "--json"));
    assert.deepEqual(otherClasses, [{ cause: "cut-short", starts: 1 }]);
    assert.match(await ask("history", "--json"), /"outcome":\s*null/);
    const { bios } = JSON.parse(await ask("blame", "--vm", "Windows 11", "--json"));
    assert.equal(bios[0].starts, 2, "it is no trial");
  }));
