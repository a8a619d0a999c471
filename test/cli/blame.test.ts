import assert from "node:assert/strict";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { renderBlame } from "../../src/cli/commands/blame.ts";
import { loadCatalogue } from "../../src/diagnosis/catalogue.ts";
import { diffSnapshots } from "../../src/facts/diff-snapshots.ts";
import { askBlame } from "../../src/history/ask-blame.ts";
import { describeBlame } from "../../src/history/describe-blame.ts";
import { shippedConfigDirectory } from "../../src/places.ts";
import { readRecordings } from "../../src/replay/recording.ts";
import { replay } from "../../src/replay/replay.ts";
import type { Store } from "../../src/store/store.ts";
import { createPaint } from "../../src/terminal-text.ts";
import { runProgram } from "../helpers/command-io.ts";
import {
  BIOS_A95,
  bad,
  GPU_ADDRESS,
  good,
  hostFacts,
  repeat,
  storeHistory,
} from "../helpers/made-history.ts";
import { recordingPath, temporaryDirectory } from "../helpers/recorded-tree.ts";
import { opened } from "../store/samples.ts";

const directory = temporaryDirectory();
after(() => directory.remove());

function database(name: string, boots: Parameters<typeof storeHistory>[1]): string {
  const path = join(directory.path, `${name}.db`);
  const store = opened(path);
  storeHistory(store, boots);
  store.close();
  return path;
}

const updated = database("updated", [
  ...repeat(7, { facts: hostFacts(), starts: [good(2)] }),
  ...repeat(3, { facts: hostFacts(BIOS_A95), starts: [bad(2)] }),
]);

