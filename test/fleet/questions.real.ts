import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { readKnownFirmwareFile } from "../../src/knowledge/known-firmware-file.ts";
import { runProgram } from "../helpers/command-io.ts";
import { BIOS_A95, bad, good, hostFacts, type MadeBoot } from "../helpers/made-history.ts";
import { exportFrom, newFleet, type TestFleet, withHistory } from "./fleet-hosts.ts";
import { noPostgres, type OwnPostgres, startOwnPostgres } from "./own-postgres.ts";

const skip = noPostgres;
const directory = mkdtempSync(join(tmpdir(), "vfio-watch-questions-"));
let postgres: OwnPostgres;
let fleet: TestFleet;
let reader = "";

const OLD: MadeBoot = { facts: hostFacts(), starts: [good(4)] };
const NEW: MadeBoot = { facts: hostFacts(BIOS_A95), starts: [bad(2)] };
const OTHER = {
  "firmware.board.vendor": "ASUSTeK COMPUTER INC.",
  "firmware.board.name": "TUF GAMING X570-PLUS",
};

before(async () => {
  if (skip !== false) return;
  postgres = await startOwnPostgres();
  fleet = await newFleet(postgres);
  const send = async (
    label: string,
    boots: readonly MadeBoot[],
    share: "facts" | "facts+evidence" = "facts",
  ) => {
    const server = await fleet.add(label);
    await withHistory(boots, (store) => exportFrom(server, store, { share, cluster: "lab" }));
  };
  for (const number of [1, 2, 3, 4]) await send(`updated ${number}`, [OLD, NEW]);
  for (const number of [1, 2, 3]) await send(`went back ${number}`, [OLD, NEW, OLD]);
  for (const number of [1, 2]) await send(`stayed ${number}`, [OLD]);
  // That another VM has the device is no fault of the BIOS.
  const busy = {
    facts: hostFacts({ ...OTHER, "firmware.bios.version": "5020" }),
    starts: [good(3), bad(1, "device-busy")],
  };
  await send("asus busy", [busy]);
  for (const number of [1, 2, 3, 4])
    await send(`asus ${number}`, [
      { facts: hostFacts({ ...OTHER, "firmware.bios.version": "5020" }), starts: [good(3)] },
    ]);
  await send(
    "asus odd",
    [{ facts: hostFacts({ ...OTHER, "firmware.bios.version": "5020" }), starts: [bad(3, "device-lost")] }],
    "facts+evidence",
  );
  await fleet.add("never came");
  const role = await fleet.add("questions", "reader");
  reader = fleet.url.replace(/\/\/.*@/, `//${role.user}:${role.password}@`);
});
after(async () => {
  await postgres?.remove();
  rmSync(directory, { recursive: true, force: true });
});

const ask = (...words: string[]) => runProgram(["fleet", ...words, "--url", reader]);
async function json<T = Record<string, never>>(...words: string[]): Promise<T> {
  return JSON.parse((await ask(...words, "--json")).out) as T;
}

test("a reader sees how many there are, and every host as it was in its newest boot", { skip }, async () => {
  const status = await json<{ hosts: number; lately: number; starts: number; boards: number }>("status");
  assert.deepEqual([status.hosts, status.lately, status.boards], [15, 15, 2]);
  assert.match((await ask("status")).out, /15 hosts, 15 of them heard of within a day/);
  const { hosts } = await json<{
    hosts: { label: string; bios: string; failed: number; lastOutcome: string }[];
  }>("hosts");
  const hostOf = (label: string) => hosts.find((host) => host.label === label);
  assert.equal(hosts.length, 16);
  assert.deepEqual(
    ["updated 1", "went back 1", "never came"].map((label) => hostOf(label)?.bios),
    ["E7E49AMSI.1A95", "E7E49AMSI.1A63", null],
  );
  assert.deepEqual([hostOf("updated 1")?.failed, hostOf("updated 1")?.lastOutcome], [2, "failed"]);
  assert.match((await ask("hosts")).out, /never came\s+-\s+-\s+never/);
});

