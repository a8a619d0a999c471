import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { askBlame, type BlameAnswer, type BlameQuestion } from "../../src/history/ask-blame.ts";
import { type BlameText, describeBlame } from "../../src/history/describe-blame.ts";
import { vmName } from "../../src/model/identifiers.ts";
import {
  BIOS_A95,
  bad,
  good,
  hostFacts,
  type MadeBoot,
  NONE,
  repeat,
  storeHistory,
  UNREADABLE,
} from "../helpers/made-history.ts";
import { withStore } from "../store/samples.ts";

async function ask(
  boots: readonly MadeBoot[],
  check: (answer: BlameAnswer, text: BlameText) => void,
  question: BlameQuestion = {},
): Promise<void> {
  await withStore((store) => {
    storeHistory(store, boots);
    const answer = askBlame(store, question);
    check(answer, describeBlame(answer));
  });
}

const families = (answer: BlameAnswer, set = 0) =>
  answer.blame.sets[set]?.suspects.map(({ family }) => family) ?? [];
const section = (text: BlameText, title: RegExp) =>
  text.sections.find((candidate) => title.test(candidate.title))?.lines.join("\n") ?? "";
const GPU = "NVIDIA GeForce RTX 4060 Ti 16GB (0000:01:00.0)";

const a63 = (starts: MadeBoot["starts"]): MadeBoot => ({ facts: hostFacts(), starts });
const a95 = (starts: MadeBoot["starts"]): MadeBoot => ({ facts: hostFacts(BIOS_A95), starts });

