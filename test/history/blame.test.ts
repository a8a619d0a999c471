import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type Blame, findBlames } from "../../src/history/blame.ts";
import { createFactTable, type FactColumn } from "../../src/history/fact-table.ts";
import { findSubject } from "../../src/history/subject.ts";
import { findFaults, type StartTally } from "../../src/history/trials.ts";
import type { Outcome } from "../../src/model/attempt.ts";
import type { CauseClass } from "../../src/model/catalogue.ts";
import type { FactGroup, FactValue } from "../../src/model/fact.ts";
import { bootId, vmName } from "../../src/model/identifiers.ts";

const DIRECT: CauseClass = "iommu-direct-mapping-required";

/** One boot of a made-up host: its facts, and how the starts in it went. */
interface Boot {
  readonly facts: Readonly<Record<string, string | undefined>>;
  readonly good?: number;
  readonly bad?: number;
  readonly cause?: CauseClass;
}

const DEMAND = "firmware-tables.IVRS.ivmd";
const NO_KEY = "(no key)";

const groupOf = (key: string): FactGroup => (key.split(".")[0] ?? "software") as FactGroup;

/** `undefined` is absent; `"?"` could not be read. */
function toValue(text: string | undefined): FactValue {
  if (text === undefined) return { state: "absent" };
  return text === "?" ? { state: "unknown", why: "needs root" } : { state: "value", value: text };
}

function blame(boots: readonly Boot[], devices: readonly string[] = []): Blame {
  const tallies: StartTally[] = [];
  let number = 0;
  for (const [ordinal, boot] of boots.entries()) {
    const add = (outcome: Outcome, count: number, cause: CauseClass | undefined) => {
      if (count === 0) return;
      number += 1;
      tallies.push({
        vm: vmName("Windows 11"),
        bootId: bootId(`boot-${ordinal}`),
        bootOrdinal: ordinal,
        outcome,
        cause,
        devices: [],
        snapshotId: `s${ordinal}`,
        origin: "live",
        count,
        firstAt: number,
        lastAt: number,
        firstNumber: number,
        lastNumber: number,
      });
    };
    add("started", boot.good ?? 0, undefined);
    add("failed", boot.bad ?? 0, boot.cause ?? DIRECT);
  }
  const keys = [...new Set(boots.flatMap((boot) => Object.keys(boot.facts)))];
  const constants = new Map<string, FactValue>();
  const columns = keys.flatMap((key): FactColumn[] => {
    // The subject's table always says of a demand whether it is there; a missing key of another kind says nothing.
    const textIn = (boot: Boot) => (key in boot.facts || key === DEMAND ? boot.facts[key] : NO_KEY);
    const texts = [...new Set(boots.map(textIn))];
    const [only] = texts;
    if (texts.length < 2) {
      constants.set(key, toValue(only));
      return [];
    }
    const listed = texts.filter((text) => text !== NO_KEY);
    return [
      {
        group: groupOf(key),
        key,
        values: listed.map(toValue),
        indexes: boots.map((boot) => (textIn(boot) === NO_KEY ? -1 : listed.indexOf(textIn(boot)))),
      },
    ];
  });
  const places = new Map(boots.map((_boot, ordinal) => [`s${ordinal}`, ordinal]));
  const subject = { ...findSubject([vmName("Windows 11")], []), devices: new Set(devices) };
  return findBlames({
    tallies,
    faults: findFaults(tallies),
    table: createFactTable(columns, constants),
    placeOf: places,
    subject,
  })[0];
}

const families = (verdict: Blame) => verdict.sets[0]?.suspects.map((suspect) => suspect.family) ?? [];
const bios = (version: string) => ({ "firmware.bios.version": version });

