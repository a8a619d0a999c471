import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { askBlame, type BlameQuestion } from "../../src/history/ask-blame.ts";
import { describeBlame } from "../../src/history/describe-blame.ts";
import { vmName } from "../../src/model/identifiers.ts";
import {
  AUDIO_IDENTITY,
  BIOS_A95,
  bad,
  type Facts,
  GPU_IDENTITY,
  good,
  hostFacts,
  type MadeBoot,
  type MadeStart,
  NONE,
  storeHistory,
  UNREADABLE,
} from "../helpers/made-history.ts";
import { withStore } from "../store/samples.ts";

const OTHER_CARD = "10de:1f08/1043:8671";

/** What may be different in a boot; several of them together. */
const differences: readonly Facts[] = [
  BIOS_A95,
  { "firmware.bios.version": "E7E49AMSI.1B01" },
  { "kernel.release": "6.18.1-Unraid" },
  { "kernel.parameter.iommu": "pt" },
  { "kernel.parameter": UNREADABLE },
  { "firmware-tables.IVRS": UNREADABLE },
  { "vm.Windows 11.machine": "pc-i440fx-9.2", "vm.Other.machine": "pc-i440fx-9.2" },
  { [`pci.${GPU_IDENTITY}.address`]: "0000:03:00.0", [`pci.${AUDIO_IDENTITY}.address`]: "0000:03:00.1" },
  { [`pci.${GPU_IDENTITY}.driver`]: "nouveau" },
  { [`pci.${OTHER_CARD}.address`]: "0000:05:00.0", [`iommu.group.${OTHER_CARD}.members`]: OTHER_CARD },
  { [`pci.${OTHER_CARD}.address`]: "0000:01:00.0", [`pci.${GPU_IDENTITY}.address`]: NONE },
  { "software.plugin.nut": "2", "software.qemu": "10.0.0" },
];

const anyStart: fc.Arbitrary<MadeStart> = fc.record({
  vm: fc.constantFrom("Windows 11", "Other"),
  devices: fc.constantFrom(["0000:01:00.0", "0000:01:00.1"], ["0000:03:00.0"], ["0000:05:00.0"], []),
  times: fc.integer({ min: 1, max: 3 }),
});

const anyBoot: fc.Arbitrary<MadeBoot> = fc
  .record({
    chosen: fc.subarray([...differences], { maxLength: 3 }),
    noise: fc.nat(3),
    starts: fc.array(fc.tuple(anyStart, fc.nat(5)), { maxLength: 3 }),
    withoutSnapshot: fc.nat(9),
  })
  .map(({ chosen, noise, starts, withoutSnapshot }) => ({
    facts: hostFacts(Object.assign({ "software.plugin.other": `v${noise}` }, ...chosen)),
    starts: starts.map(([start, how]) => {
      if (how === 0) return { ...bad(1, "reset-failed"), ...start };
      if (how === 1) return { ...bad(1, "host-resource-missing"), ...start };
      // Mostly it goes as the firmware has it, so that there is something to find.
      return chosen.includes(BIOS_A95) ? { ...bad(), ...start } : { ...good(), ...start };
    }),
    withoutSnapshot: withoutSnapshot === 0,
  }));

const questions: readonly BlameQuestion[] = [
  {},
  { vm: vmName("Windows 11") },
  { vm: vmName("Other") },
  { device: "0000:01:00.0" },
  { device: "0000:05:00.0" },
  { device: "10de:2805" },
  { device: OTHER_CARD, vm: vmName("Windows 11") },
];

describe("what the answer to blame is made from", () => {
  it("is the same whether all facts are read in all snapshots or only those that can explain it", () =>
    fc.assert(
      fc.asyncProperty(fc.array(anyBoot, { minLength: 1, maxLength: 30 }), (boots) =>
        withStore((store) => {
          storeHistory(store, boots);
          for (const question of questions) {
            const whole = askBlame(store, question, Number.POSITIVE_INFINITY);
            const selected = askBlame(store, question, 0);
            assert.deepEqual(describeBlame(selected), describeBlame(whole));
            assert.deepEqual(selected, whole);
          }
        }),
      ),
      { numRuns: 60 },
    ));
});