describe("which change broke passthrough, asked of the stored history", () => {
  it("single update: likely, since nobody went back yet", async () => {
    await ask([...repeat(7, a63([good(2)])), ...repeat(3, a95([bad(2)]))], (answer, text) => {
      assert.equal(answer.blame.certainty, "likely");
      assert.equal(
        text.headline,
        `BIOS E7E49AMSI.1A95 most likely broke passthrough of ${GPU} for 'Windows 11': 14 of 14 starts worked on A63, 0 of 6 on A95.`,
      );
      assert.match(section(text, /turned/), /#14, .*boot b7\n.*#15, .*boot b8\nIt has not worked since/);
      assert.match(section(text, /apart/), /Go back to BIOS E7E49AMSI\.1A63 only/);
    });
  });

  it("update and revert: confirmed, word for word, with the entry that did it", async () => {
    await ask(
      [...repeat(7, a63([good(2)])), ...repeat(3, a95([bad(2)])), ...repeat(3, a63([good()]))],
      (answer, text) => {
        assert.equal(answer.blame.certainty, "confirmed");
        assert.equal(
          text.headline,
          `BIOS E7E49AMSI.1A95 broke passthrough of ${GPU} for 'Windows 11': 14 of 14 starts worked on A63, 0 of 6 on A95, 3 of 3 after going back to A63.`,
        );
        assert.match(text.certainty, /^Confirmed \(more than 99 in 100\): it was changed back/);
        const breaks = section(text, /breaks/);
        assert.match(breaks, /IVRS .*IVMD type 22h, flags 08h .*0xa5a32000-0xa5a32fff/);
        assert.doesNotMatch(breaks, /0000:00:14\.0/, "the entry that was always there is not named");
        assert.match(section(text, /turned/), /Works again since: #21/);
        assert.deepEqual(
          text.table.map((row) => [row[0], row[3], row[4], row[5], row[6]]),
          [
            ["BIOS", "starts", "worked", "failed", "causes"],
            ["E7E49AMSI.1A63", "17", "17", "0", "-"],
            ["E7E49AMSI.1A95", "6", "0", "6", "iommu-direct-mapping-required (6)"],
          ],
        );
      },
    );
  });

  it("BIOS and kernel together: one inseparable set and the one experiment", async () => {
    const later = { "firmware.bios.version": "E7E49AMSI.1A95", "kernel.release": "6.18.1-Unraid" };
    await ask(
      [
        ...repeat(6, a63([good()])),
        ...repeat(6, { facts: hostFacts(later), starts: [bad(1, "reset-failed")] }),
      ],
      (answer, text) => {
        assert.deepEqual(families(answer), ["BIOS", "kernel"]);
        assert.equal(answer.blame.certainty, "possible");
        assert.match(
          text.headline,
          /^BIOS E7E49AMSI\.1A95 or kernel 6\.18\.1-Unraid, which always changed together, may have broken/,
        );
        assert.match(section(text, /apart/), /Go back to kernel 6\.12\.54-Unraid only.*\(BIOS\)/);
      },
    );
  });

  it("BIOS and kernel together with the firmware's new demand: the BIOS, because only it writes that", async () => {
    const later = { ...BIOS_A95, "kernel.release": "6.18.1-Unraid" };
    await ask(
      [...repeat(3, a63([good()])), { facts: hostFacts(later), starts: [bad(2)] }],
      (answer, text) => {
        assert.deepEqual(families(answer), ["BIOS"]);
        assert.equal(answer.blame.certainty, "likely");
        assert.match(section(text, /^Suspect/), /besides: kernel changed with it/);
      },
    );
  });

  it("kernel alone", async () => {
    const later = { "kernel.release": "6.18.1-Unraid" };
    await ask(
      [
        ...repeat(6, a63([good()])),
        ...repeat(4, { facts: hostFacts(later), starts: [bad(1, "reset-failed")] }),
        ...repeat(2, a63([good()])),
      ],
      (answer, text) => {
        assert.deepEqual(families(answer), ["kernel"]);
        assert.equal(answer.blame.certainty, "likely");
        assert.match(
          text.headline,
          /^Kernel 6\.18\.1-Unraid most likely broke .*: 6 of 6 starts worked on 6\.12\.54-Unraid, 0 of 4 on 6\.18\.1-Unraid, 2 of 2 after going back to 6\.12\.54-Unraid\.$/,
        );
      },
    );
  });

  it("VM edited; another VM edited at the same time is not even looked at", async () => {
    const later = { "vm.Windows 11.machine": "pc-i440fx-9.2", "vm.Other.machine": "pc-i440fx-9.2" };
    await ask(
      [
        ...repeat(6, a63([good()])),
        ...repeat(4, { facts: hostFacts(later), starts: [bad(1, "device-config-invalid")] }),
      ],
      (answer, text) => {
        assert.deepEqual(families(answer), ["definition of VM Windows 11"]);
        assert.equal(answer.blame.certainty, "likely");
        assert.match(
          text.headline,
          /^The change of the definition of 'Windows 11' \(.*pc-q35-9\.2 → pc-i440fx-9\.2\)/,
        );
        assert.doesNotMatch(JSON.stringify(text), /Other/);
        assert.equal(answer.otherChanges, 1);
      },
    );
  });

  it("GPU moved slot: the move, followed by what the device is", async () => {
    const moved = {
      "pci.10de:2805/1462:5174.address": "0000:03:00.0",
      "pci.10de:22bd/1462:5174.address": "0000:03:00.1",
    };
    const boots = [
      ...repeat(4, a63([good()])),
      ...repeat(3, { facts: hostFacts(moved), starts: [bad(1, "device-missing")] }),
    ];
    await ask(boots, (answer, text) => {
      assert.equal(answer.blame.certainty, "likely");
      assert.match(
        text.headline,
        /^The move of NVIDIA GeForce RTX 4060 Ti 16GB from 0000:01:00\.0 to 0000:03:00\.0 most likely broke/,
      );
    });
    const edited = {
      facts: hostFacts(moved),
      starts: [good(2, { devices: ["0000:03:00.0", "0000:03:00.1"] })],
    };
    for (const device of ["10de:2805", "0000:03:00.0"])
      await ask(
        [...boots.slice(0, 4), edited],
        (answer) => assert.equal(answer.blame.good, 6, `${device} is followed over its move`),
        { device },
      );
  });

  it("flaky reset: one failure in five on every BIOS blames no BIOS", async () => {
    const boots = Array.from(
      { length: 40 },
      (_, index): MadeBoot => ({
        facts: hostFacts({ "firmware.bios.version": `E7E49AMSI.1A${60 + Math.floor(index / 20)}` }),
        starts: [index % 5 === 4 ? bad(1, "reset-failed") : good()],
      }),
    );
    await ask(boots, (answer, text) => {
      assert.equal(answer.blame.certainty, "unknown");
      assert.equal(answer.blame.reason, "comes-and-goes");
      assert.match(text.headline, /^No BIOS version and no other change explains .*8 of 40 starts failed/);
    });
  });

  it("two GPUs of which one breaks: the VM of that one, and the other VM is left alone", async () => {
    const second = {
      "pci.10de:1f08/1043:8671.address": "0000:05:00.0",
      "pci.10de:1f08/1043:8671.class": "030000 graphics (VGA)",
      "iommu.group.10de:1f08/1043:8671.members": "10de:1f08/1043:8671",
      "iommu.group.10de:1f08/1043:8671.direct": NONE,
    };
    const ubuntu = { vm: "Ubuntu", devices: ["0000:05:00.0"] };
    const boots = [
      ...repeat(4, { facts: hostFacts(second), starts: [good(), good(1, ubuntu)] }),
      ...repeat(2, { facts: hostFacts({ ...second, ...BIOS_A95 }), starts: [bad(), good(1, ubuntu)] }),
    ];
    await ask(boots, (answer) => {
      assert.deepEqual(answer.vms, ["Windows 11"]);
      assert.deepEqual(families(answer), ["BIOS"]);
      assert.equal(answer.blame.certainty, "likely");
    });
    await ask(boots, (answer) => assert.equal(answer.blame.reason, "no-failure"), { vm: vmName("Ubuntu") });
    await ask(boots, (answer) => assert.equal(answer.blame.reason, "no-failure"), { device: "10de:1f08" });
    await ask(
      boots.with(5, {
        facts: hostFacts({ ...second, ...BIOS_A95 }),
        starts: [bad(1, "reset-failed", ubuntu)],
      }),
      (answer, text) => {
        assert.deepEqual(answer.vms, ["Ubuntu"]);
        assert.match(section(text, /Also/), /'Windows 11' fails too/);
      },
    );
  });

  it("one VM with two GPUs: the one in the group with the demand is named", async () => {
    const second = {
      "pci.10de:1f08/1043:8671.address": "0000:00:05.0",
      "pci.10de:1f08/1043:8671.class": "030000 graphics (VGA)",
      "iommu.group.10de:1f08/1043:8671.members": "10de:1f08/1043:8671",
      "iommu.group.10de:1f08/1043:8671.direct": NONE,
    };
    const both = { devices: ["0000:00:05.0", "0000:01:00.0"] };
    await ask(
      [
        { facts: hostFacts(second), starts: [good(3, both)] },
        { facts: hostFacts({ ...second, ...BIOS_A95 }), starts: [bad(3, undefined, both)] },
      ],
      (answer) => assert.equal(answer.devices[0]?.bdf, "0000:01:00.0"),
    );
  });

  it("two updates of which the second breaks", async () => {
    await ask(
      [
        ...repeat(3, { facts: hostFacts({ "firmware.bios.version": "E7E49AMSI.1A40" }), starts: [good()] }),
        ...repeat(3, a63([good()])),
        ...repeat(2, a95([bad()])),
      ],
      (answer, text) => {
        assert.deepEqual(families(answer), ["BIOS"]);
        assert.match(
          text.headline,
          /^BIOS E7E49AMSI\.1A95 .*3 of 3 starts worked on A40, 3 of 3 on A63, 0 of 2 on A95\.$/,
        );
        assert.equal(answer.blame.boundary?.lastGood.bootOrdinal, 6);
      },
    );
  });

  it("no history at all, no failure, and no good start", async () => {
    await ask([], (_answer, text) => assert.match(text.headline, /^No start of a VM is on record/));
    await ask([], (_answer, text) => assert.match(text.headline, /^No start of 'X' is on record/), {
      vm: vmName("X"),
    });
    await ask(
      [a63([good(3)])],
      (_answer, text) => assert.match(text.headline, /No start of 'Windows 11' has failed: 3 of 3/),
      {
        vm: vmName("Windows 11"),
      },
    );
    await ask([a95([bad(6)])], (answer, text) => {
      assert.equal(answer.blame.reason, "no-good-start");
      assert.match(text.headline, /has ever worked on record \(0 of 6\)/);
      assert.match(
        section(text, /breaks/),
        /IVMD type 22h/,
        "what the firmware demands is said all the same",
      );
    });
  });

  it("facts that are missing are said to be missing", async () => {
    await ask([{ ...a63([good(3)]), withoutSnapshot: true }, a95([bad(3)])], (answer, text) => {
      assert.equal(answer.blame.reason, "facts-missing");
      assert.match(text.headline, /not on record/);
    });
  });

  it("tables that could not be read are no change; the refusal's own text proves the region", async () => {
    const unread = {
      "firmware-tables.IVRS": UNREADABLE,
      "firmware.bios.version": "E7E49AMSI.1A95",
    };
    const {
      "firmware-tables.IVRS.sha256": _hash,
      "firmware-tables.IVRS.ivmd.1": _entry,
      ...rest
    } = hostFacts(unread);
    const after = async (cause: Parameters<typeof bad>[1], certainty: string) =>
      await ask([a63([good()]), { facts: rest, starts: [bad(1, cause)] }], (answer) => {
        assert.deepEqual(families(answer), ["BIOS"]);
        assert.equal(answer.blame.certainty, certainty);
      });
    await after("iommu-direct-mapping-required", "likely");
    // One start each, and a failure that happens by itself.
    await after("reset-failed", "possible");
  });

  it("imported starts count and are marked", async () => {
    await ask(
      [
        { ...a63([good(3)]), origin: "imported" },
        { ...a95([bad(3)]), origin: "imported" },
      ],
      (answer, text) => {
        assert.equal(answer.imported, "all");
        assert.match(text.certainty, /All of these starts were not seen live/);
      },
    );
    await ask([{ ...a63([good(3)]), origin: "imported" }, a95([bad(3)])], (answer) =>
      assert.equal(answer.imported, "some"),
    );
  });

  it("a refusal by the platform is neither good nor bad", async () => {
    await ask([a63([good(3)]), a95([{ refused: true }, bad(2)])], (answer, text) => {
      assert.equal(answer.blame.bad, 2);
      assert.match(section(text, /Also/), /1 start was refused/);
    });
  });

  it("what changed at the boundary and stayed while it healed is cleared", async () => {
    const edited = { "vm.Windows 11.memory": "32 GiB" };
    await ask(
      [
        { facts: hostFacts({ "vm.Windows 11.memory": "16 GiB" }), starts: [good(5)] },
        { facts: hostFacts({ ...BIOS_A95, ...edited }), starts: [bad(2)] },
        { facts: hostFacts(edited), starts: [good(5)] },
      ],
      (answer, text) => {
        assert.deepEqual(families(answer), ["BIOS"]);
        assert.match(section(text, /Cleared/), /memory: 16 GiB → 32 GiB .*5 starts worked and 2 failed/);
      },
    );
  });

  it("is sure of what broke it twice within a year of changes, in spite of one failure of its own", async () => {
    // A year with a start a day: facts that come and go, a BIOS that breaks it twice, and a failure of its own.
    const noise = (day: number): Record<string, string> => ({
      "software.plugin.nut": `v${day % 7}`,
      "firmware.microcode": `0x${Math.floor(day / 90)}`,
      ...(day % 3 === 0 && { "kernel.parameter.quiet": "set" }),
      ...(day % 11 === 0 && { "pci.1b73:1100/1b73:1100.address": "0000:07:00.0" }),
    });
    const boots = Array.from({ length: 400 }, (_, day): MadeBoot => {
      const broken = (day >= 150 && day < 180) || day >= 350;
      return {
        facts: hostFacts({ ...noise(day), ...(broken && BIOS_A95) }),
        starts: [broken || day === 42 ? bad() : good()],
      };
    });
    await withStore((store) => {
      storeHistory(store, boots);
      const whole = askBlame(store, {});
      assert.equal(whole.blame.certainty, "confirmed", "there, back and there again, with the mechanism");
      assert.equal(whole.blame.sets[0]?.misplaced, 1);
      assert.deepEqual(families(whole), ["BIOS"]);
    });
  });

  it("a stray failure on a BIOS that works does not make that one the culprit", async () => {
    const b01 = { "firmware.bios.version": "E7E49AMSI.1B01" };
    await ask(
      [
        ...repeat(20, a63([good(3)])),
        ...repeat(10, a95([bad(3)])),
        ...repeat(20, { facts: hostFacts(b01), starts: [good(3)] }),
        { facts: hostFacts(b01), starts: [bad()] },
        { facts: hostFacts(b01), starts: [good(3)] },
      ],
      (answer, text) => {
        assert.equal(answer.blame.certainty, "likely");
        assert.match(text.headline, /^BIOS E7E49AMSI\.1A95 most likely broke/);
      },
    );
  });

  it("sums up many versions by how they went", async () => {
    const version = (number: number, starts: MadeBoot["starts"]): MadeBoot => ({
      facts: hostFacts({ "firmware.bios.version": `E7E49AMSI.1A${number}` }),
      starts,
    });
    const numbers = [10, 20, 30, 40, 50, 60, 70, 80, 90];
    const headline = async (broken: readonly number[]) => {
      let said = "";
      const boots = numbers.map((number) => version(number, [broken.includes(number) ? bad(2) : good(2)]));
      await ask(boots, (_answer, text) => {
        said = text.headline;
      });
      return said.replace(/^.*: /, "");
    };
    assert.equal(
      await headline([40, 60, 80]),
      "12 of 12 starts worked on the 6 others, 0 of 2 on A40, 0 of 2 on A60, 0 of 2 on A80.",
    );
    assert.equal(
      await headline([20, 40, 60, 80]),
      "10 of 10 starts worked on the 5 others, 0 of 2 on A60, 0 of 2 on A80, 0 of 4 on 2 others that fail.",
    );
  });
});
