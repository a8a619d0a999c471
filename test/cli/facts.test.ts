import assert from "node:assert/strict";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { runProgram } from "../helpers/command-io.ts";
import { buildForumHost } from "../helpers/forum-host.ts";
import { good, hostFacts, storeHistory, UNREADABLE } from "../helpers/made-history.ts";
import { temporaryDirectory } from "../helpers/recorded-tree.ts";
import { opened } from "../store/samples.ts";

const directory = temporaryDirectory();
after(() => directory.remove());
const env = { VFIO_WATCH_ROOT: buildForumHost(join(directory.path, "host")).root };

describe("the command facts", () => {
  it("shows the host as it is now, and why something is not known", async () => {
    const { code, out } = await runProgram(["facts"], env);
    assert.equal(code, 0);
    assert.match(out, /Firmware\n(?:.*\n)*? {2}bios\.version +E7E49AMSI\.1A7D\n/);
    assert.match(out, / {2}group\.10de:2805\/1462:5174\.direct +0xa5a32000-0xa5a32fff\n/);
    assert.match(out, / {2}parameter\.vfio-pci\.ids +10de:2805,10de:22bd\n/);
    assert.match(out, /hardware +unknown: not asked for in this boot/);
  });

  it("shows one group only", async () => {
    const { out } = await runProgram(["facts", "kernel", "--json"], env);
    const { at, facts } = JSON.parse(out) as { at: string; facts: { group: string }[] };
    assert.equal(at, "now");
    assert.ok(facts.length > 5);
    assert.ok(facts.every(({ group }) => group === "kernel"));
    assert.equal((await runProgram(["facts", "kernels"], env)).code, 2);
  });

  it("shows the facts of a boot or a start", async () => {
    const path = join(directory.path, "history.db");
    const store = opened(path);
    storeHistory(store, [
      { facts: hostFacts({ "firmware.secure-boot": UNREADABLE }), starts: [good()] },
      { facts: hostFacts({ "kernel.release": "6.18" }), starts: [] },
    ]);
    store.close();
    const at = (moment: string) => runProgram(["facts", "--at", moment, "--database", path], env);
    const { out } = await at("b1");
    assert.match(out, /^Facts of boot b1/);
    assert.match(out, /release +6\.12\.54-Unraid/);
    assert.match(out, /secure-boot +unknown: needs root/);
    assert.match((await at("b2")).out, /release +6\.18/);
    assert.match((await at("#1")).out, /^Facts of start #1 of 'Windows 11'/);
    assert.equal((await at("b7")).code, 1);
  });
});
