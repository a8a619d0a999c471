import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { collectFacts } from "../../src/facts/facts-of-host.ts";
import { makeSnapshot } from "../../src/facts/snapshot.ts";
import type { Outcome } from "../../src/model/attempt.ts";
import { type Bdf, bootId, vmName } from "../../src/model/identifiers.ts";
import { runProgram } from "../helpers/command-io.ts";
import { buildForumHost, type ForumHostOptions } from "../helpers/forum-host.ts";
import { temporaryDirectory } from "../helpers/recorded-tree.ts";
import { smbiosStructure, smbiosTable } from "../helpers/smbios-table.ts";
import { opened } from "../store/samples.ts";

const directory = temporaryDirectory();
after(() => directory.remove());
let made = 0;

const place = (options: ForumHostOptions) => {
  made += 1;
  return buildForumHost(`${directory.path}/host-${made}`, options);
};

type Files = NonNullable<ForumHostOptions["files"]>;

/** SMBIOS as a BIOS with this AGESA has it. */
function withAgesa(name: string): Files {
  const table = smbiosTable([smbiosStructure(40, 14, [`AGESA!V9 ${name}`])]);
  return { "/sys/firmware/dmi/tables/DMI": Buffer.from(table).toString("latin1") };
}

/** A history with one start of the VM on each of these versions. */
function history(
  starts: readonly { readonly bios: string; readonly outcome: Outcome; readonly files?: Files }[],
): string {
  made += 1;
  const path = `${directory.path}/history-${made}.db`;
  const store = opened(path);
  for (const [index, { bios, outcome, files = {} }] of starts.entries()) {
    const at = Date.UTC(2025, 7, 1 + index);
    const id = bootId(`boot-${index}`);
    const snapshot = makeSnapshot(
      collectFacts({ paths: place({ bios, demand: outcome !== "started", files }) }),
    );
    store.boots.begin({ id, startedAt: at, origin: "live" });
    store.snapshots.save(snapshot);
    store.snapshots.link({ bootId: id, at, snapshotId: snapshot.id, reason: "service start" });
    store.attempts.save(
      {
        id: `start-${index}`,
        vm: vmName("Windows 11"),
        bootId: id,
        openedAt: at + 1000,
        closedAt: at + 2000,
        outcome,
        devices: ["0000:01:00.0", "0000:01:00.1"] as Bdf[],
        groups: [14],
        evidence: [],
      },
      { origin: "live", snapshotId: snapshot.id },
    );
  }
  store.close();
  return path;
}

interface Advised {
  readonly code: number;
  readonly text: string;
  readonly json: {
    readonly verdict: string;
    readonly now: {
      readonly bios: string;
      readonly here?: { readonly worked: number; readonly failed: number };
    };
    readonly asked?: { readonly bios: string };
    readonly elsewhere: { readonly sentences: readonly string[]; readonly agesa?: string | null };
    readonly vms: readonly { readonly vm: string; readonly lastGood?: { readonly bios: string } }[];
  };
}

async function advise(
  options: ForumHostOptions,
  args: readonly string[],
  database?: string,
): Promise<Advised> {
  const env = { VFIO_WATCH_ROOT: place(options).root, VFIO_WATCH_DATABASE: `${directory.path}/none.db` };
  const all = ["advise", ...args, ...(database === undefined ? [] : ["--database", database])];
  const text = await runProgram(all, env);
  const json = await runProgram([...all, "--json"], env);
  assert.equal(json.err, "");
  assert.equal(json.code, text.code);
  return { code: text.code, text: text.out, json: JSON.parse(json.out) };
}

const GOOD: ForumHostOptions = { bios: "1.A63", demand: false };