test("boards are counted by hosts, and by BIOS", { skip }, async () => {
  const { boards } = await json<{ boards: { bios: string; hosts: number; failing: number }[] }>("boards");
  assert.deepEqual(
    boards.map(({ bios, hosts, failing }) => [bios, hosts, failing]),
    [
      ["E7E49AMSI.1A63", 9, 0],
      ["E7E49AMSI.1A95", 7, 7],
      ["5020", 6, 1],
    ],
  );
});

test("blame over hosts is the same answer as on one, with the hosts that say so", { skip }, async () => {
  const { out, code } = await ask("blame");
  assert.equal(code, 3);
  assert.match(out, /^BIOS E7E49AMSI\.1A95 broke passthrough of VMs on MPG X870E CARBON WIFI \(MS-7E49\): /);
  assert.match(
    out,
    /7 of 7 owners of this board on A95 fail, 0 of 9 on A63; of 7 hosts on which only the BIOS changed, 7 broke; of 3 hosts on which only the BIOS went back, 3 work again\./,
  );
  assert.match(out, /Other boards on which hosts fail\n- TUF GAMING X570-PLUS: 1 of 6/);
  const { faults } = await json<{ faults: { certainty: string; changedAlone: object[] }[] }>(
    "blame",
    "--board",
    "ms-7e49",
  );
  assert.deepEqual([faults[0]?.certainty, faults[0]?.changedAlone.length], ["confirmed", 10]);
  assert.equal((await ask("blame", "--board", "MPG X870E Carbon WiFi")).code, 3, "as people write it");
  const none = await ask("blame", "--board", "MS-7E49", "--device", "1002:744c");
  assert.match(none.out, /No start of/);
  assert.match((await ask("blame", "--board", "unheard of")).out, /No host has the board/);
});

test("the picture has a lane for each BIOS and a line for each host that changed it alone", {
  skip,
}, async () => {
  const file = join(directory, "board.html");
  assert.equal((await ask("blame", "--output", file)).code, 3);
  const html = readFileSync(file, "utf8");
  assert.equal(html.match(/<line /g)?.length, 10);
  assert.match(html, />A63<.*>A95</s);
  assert.match(html, /A line is a host on which nothing but the BIOS changed/);
  const markdown = await ask("blame", "--format", "markdown");
  assert.match(markdown.out, /A95: 7 FAIL; 7 from A63 to A95: 7 broke; 3 from A95 to A63: 3 work again/);
});

test("an outlier is named with what it shares of why", { skip }, async () => {
  const { out, code } = await ask("outliers");
  assert.equal(code, 3);
  assert.equal(
    out,
    "asus odd fails (device-lost) where 5 of 6 hosts work: TUF GAMING X570-PLUS with 5020. It failed with device-lost.\n",
  );
});

test("verdicts are records of known firmware, from so many hosts on", { skip }, async () => {
  const target = join(directory, "known-firmware");
  assert.equal((await ask("verdicts", "--min-hosts", "7", "--output", target)).code, 0);
  const [name = "", ...others] = readdirSync(target);
  assert.deepEqual(others, []);
  const { records, problems } = readKnownFirmwareFile(readFileSync(join(target, name), "utf8"));
  assert.deepEqual(problems, []);
  assert.deepEqual(
    records.map(({ boards, good: worked, bad: failed, owners, class: cause }) => [
      boards[0],
      worked,
      failed,
      owners,
      cause,
    ]),
    [
      ["MPG X870E CARBON WIFI (MS-7E49)", ["E7E49AMSI.1A63"], [], 9, "unknown"],
      ["MPG X870E CARBON WIFI (MS-7E49)", [], ["E7E49AMSI.1A95"], 7, "iommu-direct-mapping-required"],
    ],
  );
});

test("a host's own role is told that it may not ask", { skip }, async () => {
  const { user, password } = await fleet.add("curious");
  const url = fleet.url.replace(/\/\/.*@/, `//${user}:${password}@`);
  const { code, err } = await runProgram(["fleet", "hosts", "--url", url]);
  assert.deepEqual([code, /no right to do that/.test(err)], [1, true]);
});
