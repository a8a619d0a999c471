import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type Blame, findBlame } from "../../src/history/blame.ts";
import type { FactColumn } from "../../src/history/suspects.ts";
import type { StartTally } from "../../src/history/trials.ts";
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

const groupOf = (key: string): FactGroup => (key.split(".")[0] ?? "software") as FactGroup;

/** `undefined` is absent; `"?"` could not be read. */
function toValue(text: string | undefined): FactValue {
  if (text === undefined) return { state: "absent" };
  return text === "?" ? { state: "unknown", why: "needs root" } : { state: "value", value: text };
}

function blame(boots: readonly Boot[]): Blame {
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
  const columns = keys.flatMap((key): FactColumn[] => {
    const texts = [...new Set(boots.map((boot) => boot.facts[key]))];
    if (texts.length < 2) return [];
    return [
      {
        group: groupOf(key),
        key,
        values: texts.map(toValue),
        // As the store does it: a key that a snapshot lacks has no index.
        indexes: boots.map((boot) => (boot.facts[key] === undefined ? -1 : texts.indexOf(boot.facts[key]))),
      },
    ];
  });
  return findBlame(tallies, columns, new Map(boots.map((_boot, ordinal) => [`s${ordinal}`, ordinal])));
}

const families = (verdict: Blame) => verdict.sets[0]?.suspects.map((suspect) => suspect.family) ?? [];
const bios = (version: string) => ({ "firmware.bios.version": version });
const DEMAND = "firmware-tables.ivrs.ivmd-demands";

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
    const verdict = blame([
      ...Array.from({ length: 6 }, () => ({ facts: { "pci.10de:2805.address": "0000:01:00.0" }, good: 1 })),
      ...Array.from({ length: 3 }, () => ({
        facts: { "pci.10de:2805.address": "0000:03:00.0" },
        bad: 1,
        cause: "device-missing" as const,
      })),
    ]);
    assert.deepEqual(families(verdict), ["PCI devices"]);
    assert.equal(verdict.certainty, "likely");
  });

  it("finds a planted cause in thousands of random histories and never confirms another", () => {
    const plantable = [
      "firmware.bios.version",
      "kernel.release",
      "kernel.parameter.iommu",
      "vm.Windows 11.machine",
    ];
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
        const anyBad = verdict.bad > 0;
        if (!anyBad || verdict.good === 0) {
          assert.equal(verdict.certainty, "unknown");
          return;
        }
        const everywhere = verdict.sets.flatMap((set) => set.suspects.flatMap((suspect) => suspect.facts));
        assert.ok(
          everywhere.some((fact) => fact.key === planted),
          "the planted cause is among the suspects",
        );
        if (verdict.certainty === "confirmed") {
          const named = verdict.sets[0]?.suspects.flatMap((suspect) => suspect.facts.map((fact) => fact.key));
          assert.ok(named?.includes(planted), `confirmed ${named?.join()} though ${planted} was planted`);
        }
      }),
      { numRuns: 3000 },
    );
  });
});