describe("blame", () => {
  it("confirms the BIOS when going back to the old one heals", () => {
    const verdict = blame([
      { facts: bios("A63"), good: 14 },
      { facts: { ...bios("A95"), [DEMAND]: "0x1000" }, bad: 6 },
      { facts: bios("A63"), good: 3 },
    ]);
    assert.equal(verdict.certainty, "confirmed");
    assert.deepEqual(families(verdict), ["BIOS"]);
    assert.equal(verdict.healed, true);
    assert.equal(verdict.sets[0]?.proof[0]?.key, DEMAND);
    assert.equal(verdict.good, 17);
    assert.equal(verdict.bad, 6);
  });

  it("calls a single update likely when the firmware's demand proves it, and only possible without proof", () => {
    const proven = blame([
      { facts: bios("A63"), good: 1 },
      { facts: { ...bios("A95"), [DEMAND]: "0x1000" }, bad: 1 },
    ]);
    assert.equal(proven.certainty, "likely");
    const coincidence = blame([
      { facts: bios("A63"), good: 1 },
      { facts: bios("A95"), bad: 1, cause: "reset-failed" },
    ]);
    assert.equal(coincidence.certainty, "possible");
  });

  it("names BIOS and kernel as one set when they always changed together, with neither confirmed", () => {
    const verdict = blame([
      ...Array.from({ length: 5 }, () => ({ facts: { ...bios("1"), "kernel.release": "6.6" }, good: 1 })),
      ...Array.from({ length: 5 }, () => ({
        facts: { ...bios("2"), "kernel.release": "6.12" },
        bad: 1,
        cause: "reset-failed" as const,
      })),
    ]);
    assert.deepEqual(families(verdict), ["BIOS", "kernel"]);
    assert.equal(verdict.certainty, "possible");
  });

  it("tells BIOS and kernel apart once one of them went back alone", () => {
    const verdict = blame([
      { facts: { ...bios("1"), "kernel.release": "6.6" }, good: 3 },
      { facts: { ...bios("2"), "kernel.release": "6.12" }, bad: 3 },
      { facts: { ...bios("2"), "kernel.release": "6.6" }, good: 3 },
      { facts: { ...bios("2"), "kernel.release": "6.12" }, bad: 3 },
      { facts: { ...bios("2"), "kernel.release": "6.6" }, good: 3 },
      { facts: { ...bios("2"), "kernel.release": "6.6" }, good: 3 },
      { facts: { ...bios("2"), "kernel.release": "6.6" }, good: 3 },
    ]);
    assert.deepEqual(families(verdict), ["kernel"]);
    assert.equal(verdict.certainty, "confirmed");
    assert.deepEqual(
      verdict.cleared.map((record) => record.key),
      [],
    );
  });

  it("clears what changed at the boundary and stayed while it healed", () => {
    const verdict = blame([
      { facts: { ...bios("1"), "vm.Windows 11.machine": "q35-9" }, good: 5 },
      { facts: { ...bios("2"), "vm.Windows 11.machine": "q35-10", [DEMAND]: "0x1" }, bad: 2 },
      { facts: { ...bios("1"), "vm.Windows 11.machine": "q35-10" }, good: 5 },
    ]);
    assert.deepEqual(families(verdict), ["BIOS"]);
    assert.deepEqual(
      verdict.cleared.map((record) => record.key),
      ["vm.Windows 11.machine"],
    );
  });

  it("does not blame the BIOS for a reset that fails one time in five on every version", () => {
    const boots = Array.from({ length: 40 }, (_, index) => ({
      facts: bios(index < 20 ? "1" : "2"),
      ...(index % 5 === 4 ? { bad: 1 } : { good: 1 }),
      cause: "reset-failed" as const,
    }));
    const verdict = blame(boots);
    assert.equal(verdict.certainty, "unknown");
    assert.equal(verdict.reason, "comes-and-goes");
  });

  it("blames the second of two updates when the first was harmless", () => {
    const verdict = blame([
      { facts: bios("A40"), good: 4 },
      { facts: bios("A63"), good: 4 },
      { facts: { ...bios("A95"), [DEMAND]: "0x1" }, bad: 4 },
    ]);
    assert.deepEqual(families(verdict), ["BIOS"]);
    assert.equal(verdict.boundary?.lastGood.snapshotId, "s1");
    assert.equal(verdict.boundary?.firstBad.snapshotId, "s2");
  });

  it("says that nothing is known when the VM never started", () => {
    const verdict = blame([{ facts: bios("1"), bad: 3 }]);
    assert.equal(verdict.certainty, "unknown");
    assert.equal(verdict.reason, "no-good-start");
  });

  it("ignores failures of other classes in between", () => {
    const verdict = blame([
      { facts: bios("A63"), good: 3 },
      { facts: bios("A63"), bad: 2, cause: "host-resource-missing" },
      { facts: bios("A63"), good: 3 },
      { facts: { ...bios("A95"), [DEMAND]: "0x1" }, bad: 3 },
    ]);
    assert.deepEqual(families(verdict), ["BIOS"]);
    assert.equal(verdict.certainty, "likely");
  });

  it("never counts a fact that could not be read as changed", () => {
    const verdict = blame([
      { facts: { "firmware.bios.version": "A63", "vfio-setup.binding": "once" }, good: 5 },
      { facts: { "firmware.bios.version": "A95", "vfio-setup.binding": "?", [DEMAND]: "0x1" }, bad: 5 },
    ]);
    assert.deepEqual(families(verdict), ["BIOS"]);
  });

  it("takes everything below an unreadable parent as unread, not as gone", () => {
    const verdict = blame([
      { facts: { ...bios("1"), "kernel.parameter": "listed", "kernel.parameter.iommu": "pt" }, good: 5 },
      { facts: { ...bios("2"), "kernel.parameter": "?" }, bad: 5, cause: "reset-failed" },
    ]);
    assert.deepEqual(families(verdict), ["BIOS"]);
  });

  it("blames the slot when only the card moved", () => {
    const boots = [
      ...Array.from({ length: 6 }, () => ({ facts: { "pci.10de:2805.address": "0000:01:00.0" }, good: 1 })),
      ...Array.from({ length: 3 }, () => ({
        facts: { "pci.10de:2805.address": "0000:03:00.0" },
        bad: 1,
        cause: "device-missing" as const,
      })),
    ];
    const verdict = blame(boots, ["10de:2805"]);
    assert.deepEqual(families(verdict), ["PCI devices"]);
    assert.equal(verdict.certainty, "likely");
  });

  it("does not call a fact that one snapshot did not collect a change", () => {
    const verdict = blame([
      { facts: { ...bios("1") }, good: 5 },
      { facts: { ...bios("1"), "firmware.secure-boot": "enabled" }, bad: 5, cause: "reset-failed" },
    ]);
    assert.equal(verdict.certainty, "unknown");
    assert.equal(verdict.reason, "nothing-changed");
  });

  it("names the BIOS alone when the kernel came with it but only firmware writes the demand", () => {
    const verdict = blame([
      { facts: { ...bios("A63"), "kernel.release": "6.6" }, good: 5 },
      { facts: { ...bios("A95"), "kernel.release": "6.12", [DEMAND]: "0x1" }, bad: 5 },
    ]);
    assert.deepEqual(families(verdict), ["BIOS"]);
    assert.deepEqual(
      verdict.sets[0]?.besides.map(({ family }) => family),
      ["kernel"],
    );
    assert.equal(verdict.certainty, "likely");
  });

  it("holds the BIOS with which all starts fail likely in spite of a stray failure on the other", () => {
    const verdict = blame([
      ...Array.from({ length: 30 }, (_, index) => ({
        facts: bios("A63"),
        good: 5,
        ...(index === 7 && { bad: 1 }),
        cause: "reset-failed" as const,
      })),
      ...Array.from({ length: 15 }, () => ({
        facts: bios("A95"),
        bad: 3,
        cause: "reset-failed" as const,
      })),
    ]);
    assert.deepEqual(families(verdict), ["BIOS"]);
    assert.equal(verdict.certainty, "likely");
    assert.equal(verdict.sets[0]?.misplaced, 1);
  });

  it("keeps to the passed-through device when the newest failure is about a missing disk image", () => {
    const verdict = blame([
      { facts: bios("A63"), good: 3 },
      { facts: { ...bios("A95"), [DEMAND]: "0x1" }, bad: 3 },
      { facts: { ...bios("A95"), [DEMAND]: "0x1" }, bad: 1, cause: "host-resource-missing" },
    ]);
    assert.equal(verdict.failure, DIRECT);
    assert.deepEqual(families(verdict), ["BIOS"]);
  });

  const plantable = [
    "firmware.bios.version",
    "kernel.release",
    "kernel.parameter.iommu",
    "vm.Windows 11.machine",
  ];
  const keysOf = (set: Blame["sets"][number] | undefined) =>
    set?.suspects.flatMap((suspect) => suspect.facts.map((fact) => fact.key)) ?? [];

  /** Of the answers of one grade, how many name the planted one. */
  function createScore() {
    const counts = { confirmed: [0, 0], likely: [0, 0], possible: [0, 0], unknown: [0, 0] };
    return {
      add(verdict: Blame, planted: string) {
        const count = counts[verdict.certainty];
        count[1] = (count[1] ?? 0) + 1;
        if (keysOf(verdict.sets[0]).includes(planted)) count[0] = (count[0] ?? 0) + 1;
      },
      wrong: (grade: keyof typeof counts) => (counts[grade][1] ?? 0) - (counts[grade][0] ?? 0),
      all: (grade: keyof typeof counts) => counts[grade][1] ?? 0,
      right: () => Object.values(counts).reduce((sum, [right = 0]) => sum + right, 0),
      total: () => Object.values(counts).reduce((sum, [, all = 0]) => sum + all, 0),
    };
  }

  it("finds a planted cause in thousands of histories in which everything changes all the time", () => {
    const history = fc.record({
      planted: fc.constantFrom(...plantable),
      boots: fc.array(
        fc.record({
          values: fc.record(
            Object.fromEntries(plantable.map((key) => [key, fc.integer({ min: 0, max: 3 })])),
          ),
          noise: fc.nat(3),
          starts: fc.integer({ min: 1, max: 4 }),
        }),
        { minLength: 2, maxLength: 25 },
      ),
      broken: fc.integer({ min: 0, max: 3 }),
    });
    const score = createScore();
    fc.assert(
      fc.property(history, ({ planted, boots, broken }) => {
        const verdict = blame(
          boots.map(({ values, noise, starts }): Boot => {
            const facts = Object.fromEntries(
              Object.entries(values).map(([key, value]) => [key, `v${value}`]),
            );
            const fails = values[planted] === broken;
            return {
              facts: { ...facts, "software.qemu": `q${noise}` },
              ...(fails ? { bad: starts } : { good: starts }),
              cause: "reset-failed",
            };
          }),
        );
        if (verdict.bad === 0 || verdict.good === 0) assert.equal(verdict.certainty, "unknown");
        else score.add(verdict, planted);
      }),
      { numRuns: 3000, seed: 1 },
    );
    assert.equal(score.wrong("confirmed"), 0);
    assert.ok(
      score.wrong("likely") <= 0.03 * score.all("likely"),
      `${score.wrong("likely")} of ${score.all("likely")} likely ones are wrong`,
    );
    assert.ok(score.all("likely") > 200, "there were some");
  });

  it("puts the planted cause first where things change one at a time, as on a real host", () => {
    const history = fc.record({
      planted: fc.nat(plantable.length - 1),
      // Which fact changes before each boot, and whether a second one changes with it.
      steps: fc.array(fc.tuple(fc.nat(plantable.length - 1), fc.nat(11)), { minLength: 6, maxLength: 40 }),
      brokenFrom: fc.integer({ min: 1, max: 3 }),
    });
    const score = createScore();
    fc.assert(
      fc.property(history, ({ planted, steps, brokenFrom }) => {
        const versions = plantable.map(() => 0);
        const boots = steps.map(([changed, second]): Boot => {
          versions[changed] = (versions[changed] ?? 0) + 1;
          if (second < plantable.length) versions[second] = (versions[second] ?? 0) + 1;
          const facts = Object.fromEntries(plantable.map((key, index) => [key, `v${versions[index]}`]));
          const fails = (versions[planted] ?? 0) >= brokenFrom;
          return { facts, ...(fails ? { bad: 2 } : { good: 2 }), cause: "reset-failed" };
        });
        const verdict = blame(boots);
        if (verdict.bad > 0 && verdict.good > 0) score.add(verdict, plantable[planted] ?? "");
      }),
      { numRuns: 3000, seed: 1 },
    );
    assert.ok(score.total() > 1000, `${score.total()} histories had good and failed starts`);
    assert.equal(score.wrong("confirmed"), 0);
    assert.ok(
      score.right() >= 0.6 * score.total(),
      `${score.right()} of ${score.total()} first suspects are right`,
    );
  });
});
