import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { CauseClass } from "../../src/model/catalogue.ts";
import { askMadeHistory, sectionOf } from "../helpers/ask-made-history.ts";
import {
  BEGINNING,
  BIOS_A95,
  bad,
  DAY,
  type Facts,
  good,
  hostFacts,
  type MadeBoot,
  repeat,
  UNREADABLE,
} from "../helpers/made-history.ts";

const on = (facts: Facts, ...starts: MadeBoot["starts"]): MadeBoot => ({ facts: hostFacts(facts), starts });
const version = (name: string): Facts => ({ "firmware.bios.version": `E7E49AMSI.${name}` });
const A95 = version("1A95");
const NEW_KERNEL: Facts = { "kernel.release": "6.18.1-Unraid" };
const UNREAD: Facts = { "firmware.bios.version": UNREADABLE, "firmware.bios.date": UNREADABLE };
const reset = bad(1, "reset-failed");
const busy = bad(1, "device-busy");

describe("blame never says the wrong thing with confidence", () => {
  it("a device in use by another VM is no evidence against a BIOS, not even where going back 'heals' it", async () => {
    const { answer, text } = await askMadeHistory([
      ...repeat(6, on({}, good())),
      ...repeat(3, on(A95, busy)),
      ...repeat(3, on({}, good())),
    ]);
    assert.equal(answer.blame.certainty, "unknown");
    assert.match(text.headline, /failed 3 of 12 times because a device was in use/);
  });

  it("a device in use is no fault of passthrough, whatever was edited before", async () => {
    const edited: Facts = { "vm.Windows 11.devices": "0000:05:00.0" };
    const { answer, text } = await askMadeHistory([
      ...repeat(6, on({}, good())),
      ...repeat(3, on({ ...edited, ...A95 }, busy)),
    ]);
    assert.equal(answer.blame.reason, "in-use");
    assert.equal(text.sections.length, 0);
  });

  it("a newer failure because the device was in use does not hide the refusal that needs an answer", async () => {
    const { answer } = await askMadeHistory([
      ...repeat(6, on({}, good())),
      ...repeat(3, on(BIOS_A95, bad())),
      on(BIOS_A95, busy),
    ]);
    assert.equal(answer.blame.failure, "iommu-direct-mapping-required");
    assert.equal(answer.blame.certainty, "likely");
  });

  it("starts whose BIOS could not be read do not make it more certain", async () => {
    const { answer, text } = await askMadeHistory([
      ...repeat(6, on({}, good())),
      on(A95, reset),
      ...repeat(5, on({ ...A95, ...UNREAD }, reset)),
    ]);
    assert.equal(answer.blame.certainty, "possible", "one failed start is known to have been on A95");
    assert.match(
      text.certainty,
      /^Possible, no more \(7\d in 100\).*Else: something that no file shows .*in 100\)/,
    );
    assert.match(sectionOf(text, "Suspect"), /left out: 5 starts at which its value is not on record/);
  });

  it("what is known of a few starts does not stand alone before what is known of all", async () => {
    const { answer } = await askMadeHistory([
      ...repeat(5, on(UNREAD, good())),
      on({}, good()),
      ...repeat(6, on({ ...A95, ...NEW_KERNEL }, reset)),
    ]);
    assert.equal(answer.blame.certainty, "possible");
    const named = answer.blame.sets[0]?.suspects.map(({ family }) => family);
    assert.deepEqual(named, ["BIOS", "kernel"], "both changed where it turned, and nothing tells them apart");
  });

  it("the turn is between neighbours even where the BIOS of one of them is not on record", async () => {
    const { answer } = await askMadeHistory([
      ...repeat(5, on({}, good())),
      on(UNREAD, good()),
      on(UNREAD, reset),
      ...repeat(4, on(A95, reset)),
    ]);
    assert.equal(answer.blame.boundary?.lastGood.bootOrdinal, 6);
    assert.equal(answer.blame.boundary?.firstBad.bootOrdinal, 7);
  });

  it("a single failed boot confirms nothing: it may have been the card's bad day", async () => {
    const boots = (failed: number) => [
      ...repeat(30, on({}, good())),
      ...repeat(failed, on(A95, reset)),
      ...repeat(5, on({}, good())),
    ];
    const certainty = async (...again: readonly MadeBoot[]) =>
      (await askMadeHistory([...boots(2), ...again])).answer.blame.certainty;
    assert.equal((await askMadeHistory(boots(1))).answer.blame.certainty, "likely");
    assert.equal(await certainty(), "likely", "a BIOS setting may have been put back with it");
    assert.equal(await certainty(on(A95, reset)), "likely", "the card's bad day again");
    assert.equal(
      await certainty(...repeat(2, on(A95, reset))),
      "confirmed",
      "it came again, and broke again",
    );
  });

  it("what was put back is confirmed at once where such failures are mostly due to it", async () => {
    const edited: Facts = { "vm.Windows 11.machine": "pc-i440fx-9.2" };
    const { answer } = await askMadeHistory([
      ...repeat(6, on({}, good())),
      ...repeat(2, on(edited, bad(1, "device-config-invalid"))),
      ...repeat(2, on({}, good())),
    ]);
    assert.equal(answer.blame.certainty, "confirmed");
  });

  it("BIOS and kernel changed together, then one of them back: the one that decides it", async () => {
    const both = [...repeat(6, on({}, good())), ...repeat(4, on({ ...A95, ...NEW_KERNEL }, reset))];
    const after = async (facts: Facts, start: typeof reset) => {
      const { answer, text } = await askMadeHistory([...both, ...repeat(3, on(facts, start))]);
      return `${answer.blame.certainty}: ${text.headline.split(" ").slice(0, 2).join(" ")}`;
    };
    assert.equal(await after(A95, reset), "likely: BIOS E7E49AMSI.1A95");
    assert.equal(await after(A95, good()), "likely: Kernel 6.18.1-Unraid");
    // It never went back, and something that nothing shows may have turned in the same sitting.
    assert.equal(await after(NEW_KERNEL, reset), "possible: Kernel 6.18.1-Unraid");
    assert.equal(await after(NEW_KERNEL, good()), "likely: BIOS E7E49AMSI.1A95");
  });

  it("healed by going forward: the middle version, and nothing left to try", async () => {
    const { answer, text } = await askMadeHistory([
      ...repeat(4, on({}, good())),
      ...repeat(3, on(BIOS_A95, bad())),
      ...repeat(3, on(version("1B01"), good())),
    ]);
    assert.equal(answer.blame.certainty, "likely");
    assert.match(text.headline, /^BIOS E7E49AMSI\.1A95 .* 4 of 4 .* on A63, 0 of 3 on A95, 3 of 3 on B01\.$/);
    assert.match(text.certainty, /works again, so there is nothing to try/);
    assert.equal(sectionOf(text, "What would tell"), "");
  });

  it("a version that nearly always fails: where it turned is its own turn, not the newest stray failure", async () => {
    const { answer, text } = await askMadeHistory([
      ...repeat(20, on({}, good(3))),
      ...repeat(10, on(A95, bad(3, "reset-failed"))),
      ...repeat(20, on(version("1B01"), good(3))),
      on(version("1B01"), reset),
      on(version("1B01"), good(3)),
    ]);
    assert.equal(answer.blame.certainty, "likely", "one stray failure among 130 starts takes little from it");
    assert.match(text.certainty, /1 start went the other way/);
    assert.match(
      sectionOf(text, "Where it turned"),
      /boot b20\n.*boot b21\nWorks again since: #91, .*boot b31$/,
    );
    assert.match(sectionOf(text, "What changed there"), /A63 \([0-9-]+\) → .*A95/);
  });

  it("a demand that an older kernel put up with shows itself when the kernel changes: both, and either one back", async () => {
    const old: Facts = { "kernel.release": "6.1.0-37-amd64" };
    const both = await askMadeHistory([
      ...repeat(6, on(old, good())),
      ...repeat(4, on({ ...old, ...BIOS_A95 }, good())),
      ...repeat(2, on(BIOS_A95, bad())),
    ]);
    assert.deepEqual(
      both.answer.blame.sets[0]?.suspects.map(({ family }) => family),
      ["BIOS", "kernel"],
    );
    assert.equal(both.answer.blame.certainty, "likely");
    assert.match(
      both.text.headline,
      /either one back heals it: 10 of 10 starts worked without the two of them together, 0 of 2 with/,
    );
    const back = await askMadeHistory([
      ...repeat(6, on(old, good())),
      ...repeat(4, on({ ...old, ...BIOS_A95 }, good())),
      ...repeat(2, on(BIOS_A95, bad())),
      ...repeat(2, on({}, good())),
    ]);
    assert.equal(back.answer.blame.certainty, "confirmed");
  });

  it("does not say that nothing changed where what changed is merely a worse explanation", async () => {
    const older: Facts = { "vm.Windows 11.machine": "pc-q35-8.2" };
    const { answer, text } = await askMadeHistory([
      ...repeat(30, on({}, good())),
      on(older, good()),
      on({}, good()),
      on(older, reset),
    ]);
    assert.equal(answer.blame.reason, "nothing-changed");
    assert.match(text.headline, /^What changed when 'Windows 11' began to fail explains it less well than/);
    assert.match(text.certainty, /What is left: .*definition/);
  });

  it("a demand that came without a new BIOS is laid to the firmware's tables, not shared with the region", async () => {
    const { "firmware.bios.version": _version, "firmware.bios.date": _date, ...demand } = BIOS_A95;
    const { answer, text } = await askMadeHistory([
      ...repeat(6, on({}, good())),
      ...repeat(4, on(demand, bad())),
    ]);
    assert.equal(answer.blame.certainty, "likely");
    assert.match(text.headline, /table IVRS demands, without a new BIOS \(as a BIOS setting would make it\)/);
    assert.match(sectionOf(text, "What would tell"), /Set the BIOS settings back/);
  });

  it("an update of the whole system is possible, no more, until it was put back", async () => {
    const old: Facts = { "software.os.version": "7.1.0" };
    const updated: Facts = { "software.os.version": "7.2.1", ...NEW_KERNEL };
    const certainty = async (cause: CauseClass, ...after: readonly MadeBoot[]) => {
      const boots = [...repeat(30, on(old, good())), ...repeat(8, on(updated, bad(1, cause))), ...after];
      return (await askMadeHistory(boots)).answer.blame.certainty;
    };
    assert.equal(
      await certainty("reset-failed"),
      "possible",
      "a setting may have turned in the same sitting",
    );
    assert.equal(await certainty("access-denied"), "likely", "rights are what the system makes them");
    assert.equal(await certainty("reset-failed", ...repeat(4, on(old, good()))), "likely");
  });

  it("what was put back and failed all the same is not proposed again", async () => {
    const refused = bad(1, "container-setup-failed");
    const proposed = async (...between: readonly MadeBoot[]) => {
      const boots = [
        ...repeat(20, on({}, good())),
        ...repeat(2, on(A95, refused)),
        ...between,
        ...repeat(6, on(A95, refused)),
      ];
      return sectionOf((await askMadeHistory(boots)).text, "What would tell");
    };
    assert.match(await proposed(), /Go back to BIOS E7E49AMSI.1A63/);
    assert.doesNotMatch(await proposed(on({}, refused)), /Go back to BIOS/);
  });

  it("boots imported later, and a boot whose clock was wrong, stand where they belong", async () => {
    const imported = (facts: Facts, at: number, start: typeof reset): MadeBoot => ({
      ...on(facts, start),
      origin: "imported",
      at,
    });
    const { answer, text } = await askMadeHistory([
      ...repeat(2, on(BIOS_A95, bad())),
      { ...on(BIOS_A95, bad()), at: Date.UTC(1970, 0, 2) },
      on({}, good(2)),
      ...[10, 20, 30].map((days) => imported({}, BEGINNING - days * DAY, good())),
      imported(BIOS_A95, BEGINNING - DAY, bad()),
    ]);
    assert.equal(answer.blame.certainty, "confirmed");
    assert.match(
      text.headline,
      /: 3 of 3 starts worked on A63, 0 of 4 on A95, 2 of 2 after going back to A63\.$/,
    );
    assert.equal(answer.imported, "some");
  });
});
