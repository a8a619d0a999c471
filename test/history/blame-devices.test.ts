import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { vmName } from "../../src/model/identifiers.ts";
import { askMadeHistory } from "../helpers/ask-made-history.ts";
import {
  AUDIO_IDENTITY,
  BIOS_A95,
  bad,
  type Facts,
  GPU_IDENTITY,
  good,
  hostFacts,
  type MadeBoot,
  repeat,
} from "../helpers/made-history.ts";

const on = (facts: Facts, ...starts: MadeBoot["starts"]): MadeBoot => ({ facts: hostFacts(facts), starts });

const RADEON: Facts = {
  "pci.1002:744c/1002:0e3b.address": "0000:01:00.0",
  "pci.1002:744c/1002:0e3b.name":
    "Advanced Micro Devices, Inc. [AMD/ATI] Navi 31 [Radeon RX 7900 XT/7900 XTX]",
  "pci.1002:744c/1002:0e3b.class": "030000 graphics (VGA)",
  "iommu.group.1002:744c/1002:0e3b.members": "1002:744c/1002:0e3b",
};
const MOVED: Facts = {
  [`pci.${GPU_IDENTITY}.address`]: "0000:03:00.0",
  [`pci.${AUDIO_IDENTITY}.address`]: "0000:03:00.1",
};

/** The host with the Radeon in place of its first card. */
function withRadeon(): Facts {
  const isGone = (key: string) => key.includes(GPU_IDENTITY) || key.includes(AUDIO_IDENTITY);
  return {
    ...Object.fromEntries(Object.entries(hostFacts()).filter(([key]) => !isGone(key))),
    ...RADEON,
  };
}

