import assert from "node:assert/strict";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { collectFacts } from "../../src/facts/facts-of-host.ts";
import { makeSnapshot } from "../../src/facts/snapshot.ts";
import { bootId } from "../../src/model/identifiers.ts";
import { runProgram } from "../helpers/command-io.ts";
import { buildForumHost } from "../helpers/forum-host.ts";
import { BIOS_A95, bad, good, hostFacts, storeHistory } from "../helpers/made-history.ts";
import { temporaryDirectory } from "../helpers/recorded-tree.ts";
import { opened } from "../store/samples.ts";

const directory = temporaryDirectory();
after(() => directory.remove());

const path = join(directory.path, "history.db");
const store = opened(path);
storeHistory(store, [
  { facts: hostFacts(), starts: [good(2)] },
  { facts: hostFacts(BIOS_A95), starts: [bad(1)] },
  { facts: hostFacts(), starts: [], withoutSnapshot: true },
]);
store.close();

const diff = (...args: readonly string[]) => runProgram(["diff", ...args, "--database", path]);

describe("the command diff", () => {
  it("compares boots by ordinal or id, and starts by number", async () => {
    const byOrdinal = await diff("b1", "b2");
    assert.equal(byOrdinal.code, 0);
    assert.match(byOrdinal.out, /^From boot b1 \(2025-08-01 18:00 UTC\) to boot b2/);
    assert.match(byOrdinal.out, /Firmware\n- BIOS E7E49AMSI\.1A63 \(2025-08-05\) → E7E49AMSI\.1A95/);
    assert.match(byOrdinal.out, /gained a direct region 0xa5a32000-0xa5a32fff/);
    const changes = (out: string) => out.split("\n").slice(1).join("\n");
    for (const [from, to] of [
      ["00000000", "00000001"],
      ["#1", "#3"],
      ["2", "3"],
      ["good", "b2"],
    ]) {
      const other = await diff(from ?? "", to ?? "");
      assert.equal(changes(other.out), changes(byOrdinal.out), `${from} ${to}`);
    }
    const back = await diff("b2", "b1");
    assert.match(back.out, /BIOS E7E49AMSI\.1A95 \(2026-03-02\) → E7E49AMSI\.1A63/);
  });

  it("ranks firmware before its tables, and those before the regions", async () => {
    const { out } = await runProgram(["diff", "b1", "b2", "--database", path, "--json"]);
    const { changes } = JSON.parse(out) as { changes: { group: string }[] };
    const groups = [...new Set(changes.map(({ group }) => group))];
    assert.deepEqual(groups, ["firmware", "firmware-tables", "iommu"]);
  });

  it("says that nothing changed", async () => {
    assert.match((await diff("b1", "#1")).out, /nothing that is watched has changed\.$/m);
  });

  it("compares the last good start with the host as it is now, by default", async () => {
    const then = buildForumHost(join(directory.path, "then"), { bios: "E7E49AMSI.1A63", demand: false });
    const now = buildForumHost(join(directory.path, "now"));
    const own = join(directory.path, "own.db");
    const history = opened(own);
    const snapshot = makeSnapshot(collectFacts({ paths: then }));
    const id = bootId("good-boot");
    history.boots.begin({ id, startedAt: 1000, origin: "live" });
    history.snapshots.save(snapshot);
    history.snapshots.link({ bootId: id, at: 1000, snapshotId: snapshot.id, reason: "service start" });
    history.close();
    const { out } = await runProgram(["diff", "b1", "--database", own, "--json"], {
      VFIO_WATCH_ROOT: now.root,
    });
    const { to, changes } = JSON.parse(out) as { to: string; changes: { key: string }[] };
    assert.equal(to, "now");
    const keys = changes.map(({ key }) => key);
    assert.equal(keys[0], "firmware.bios.version");
    assert.ok(keys.includes("firmware-tables.IVRS.ivmd.1"));
    assert.ok(keys.includes("iommu.group.10de:2805/1462:5174.direct"));
    assert.ok(
      keys.every((key) => /^(?:firmware|firmware-tables|iommu)\./.test(key)),
      keys.join(),
    );
    const without = await runProgram(["diff", "--database", own], { VFIO_WATCH_ROOT: now.root });
    assert.equal(without.code, 1);
    assert.match(without.err, /no good start/);
  });

  it("says what would be right when a moment is not found", async () => {
    assert.match((await diff("b9", "b1")).err, /'b9' names no boot and no start; use b12/);
    assert.match((await diff("#99", "b1")).err, /there is no start #99/);
    assert.match((await diff("0000", "b1")).err, /'0000' may be b1 or b2 or b3; write more of the id/);
    assert.match((await diff("4711", "b1")).err, /there is no start #4711/);
    assert.match((await diff("b3", "b1")).err, /nothing is stored of what the host was in boot b3/);
    assert.equal((await diff("b1", "b2", "b3")).code, 2);
  });
});
