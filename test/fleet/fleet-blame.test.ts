import assert from "node:assert/strict";
import { test } from "node:test";
import { askFleetBlame } from "../../src/fleet/fleet-blame.ts";
import { describeFleetBlame } from "../../src/fleet/fleet-words.ts";
import type { BoardTallies } from "../../src/fleet/questions.ts";
import { environment, madeFleet, NEW_BIOS, repeatHost } from "./made-fleet.ts";

const OLD = environment();
const NEW = environment(NEW_BIOS);

function ask(data: BoardTallies) {
  const blame = askFleetBlame(data);
  return { blame, text: describeFleetBlame(blame), first: blame.faults[0].answer.blame };
}

test("many owners: which BIOS, on how many hosts, and what happened where only that changed", () => {
  const { text, first } = ask(
    madeFleet([
      ...repeatHost(116, [{ environment: OLD, good: 20 }]),
      ...repeatHost(35, [
        { environment: OLD, good: 10 },
        { environment: NEW, bad: 4 },
      ]),
      ...repeatHost(79, [{ environment: NEW, bad: 3 }]),
      // An older kernel puts up with the demand.
      ...repeatHost(6, [
        { environment: environment({ ...NEW_BIOS, "kernel.release": "6.1.106-Unraid" }), good: 9 },
      ]),
    ]),
  );
  assert.equal(
    text.hosts,
    "114 of 120 owners of this board on 1.A7D fail, 0 of 151 on 1.A63; of 35 hosts on which only the BIOS changed, 35 broke.",
  );
  assert.match(
    text.headline,
    /^BIOS 1\.A7D most likely broke passthrough of VMs on MPG X870E CARBON WIFI \(MS-7E49\): /,
  );
  assert.equal(first.certainty, "likely");
  assert.deepEqual(text.table.slice(0, 3), [
    ["BIOS", "hosts", "fail", "came here alone", "broke", "mended"],
    ["1.A63", "151", "0", "0", "0", "0"],
    ["1.A7D", "120", "114", "35", "35", "0"],
  ]);
});

test("hosts that went back prove it, and only a host of its own can go back", () => {
  const back = { environment: OLD, good: 5 };
  const stayed = repeatHost(8, [
    { environment: OLD, good: 5 },
    { environment: NEW, bad: 5 },
  ]);
  assert.equal(
    ask(madeFleet(stayed)).first.sets[0]?.reverted,
    false,
    "the next host's old BIOS is no way back",
  );
  const { text, first } = ask(
    madeFleet([
      ...stayed,
      ...repeatHost(3, [{ environment: OLD, good: 5 }, { environment: NEW, bad: 5 }, back]),
    ]),
  );
  assert.equal(first.certainty, "confirmed");
  assert.match(
    text.hosts,
    /of 11 hosts on which only the BIOS changed, 11 broke; of 3 hosts on which only the BIOS went back, 3 work again/,
  );
});

test("a newer version that mends is no way back, and one host is one", () => {
  const mended = environment({ "firmware.bios.version": "1.B00", "firmware.bios.date": "06/01/2026" });
  const sentence = (hosts: number) =>
    describeFleetBlame(
      askFleetBlame(
        madeFleet(
          repeatHost(hosts, [
            { environment: environment(NEW_BIOS), bad: 3 },
            { environment: mended, good: 4 },
          ]),
        ),
      ),
    ).hosts;
  assert.equal(
    sentence(5),
    "5 of 5 owners of this board on 1.A7D fail, 0 of 5 on 1.B00; of 5 hosts on which only the BIOS changed to another, 5 work again.",
  );
  assert.equal(
    sentence(1),
    "1 of 1 owner of this board on 1.A7D fails, 0 of 1 on 1.B00; of 1 host on which only the BIOS changed to another, 1 works again.",
  );
});

test("where the kernel changed in the same turn, hosts on which it did not are what decides", () => {
  const kernel = { "kernel.release": "6.12.60-Unraid" };
  const both = repeatHost(20, [
    { environment: OLD, good: 5 },
    { environment: environment({ ...NEW_BIOS, ...kernel }), bad: 5, class: "device-lost" },
  ]);
  const [undecided] = ask(madeFleet(both)).first.sets;
  assert.deepEqual(undecided?.suspects.map(({ family }) => family).sort(), ["BIOS", "kernel"]);
  const apart = [
    ...both,
    ...repeatHost(4, [
      { environment: OLD, good: 5 },
      { environment: environment(kernel), good: 5 },
    ]),
  ];
  const { first, text } = ask(madeFleet(apart));
  assert.deepEqual(
    first.sets[0]?.suspects.map(({ family }) => family),
    ["BIOS"],
  );
  assert.match(text.hosts, /^20 of 20 owners/);
  assert.doesNotMatch(text.hosts, /only the BIOS/, "on no host the BIOS changed alone");
});

test("a card that fails now and then on every BIOS blames none", () => {
  const hosts = Array.from({ length: 40 }, (_host, at) => [
    { environment: OLD, good: 6, ...(at % 5 === 0 && { bad: 1, class: "reset-failed" }) },
    { environment: NEW, good: 6, ...(at % 5 === 1 && { bad: 1, class: "reset-failed" }) },
  ]);
  assert.equal(ask(madeFleet(hosts)).first.certainty, "unknown");
});

test("one broken machine among many is not the BIOS's fault", () => {
  const { first } = ask(
    madeFleet([
      ...repeatHost(60, [
        { environment: OLD, good: 9 },
        { environment: NEW, good: 9 },
      ]),
      [{ environment: NEW, bad: 30, class: "device-lost" }],
    ]),
  );
  assert.notEqual(first.certainty, "likely");
  assert.notEqual(first.certainty, "confirmed");
});

test("classes that fail on hosts side by side are two faults with two answers", () => {
  const { blame, text } = ask(
    madeFleet(
      Array.from({ length: 24 }, (_host, at) =>
        at % 2 === 0
          ? [
              { environment: OLD, good: 9 },
              { environment: NEW, bad: 9 },
            ]
          : [
              { environment: OLD, good: 9 },
              { environment: environment({ "software.qemu": "10.1.0" }), bad: 9, class: "rom-invalid" },
            ],
      ),
    ),
  );
  assert.equal(blame.faults.length, 2);
  const named = blame.faults.map(({ answer }) => [
    answer.blame.failure,
    answer.blame.sets[0]?.suspects[0]?.family,
  ]);
  assert.deepEqual(named.sort(), [
    ["iommu-direct-mapping-required", "BIOS"],
    ["rom-invalid", "QEMU"],
  ]);
  assert.equal(text.others.length, 1);
});

test("without a failure, and without a host, it says so", () => {
  assert.match(
    ask(madeFleet(repeatHost(5, [{ environment: OLD, good: 9 }]))).text.headline,
    /has failed: 45 of 45 worked/,
  );
  assert.match(ask(madeFleet([])).text.headline, /No start of/);
});