describe("advise before the update of the forum's host", () => {
  it("says what would come of 1.A95, that 1.A63 is proven here, and what others met, apart", async () => {
    const path = history([{ bios: "1.A63", outcome: "started" }]);
    const { code, text, json } = await advise(GOOD, ["--bios", "1.A95"], path);
    assert.equal(code, 3);
    assert.equal(json.verdict, "failed-elsewhere");
    assert.deepEqual([json.now.here?.worked, json.now.here?.failed], [1, 0]);
    assert.equal(json.vms[0]?.lastGood?.bios, "1.A63");
    const [proven = "", said = ""] = text.split("What other owners say");
    assert.match(proven, /In use is BIOS 1\.A63, a proven good one: 1 good start, none failed/);
    assert.doesNotMatch(proven, /1:1 demand/);
    assert.match(
      said,
      /This board with 1\.A95: one other owner could not start VMs on it \(1:1 demand\); 1\.A63 worked for two\./,
    );
    assert.match(said, /Before the update\n(?:.*\n)*.*keep it on a stick/);
    assert.match(said, /How you will know afterwards/);
  });

  it("takes the vendor's spelling for the machine's, and shows the machine's", async () => {
    const { json } = await advise(GOOD, ["--bios", "E7E49AMSI.1A95"]);
    assert.equal(json.asked?.bios, "1.A95");
    assert.equal(json.verdict, "failed-elsewhere");
  });

  it("warns of a file that is for another board", async () => {
    const { code, text, json } = await advise(GOOD, ["--bios", "7D70v1A95"]);
    assert.deepEqual([code, json.verdict], [3, "wrong-board"]);
    assert.match(text, /that file is for the board MS-7D70/);
  });

  it("knows nothing of a version that nobody speaks of, and does not take that for good", async () => {
    const { code, text, json } = await advise(GOOD, ["--bios", "1.A20"]);
    assert.deepEqual([code, json.verdict], [4, "unknown"]);
    assert.match(text, /That is no all-clear/);
  });

  it("does not warn of going to the version that is in use already", async () => {
    const { code, text } = await advise({ bios: "1.A95", demand: false }, [
      "--bios",
      "7E49v1A95(Beta version)",
    ]);
    assert.equal(code, 3);
    assert.match(text, /^1\.A95 is in use, and others had trouble with it\./);
  });

  it("speaks of no AGESA on a machine that has none", async () => {
    const intel = { ...GOOD, files: { "/proc/cpuinfo": "processor\t: 0\nflags\t\t: fpu vmx\n" } };
    assert.doesNotMatch((await advise(intel, ["--bios", "1.A20"])).text, /AGESA/);
    assert.match((await advise(GOOD, ["--bios", "1.A20"])).text, /Which AGESA 1\.A20 carries is not known/);
  });

  it("names the AGESA that other machines of the board have with the version", async () => {
    const { json } = await advise(GOOD, ["--bios", "1.A15"]);
    assert.equal(json.elsewhere.agesa, "ComboAm5PI 1.2.0.2a");
  });

  it("names the AGESA that this host itself had with an earlier version", async () => {
    const path = history([
      { bios: "1.A20", outcome: "started", files: withAgesa("ComboAm5PI 1.2.0.3") },
      { bios: "1.A63", outcome: "started", files: withAgesa("ComboAm5PI 1.2.0.3a") },
    ]);
    const now = { ...GOOD, files: withAgesa("ComboAm5PI 1.2.0.3a") };
    const earlier = await advise(now, ["--bios", "7E49v1A20"], path);
    assert.equal(earlier.json.elsewhere.agesa, "ComboAm5PI 1.2.0.3");
    assert.match(
      earlier.text.replace(/\s+/g, " "),
      /1\.A20 carries AGESA ComboAm5PI 1\.2\.0\.3 \(this host's history says so\)/,
    );
    const same = await advise(now, ["--bios", "1.A63"], path);
    assert.match(same.text.replace(/\s+/g, " "), /AGESA ComboAm5PI 1\.2\.0\.3a \(this machine says so\)/);
    const never = await advise(now, ["--bios", "1.A21"], path);
    assert.equal(never.json.elsewhere.agesa, null);
  });

  it("takes the AGESA of another board's version, which was in the machine before, for none of this board's", async () => {
    const other = { "/sys/class/dmi/id/board_name": "PRO X870-P WIFI (MS-7E47)\n" };
    const files = { ...withAgesa("ComboAm5PI 1.2.0.3"), ...other };
    const path = history([
      { bios: "1.A20", outcome: "started", files },
      { bios: "1.A63", outcome: "started" },
    ]);
    const { json } = await advise(GOOD, ["--bios", "1.A20"], path);
    assert.equal(json.elsewhere.agesa, null);
  });

  it("believes what happened here before what others say", async () => {
    const path = history([
      { bios: "1.A95", outcome: "started" },
      { bios: "1.A63", outcome: "failed" },
    ]);
    assert.equal((await advise(GOOD, ["--bios", "1.A95"], path)).json.verdict, "worked-here");
    assert.equal((await advise(GOOD, ["--bios", "7E49v1A63"], path)).json.verdict, "failed-here");
  });
});

describe("advise without a version", () => {
  it("keeps a version that is proven", async () => {
    const path = history([{ bios: "1.A63", outcome: "started" }]);
    const { code, text, json } = await advise(GOOD, [], path);
    assert.deepEqual([code, json.verdict], [0, "keep"]);
    assert.match(text, /^No: 1\.A63 is proven on this host/);
  });

  it("says to change where the firmware stops a VM now, the setting first, and names the version that worked", async () => {
    const path = history([
      { bios: "1.A63", outcome: "started" },
      { bios: "1.A95", outcome: "failed" },
    ]);
    const { code, text, json } = await advise({ bios: "1.A95" }, [], path);
    assert.deepEqual([code, json.verdict], [3, "change"]);
    assert.match(text, /^Yes: .* 1\.A63 worked here\. Try the BIOS settings for DMA protection first/);
    assert.match(text, /Another version that worked here: 1\.A63/);
    assert.doesNotMatch(text, /Start each of these VMs once now/, "one has been, and failed");
    const back = await advise({ bios: "1.A95" }, ["--bios", "1.A63"], path);
    assert.deepEqual([back.code, back.json.verdict], [0, "worked-here"]);
    assert.doesNotMatch(back.text, /Another version/, "it is the one that is asked about");
  });

  it("asks for a start on a version on which nobody has tried one", async () => {
    const path = history([{ bios: "1.A63", outcome: "started" }]);
    const { text } = await advise({ bios: "1.A95" }, ["--bios", "1.B10"], path);
    assert.match(text, /Start each of these VMs once now/);
  });

  it("cannot say it without a history", async () => {
    const { code, text } = await advise(GOOD, []);
    assert.equal(code, 4);
    assert.match(text, /There is no history here/);
  });
});

it("refuses what is no question", async () => {
  const env = { VFIO_WATCH_ROOT: place(GOOD).root };
  assert.equal((await runProgram(["advise", "1.A95"], env)).code, 2);
  assert.equal((await runProgram(["advise", "--bios", " "], env)).code, 2);
});
