import assert from "node:assert/strict";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { runProgram } from "../helpers/command-io.ts";
import { BIOS_A95, bad, good, hostFacts, storeHistory } from "../helpers/made-history.ts";
import { temporaryDirectory } from "../helpers/recorded-tree.ts";
import { opened } from "../store/samples.ts";

const directory = temporaryDirectory();
after(() => directory.remove());
const path = join(directory.path, "history.db");
const store = opened(path);
storeHistory(store, [
  { facts: hostFacts(), starts: [good(3)], origin: "imported" },
  { facts: hostFacts(BIOS_A95), starts: [bad(2), { refused: true }, good()] },
  { facts: hostFacts(), starts: [], withoutSnapshot: true },
]);
const [, secondBoot] = store.boots.list();
assert.ok(secondBoot);
store.meta.set(
  `last-words:${secondBoot.id}`,
  JSON.stringify(["Oops: 0002", "Kernel panic - not syncing: \u001b[2J"]),
);
store.close();

describe("the command boots", () => {
  it("lists each boot with BIOS, kernel, end and how starts went", async () => {
    const { code, out } = await runProgram(["boots", "--database", path]);
    assert.equal(code, 0);
    const rows = out.split("\n").map((line) => line.split(/\s{2,}/));
    assert.deepEqual(rows[1]?.slice(0, 8), [
      "b1",
      "00000000",
      "2025-08-01 18:00:00 UTC",
      "E7E49AMSI.1A63",
      "6.12.54-Unraid",
      "clean",
      "3/0",
      "imported",
    ]);
    assert.deepEqual(rows[2]?.slice(3, 7), ["E7E49AMSI.1A95", "6.12.54-Unraid", "clean", "1/2, 1 refused"]);
    assert.deepEqual(rows[3]?.slice(3, 7), ["-", "-", "clean", "0/0"]);
  });

  it("shows the last words of a kernel that died, without what could move the cursor", async () => {
    const { out } = await runProgram(["boots", "--database", path]);
    assert.match(
      out,
      /The kernel of b2 died; its last words:\n {2}Oops: 0002\n {2}Kernel panic - not syncing: \\x1b\[2J/,
    );
    assert.doesNotMatch(out, /of b[13] died/);
  });

  it("shows the newest so many, and says that there are more", async () => {
    const { out } = await runProgram(["boots", "--limit", "1", "--database", path]);
    assert.doesNotMatch(out, /^b2/m);
    assert.match(out, /^b3 /m);
    assert.match(out, /2 older boots are not shown/);
    assert.equal((await runProgram(["boots", "--limit", "none", "--database", path])).code, 2);
  });

  it("gives programs the same", async () => {
    const { out } = await runProgram(["boots", "--json", "--database", path]);
    const { boots } = JSON.parse(out) as {
      boots: { ordinal: number; bios: string | null; failed: number }[];
    };
    assert.deepEqual(
      boots.map(({ ordinal, bios, failed }) => [ordinal, bios, failed]),
      [
        [1, "E7E49AMSI.1A63", 0],
        [2, "E7E49AMSI.1A95", 2],
        [3, null, 0],
      ],
    );
  });
});
