import assert from "node:assert/strict";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { EXIT } from "../../src/cli/command.ts";
import { collectFacts } from "../../src/facts/facts-of-host.ts";
import { makeSnapshot } from "../../src/facts/snapshot.ts";
import {
  foreignMachine,
  machineOf,
  rememberFromLogs,
  rememberMachine,
} from "../../src/history/known-machine.ts";
import { readMachine } from "../../src/host/machine.ts";
import { createHostPaths } from "../../src/host-paths.ts";
import { bootId } from "../../src/model/identifiers.ts";
import { runProgram } from "../helpers/command-io.ts";
import { buildForumHost, type ForumHostOptions } from "../helpers/forum-host.ts";
import { BEGINNING, BIOS_A95, bad, good, hostFacts, storeHistory } from "../helpers/made-history.ts";
import { temporaryDirectory } from "../helpers/recorded-tree.ts";
import { opened } from "../store/samples.ts";

const directory = temporaryDirectory();
after(() => directory.remove());

/** A host with this board, and with this number where it has one of its own. */
function host(name: string, board: string, uuid?: string) {
  const root = join(directory.path, name);
  mkdirSync(join(root, "sys/class/dmi/id"), { recursive: true });
  writeFileSync(join(root, "sys/class/dmi/id/board_name"), `${board}\n`);
  if (uuid !== undefined) writeFileSync(join(root, "sys/class/dmi/id/product_uuid"), `${uuid}\n`);
  return createHostPaths(root);
}
const here = host("here", "PRIME B550-PLUS", "a1b2c3d4-0000-4000-8000-00000000aaaa");
const path = join(directory.path, "friend.db");
const store = opened(path);
after(() => store.close());
storeHistory(store, [
  { facts: hostFacts(), starts: [good()] },
  { facts: hostFacts(BIOS_A95), starts: [bad()] },
]);
const run = (...args: readonly string[]) =>
  runProgram([...args, "--database", path], { VFIO_WATCH_ROOT: join(directory.path, "here") });

describe("which machine a history is of", () => {
  const its = { board: "MPG X870E CARBON WIFI (MS-7E49)", id: undefined, cards: [] };

  it("is what its newest facts say, until its service notes it", () => {
    assert.deepEqual(machineOf(store), its);
    const own = opened(join(directory.path, "own.db"));
    rememberMachine(own, readMachine(here));
    assert.deepEqual(machineOf(own), readMachine(here));
    rememberMachine(own, { board: undefined, id: undefined, cards: [] });
    assert.deepEqual(machineOf(own), readMachine(here), "what cannot be read now stays");
    own.close();
  });

  it("is another one where the numbers differ, whatever the boards are called", () => {
    const twin = readMachine(host("twin", "PRIME B550-PLUS", "a1b2c3d4-0000-4000-8000-00000000bbbb"));
    const own = opened(join(directory.path, "twin.db"));
    rememberMachine(own, twin);
    assert.deepEqual(foreignMachine(own, readMachine(here), undefined), twin);
    assert.equal(foreignMachine(own, twin, undefined), undefined);
    own.close();
  });

  it("is another one where the boards differ, not where one board is spelled in two ways", () => {
    assert.deepEqual(
      foreignMachine(store, { board: "PRIME B550-PLUS", id: undefined, cards: [] }, undefined),
      its,
    );
    assert.equal(foreignMachine(store, { board: "MS-7E49", id: undefined, cards: [] }, undefined), undefined);
    assert.equal(
      foreignMachine(store, { board: undefined, id: "x", cards: [] }, undefined),
      undefined,
      "not known",
    );
  });

  it("is another one where this machine has no board at all, and the history has one", () => {
    const bare = createHostPaths(join(directory.path, "bare"));
    assert.equal(foreignMachine(store, readMachine(bare), undefined), undefined, "nothing can be read");
    mkdirSync(bare.at("/sys/class/net"), { recursive: true });
    assert.deepEqual(foreignMachine(store, readMachine(bare), undefined), its);
    mkdirSync(bare.at("/sys/class/dmi"));
    assert.equal(foreignMachine(store, readMachine(bare), undefined), undefined, "it may not be read");
  });

  it("is this one where it has seen the boot that runs here", () => {
    const seen = bootId("00000001-0000-4000-8000-000000000000");
    assert.equal(
      foreignMachine(store, { board: "PRIME B550-PLUS", id: undefined, cards: [] }, seen),
      undefined,
    );
  });

  it("is another one of the same board where none of the network cards is the same", () => {
    const [one, two] = ["aa", "bb"].map((end) => {
      const paths = host(`net-${end}`, "PRIME B550-PLUS");
      const card = join(paths.root, "sys/class/net/eth0");
      mkdirSync(card, { recursive: true });
      writeFileSync(join(card, "address"), `04:7c:16:00:00:${end}\n`);
      symlinkSync("../../../devices/pci0000:00/0000:00:1f.6", join(card, "device"));
      return readMachine(paths);
    });
    assert.ok(one !== undefined && two !== undefined);
    const own = opened(join(directory.path, "cards.db"));
    rememberFromLogs(own, one);
    assert.equal(foreignMachine(own, one, undefined), undefined);
    assert.deepEqual(foreignMachine(own, two, undefined), { ...one, id: undefined });
    assert.equal(foreignMachine(own, { ...two, cards: [...two.cards, ...one.cards] }, undefined), undefined);
    assert.equal(foreignMachine(own, { ...two, cards: [] }, undefined), undefined, "not known");
    own.close();
  });

  it("is no number that a whole series of boards has", () => {
    for (const uuid of ["00000000-0000-0000-0000-000000000000", "03000200-0400-0500-0006-000700080009"])
      assert.equal(readMachine(host(uuid, "X", uuid)).id, undefined);
    const { id } = readMachine(here);
    assert.match(id ?? "", /^[0-9a-f]{16}$/);
    assert.ok(!"a1b2c3d4000040008000".includes(id ?? ""));
  });
});