describe("blame follows devices, not addresses", () => {
  const replaced = [
    ...repeat(6, on({}, good())),
    ...repeat(4, { facts: withRadeon(), starts: [bad(1, "reset-failed")] }),
  ];

  it("another card at the same address: the replacement is named as one", async () => {
    const { answer, text } = await askMadeHistory(replaced);
    assert.equal(answer.blame.certainty, "likely");
    assert.match(
      text.headline,
      /^The replacement of NVIDIA GeForce RTX 4060 Ti 16GB by AMD Radeon RX 7900 XT.* at 0000:01:00\.0 most likely broke .*: 6 of 6 starts worked with NVIDIA .*, 0 of 4 with AMD/,
    );
  });

  it("two cards of one model that were swapped are told apart by their boards", async () => {
    const other = "10de:2805/1043:8900";
    const standing = (own: string, others: string): Facts => ({
      [`pci.${GPU_IDENTITY}.address`]: own,
      [`pci.${other}.address`]: others,
      [`pci.${other}.name`]: "NVIDIA Corporation AD106 [GeForce RTX 4060 Ti 16GB]",
      [`pci.${other}.class`]: "030000 graphics (VGA)",
    });
    const { text } = await askMadeHistory([
      ...repeat(8, on(standing("0000:01:00.0", "0000:03:00.0"), good())),
      ...repeat(4, on(standing("0000:03:00.0", "0000:01:00.0"), bad(1, "reset-failed"))),
    ]);
    assert.match(text.headline, /worked with NVIDIA [^(]*\(10de:2805\/1462:5174\) at 0000:01:00\.0/);
    assert.match(text.headline, /0 of 4 with NVIDIA [^(]*\(10de:2805\/1043:8900\) at 0000:01:00\.0/);
  });

  it("asked about the new card, it does not say that the VM never worked", async () => {
    const { text } = await askMadeHistory(replaced, { device: "0000:01:00.0" });
    assert.match(
      text.headline,
      /^No start of 'Windows 11' with AMD Radeon .* has ever worked on record \(0 of 4\)/,
    );
  });

  it("a VM that still asks for the old address of a card that moved failed with that card", async () => {
    const boots = [...repeat(6, on({}, good())), ...repeat(4, on(MOVED, bad(1, "device-missing")))];
    for (const device of ["10de:2805", "0000:01:00.0", "0000:03:00.0"]) {
      const { answer, text } = await askMadeHistory(boots, { device });
      assert.equal(answer.blame.bad, 4, device);
      assert.match(text.headline, /^The move of NVIDIA .* from 0000:01:00\.0 to 0000:03:00\.0 most likely/);
    }
  });

  it("so it did where another card stands at that address by now", async () => {
    const { text } = await askMadeHistory(
      [
        ...repeat(6, on({}, good())),
        ...repeat(4, on({ ...MOVED, ...RADEON }, bad(1, "device-config-invalid"))),
      ],
      { device: "10de:2805" },
    );
    assert.match(text.headline, /0000:01:00\.0 .*: 6 of 6 starts worked with NVIDIA .*, 0 of 4 with AMD/);
  });

  it("but once the VM works with that other card, later failures are the other card's", async () => {
    const { answer } = await askMadeHistory(
      [
        ...repeat(6, on({}, good())),
        on({ ...MOVED, ...RADEON }, good()),
        on({ ...MOVED, ...RADEON }, bad(1, "reset-failed")),
      ],
      { device: "10de:2805" },
    );
    assert.equal(answer.blame.reason, "no-failure");
  });

  it("two VMs share a card and one was edited: the other one's good starts clear the BIOS", async () => {
    const ubuntu = { vm: "Ubuntu" };
    const before: Facts = { "vm.Ubuntu.machine": "pc-q35-9.2" };
    const after: Facts = { "vm.Ubuntu.machine": "pc-i440fx-9.2", "firmware.bios.version": "E7E49AMSI.1A95" };
    const boots = [
      ...repeat(6, on(before, good(), good(1, ubuntu))),
      ...repeat(4, on(after, good(), bad(1, "device-config-invalid", ubuntu))),
    ];
    const { answer, text } = await askMadeHistory(boots, { device: "10de:2805" });
    assert.equal(answer.blame.certainty, "likely");
    assert.match(
      text.headline,
      /^The change of the definition of 'Ubuntu' .* for 'Ubuntu': 6 of 6 .*, 0 of 4 with pc-i440fx-9\.2\.$/,
    );
    assert.equal(answer.blame.boundary?.lastGood.vm, "Ubuntu");
  });

  it("where both VMs fail, the edit of one of them does not explain it", async () => {
    const ubuntu = { vm: "Ubuntu" };
    const after: Facts = { ...BIOS_A95, "vm.Ubuntu.machine": "pc-i440fx-9.2" };
    const { answer, text } = await askMadeHistory(
      [
        ...repeat(3, on({ "vm.Ubuntu.machine": "pc-q35-9.2" }, good(), good(1, ubuntu))),
        ...repeat(3, on(after, bad(), bad(1, undefined, ubuntu))),
      ],
      { device: "10de:2805" },
    );
    assert.deepEqual(
      answer.blame.sets.flatMap(({ suspects }) => suspects.map(({ family }) => family)),
      ["BIOS"],
    );
    assert.match(text.headline, /for 'Windows 11' and 'Ubuntu': /);
  });

  it("a refusal of which only the kernel spoke is compared with the device's good starts", async () => {
    const unknown = { vm: "unknown VM (0000:01:00.0)", devices: ["0000:01:00.0"] };
    const boots = [...repeat(6, on({}, good())), ...repeat(3, on(BIOS_A95, bad(1, undefined, unknown)))];
    for (const question of [{}, { vm: vmName(unknown.vm) }]) {
      const { answer, text } = await askMadeHistory(boots, question);
      assert.equal(answer.blame.certainty, "likely");
      assert.match(text.headline, /^BIOS E7E49AMSI\.1A95 .*6 of 6 starts worked on A63, 0 of 3 on A95\.$/);
    }
  });

  it("a Proxmox VM with a new name is the same VM, and its definition went on", async () => {
    const named = (name: string, facts: Facts, start: MadeBoot["starts"][number]): MadeBoot => ({
      facts: hostFacts({ [`vm.${name}.machine`]: "pc-q35-9.2", ...facts }),
      defined: { [name]: `${/^\d+/.exec(name)}/the-same-uuid` },
      starts: [{ ...start, vm: name }],
    });
    const another = named("1101 (win11)", {}, bad(1, "reset-failed"));
    const ask = (
      facts: Facts,
      question: { vm?: ReturnType<typeof vmName>; device?: string },
      failed = bad(),
    ) =>
      askMadeHistory(
        [
          another,
          ...repeat(6, named("101 (win11)", {}, good())),
          ...repeat(3, named("101 (gaming)", facts, failed)),
        ],
        question,
      );
    for (const vm of ["101 (gaming)", "101 (win11)"]) {
      const { answer, text } = await ask(BIOS_A95, { vm: vmName(vm) });
      assert.equal(answer.blame.certainty, "likely");
      assert.match(
        text.headline,
        /^BIOS E7E49AMSI\.1A95 .* for '101 \(gaming\)': 6 of 6 starts worked on A63, 0 of 3 on A95\.$/,
      );
    }
    const machine: Facts = { "vm.101 (gaming).machine": "pc-i440fx-9.2" };
    const edited = await ask(machine, { vm: vmName("101 (gaming)") }, bad(1, "device-config-invalid"));
    assert.match(edited.text.headline, /^The change of the definition of '101 \(gaming\)' .*6 of 6 .*0 of 3/);
  });
});