describe("the command blame", () => {
  it("answers in its first line, whatever the width, and exits with 3 while it fails", async () => {
    const { code, out } = await runProgram(["blame", "--database", updated], {}, { columns: 60 });
    assert.equal(code, 3);
    assert.equal(
      out.split("\n")[0],
      "BIOS E7E49AMSI.1A95 most likely broke passthrough of NVIDIA GeForce RTX 4060 Ti 16GB (0000:01:00.0) for 'Windows 11': 14 of 14 starts worked on A63, 0 of 6 on A95.",
    );
    assert.ok(
      out
        .split("\n")
        .slice(1)
        .every((line) => line.length <= 100),
      "the rest is wrapped",
    );
  });

  it("gives programs the same answer", async () => {
    const { out } = await runProgram(["blame", "--database", updated, "--json"]);
    const answer = JSON.parse(out) as Record<string, unknown>;
    assert.equal(answer.certainty, "likely");
    assert.equal(answer.failure, "iommu-direct-mapping-required");
    assert.equal(answer.healed, false);
    assert.deepEqual([answer.good, answer.bad], [14, 6]);
    assert.deepEqual(answer.vms, ["Windows 11"]);
    assert.equal((answer.suspects as { families: string[] }[])[0]?.families[0], "BIOS");
    assert.equal((answer.bios as unknown[]).length, 2);
  });

  it("exits with 0 when there is nothing to blame or the VM works again", async () => {
    const calm = database("calm", [{ facts: hostFacts(), starts: [good(3)] }]);
    assert.equal((await runProgram(["blame", "--database", calm])).code, 0);
    const healed = database("healed", [
      { facts: hostFacts(), starts: [good(3)] },
      { facts: hostFacts(BIOS_A95), starts: [bad(3)] },
      { facts: hostFacts(), starts: [good(3)] },
    ]);
    assert.equal((await runProgram(["blame", "--database", healed])).code, 0);
  });

  it("takes a VM or a device in any spelling, and refuses what is neither", async () => {
    for (const question of [
      ["--vm", "Windows 11"],
      ["--device", GPU_ADDRESS],
      ["--device", "01:00.0"],
      ["--device", "10DE:2805"],
    ]) {
      const { out } = await runProgram(["blame", "--database", updated, ...question]);
      assert.match(out, /^BIOS E7E49AMSI\.1A95 most likely broke/, question.join(" "));
    }
    const wrong = await runProgram(["blame", "--database", updated, "--device", "the card"]);
    assert.equal(wrong.code, 2);
    const none = await runProgram(["blame", "--database", updated, "--device", "ffff:ffff"]);
    assert.match(none.out, /^No start with the device ffff:ffff is on record/);
    const missing = await runProgram(["blame", "--database", join(directory.path, "nothing.db")]);
    assert.equal(missing.code, 1);
  });

  it("prints hostile names as what they are", async () => {
    const vm = "evil\u001b[2J\u202evm";
    const path = database("hostile", [
      { facts: hostFacts(), starts: [good(3, { vm })] },
      { facts: hostFacts(BIOS_A95), starts: [bad(3, undefined, { vm })] },
    ]);
    const { out } = await runProgram(["blame", "--database", path]);
    assert.match(out, /evil\\x1b\[2J\\x202evm/);
    assert.doesNotMatch(out, /[\u001b\u202e]/);
  });
});

describe("the rig's BIOS update, replayed through the pipeline", () => {
  const { catalogue } = loadCatalogue({ shippedDirectory: join(shippedConfigDirectory(), "signatures") });
  const replayed = async (check: (store: Store) => void) => {
    const boots = readRecordings(recordingPath("bios-update"));
    if ("problem" in boots) assert.fail(boots.problem);
    await replay(boots, catalogue, { use: check });
  };

  it("is confirmed, and names A95 and its IVMD entry", async () => {
    await replayed((store) => {
      const answer = askBlame(store, {});
      assert.equal(answer.blame.certainty, "confirmed");
      const { headline } = describeBlame(answer);
      assert.match(
        headline,
        /^BIOS E7E49AMSI\.1A95 broke passthrough of .*\(0000:01:00\.0\) for 'Windows 11': 1 of 1 starts worked on A63, 0 of 1 on A95, 1 of 1 after going back to A63\.$/,
      );
      const page = renderBlame(answer, createPaint(false), 400);
      assert.match(page, /IVRS .*IVMD type 22h, flags 07h .*0x7fff0000-0x7fff7fff/);
      assert.match(page, /direct region 0x7fff0000-0x7fff7fff for the IOMMU group of .*0000:01:00\.0/);
    });
  });

  it("changed exactly the firmware, its table and the region, and all of it back", async () => {
    await replayed((store) => {
      const snapshots = store.boots.list().map(({ snapshotId }) => store.snapshots.get(snapshotId ?? ""));
      const [first, second, third] = snapshots;
      assert.ok(first !== undefined && second !== undefined && third !== undefined);
      assert.deepEqual(
        diffSnapshots(first, second).map(({ key }) => key),
        ["firmware.bios.version", "firmware-tables.IVRS.ivmd.1", "iommu.group.1234:1111/1af4:1100.direct"],
      );
      assert.deepEqual(diffSnapshots(first, third), []);
    });
  });
});

describe("the rig's four boots with two kernels and two firmwares, replayed", () => {
  const { catalogue } = loadCatalogue({ shippedDirectory: join(shippedConfigDirectory(), "signatures") });

  it("names kernel and BIOS together, and that either one back heals", async () => {
    const boots = readRecordings(recordingPath("kernel-and-bios"));
    if ("problem" in boots) assert.fail(boots.problem);
    await replay(boots, catalogue, {
      use: (store) => {
        const answer = askBlame(store, {});
        const [first] = answer.blame.sets;
        assert.deepEqual(first?.suspects.map(({ family }) => family).toSorted(), ["BIOS", "kernel"]);
        assert.equal(first?.together, true);
        assert.equal(first?.reverted, true, "the kernel went back, and it worked");
        assert.equal(answer.blame.certainty, "confirmed");
        assert.match(
          describeBlame(answer).headline,
          /^BIOS \S+ together with kernel \S+ broke passthrough of .*, and either one back heals it: /,
        );
      },
    });
  });
});