describe("with the history of another machine", () => {
  it("diff and facts take that machine's newest boot for now", async () => {
    const diff = await run("diff");
    assert.match(
      diff.out,
      /to the newest facts of that machine, boot b2 .*: 4 changes?|to the newest facts of that/,
    );
    assert.match(diff.out, /BIOS E7E49AMSI\.1A63 .* → E7E49AMSI\.1A95/);
    assert.doesNotMatch(diff.out, /B550/);
    const { changes } = JSON.parse((await run("diff", "b1", "b2", "--json")).out);
    assert.deepEqual(JSON.parse((await run("diff", "--json")).out).changes, changes);
    assert.match((await run("facts", "firmware")).out, /MPG X870E CARBON WIFI/);
  });

  it("check and advise look at that machine, as its newest facts have it", async () => {
    const answers = async (options: ForumHostOptions) => {
      const paths = buildForumHost(join(directory.path, `its-${JSON.stringify(options).length}`), options);
      const its = join(directory.path, `its-${JSON.stringify(options).length}.db`);
      const own = opened(its);
      const id = bootId("forum-boot");
      const snapshot = makeSnapshot(collectFacts({ paths }));
      own.boots.begin({ id, startedAt: BEGINNING, origin: "imported" });
      own.snapshots.save(snapshot);
      own.snapshots.link({ bootId: id, at: BEGINNING, snapshotId: snapshot.id, reason: "import" });
      own.close();
      const ask = (root: string, ...args: readonly string[]) =>
        runProgram([...args, "--database", its], { VFIO_WATCH_ROOT: root });
      const look = async (root: string) => JSON.parse((await ask(root, "check", "--json")).out);
      return { there: await look(paths.root), from: await look(here.root), ask };
    };
    const sentences = ({ vms }: { vms: readonly { findings: readonly { sentence: string }[] }[] }) =>
      vms.flatMap(({ findings }) => findings.map(({ sentence }) => sentence));

    const demanded = await answers({});
    assert.deepEqual(sentences(demanded.from), sentences(demanded.there));
    assert.equal(demanded.from.vms[0].verdict, "will-not-start");
    assert.match(demanded.from.from, /^the newest facts of that machine, boot b1/);
    const text = await demanded.ask(here.root, "check", "windows");
    assert.equal(text.code, EXIT.findings);
    assert.match(
      text.out,
      /^Of another machine \(board .*MS-7E49\)\), by the newest facts .*: what follows calls that machine this host\./,
    );
    assert.equal((await demanded.ask(here.root, "check", "nope")).code, EXIT.failure);

    const healthy = await answers({ demand: false, bios: "E7E49AMSI.1A63" });
    assert.equal(healthy.from.vms[0].verdict, "nothing-stops-it");

    const advice = await demanded.ask(here.root, "advise", "--bios", "1.A63");
    assert.match(advice.out, /In use is BIOS E7E49AMSI\.1A7D/);
    assert.match(advice.out, /^Of another machine \(board .*MS-7E49\)\)/);
    assert.doesNotMatch(advice.out, /B550/);
    assert.doesNotMatch((await demanded.ask(here.root, "doctor")).out, /B550/);
  });

  it("a report of the host is one of that machine", async () => {
    const healthy = join(directory.path, "healthy.db");
    const own = opened(healthy);
    storeHistory(own, [{ facts: hostFacts(), starts: [good()] }]);
    own.close();
    const { out } = await runProgram(["report", "--database", healthy], {
      VFIO_WATCH_ROOT: join(directory.path, "here"),
    });
    assert.match(out, /MPG X870E CARBON WIFI/);
    assert.doesNotMatch(out, /B550/);
  });

  it("explain answers from that machine's history, and not for a text that names a third", async () => {
    const said =
      "vfio-pci 0000:01:00.0: Firmware has requested this device have a 1:1 IOMMU mapping, rejecting configuring the device without a 1:1 mapping. Contact your platform vendor.\n";
    const env = { VFIO_WATCH_ROOT: join(directory.path, "here") };
    const ask = (input: string) => runProgram(["explain", "--database", path], env, { input });
    assert.match((await ask(said)).out, /On that machine: start #2 of 'Windows 11' failed so/);
    const third = `DMI: ASUS System Product Name/ROG STRIX X670E-F GAMING WIFI, BIOS 3205 06/18/2025\n${said}`;
    assert.doesNotMatch((await ask(third)).out, /start #2/);
  });
});
