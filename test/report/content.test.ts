import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { VMS } from "../../src/facts/kinds/vm.ts";
import { type VmName, vmName } from "../../src/model/identifiers.ts";
import { read } from "../../src/model/reading.ts";
import { describeReport } from "../../src/report/content.ts";
import type { Block, ReportContent, Section, SectionId } from "../../src/report/document.ts";
import { gatherReport } from "../../src/report/gather.ts";
import { createRedactor } from "../../src/report/redaction.ts";
import { renderText } from "../../src/report/text.ts";
import { factsFrom } from "../helpers/facts.ts";
import { catalogue } from "../helpers/shipped-catalogue.ts";
import { contentFor, inputFor, signatures, withRecording } from "./replayed.ts";

const MADE = { madeAt: 0, madeBy: "test", missing: [] };

function sectionOf(content: ReportContent, id: SectionId): Section {
  const found = content.sections.find((section) => section.id === id);
  assert.ok(found !== undefined, `there is a section ${id}`);
  return found;
}

function blocksOf<Kind extends Block["kind"]>(section: Section, kind: Kind) {
  return section.blocks.filter((block): block is Extract<Block, { kind: Kind }> => block.kind === kind);
}

describe("the content of a report", () => {
  it("answers in front: why it failed, and which BIOS broke it", async () => {
    const { title, answer, outcome, glance } = await contentFor("bios-update");
    assert.equal(title, "'Windows 11' did not start");
    assert.deepEqual(outcome, { word: "failed", tone: "bad" });
    assert.match(
      answer[0] ?? "",
      /\(BIOS E7E49AMSI\.1A95\) demands a fixed 1:1 memory mapping for 0000:01:00\.0 \(IOMMU group 8\)/,
    );
    assert.match(answer[1] ?? "", /^BIOS E7E49AMSI\.1A95 broke passthrough/);
    assert.ok(glance.some(({ label, value }) => label === "BIOS" && value === "E7E49AMSI.1A95"));
    assert.ok(
      glance.some(({ label, value }) => label === "Last good start" && value.endsWith("E7E49AMSI.1A63")),
    );
  });

  it("holds everything that the forum's writer collected by hand", async () => {
    const content = await contentFor("bios-update");
    assert.deepEqual(
      content.sections.map(({ id }) => id),
      [
        "blame",
        "diagnosis",
        "evidence",
        "changes",
        "tried",
        "no-effect",
        "questions",
        "hardware",
        "firmware",
        "kernel",
        "iommu",
        "firmware-tables",
        "binding",
        "vm",
        "software",
        "unknown",
      ],
    );
    const text = renderText(content, 100);
    for (const part of [
      "MPG X870E CARBON WIFI",
      "E7E49AMSI.1A95",
      "6.12.107+deb13-amd64",
      "amd_iommu=on",
      "Region direct:",
      "IVRS ivmd 1:",
      "at 0000:02:01.0 in the VM, managed",
      "Reset methods of 0000:01:00.0",
    ])
      assert.ok(text.includes(part), part);
  });

  it("repeats evidence word for word and marks what names the cause", async () => {
    const [block] = blocksOf(sectionOf(await contentFor("bios-update"), "evidence"), "lines");
    const decisive = block?.lines.filter((line) => line.decisive);
    assert.deepEqual(
      decisive?.map(({ text, source }) => [source, text]),
      [
        [
          "kernel",
          "vfio-pci 0000:01:00.0: Firmware has requested this device have a 1:1 IOMMU mapping, rejecting configuring the device without a 1:1 mapping. Contact your platform vendor.",
        ],
      ],
    );
  });

  it("lists every start with what differed from the one before it", async () => {
    const [table] = blocksOf(sectionOf(await contentFor("bios-update"), "tried"), "table");
    assert.deepEqual(
      table?.rows.map((row) => [row[2]?.text, row[3]?.text, row[5]?.items?.[0] ?? row[5]?.text]),
      [
        ["E7E49AMSI.1A63", "started", "first on record"],
        ["E7E49AMSI.1A95", "failed", "BIOS E7E49AMSI.1A63 (2026-02-10) → E7E49AMSI.1A95 (2026-06-18)"],
        ["E7E49AMSI.1A63", "started", "BIOS E7E49AMSI.1A95 (2026-06-18) → E7E49AMSI.1A63 (2026-02-10)"],
      ],
    );
  });

  it("says what is not known, and why", async () => {
    const [list] = blocksOf(sectionOf(await contentFor("bios-update"), "unknown"), "list");
    assert.ok(list?.items.some((item) => /boot-loader: there is no \/boot here/.test(item)));
  });

  it("asks the vendor about the entry that demands the mapping, and nothing where nothing was found", async () => {
    const [asked] = blocksOf(sectionOf(await contentFor("bios-update"), "questions"), "list");
    assert.match(asked?.items[0] ?? "", /IVRS table holds this entry: IVMD type 22h.*0x7fff0000-0x7fff7fff/);
    const busy = await contentFor("in-use");
    assert.equal(
      busy.sections.find(({ id }) => id === "questions"),
      undefined,
    );
  });

  it("says that nothing can be compared where no start was good", async () => {
    const content = await contentFor("rmrr-intel");
    const [text] = blocksOf(sectionOf(content, "changes"), "text");
    assert.match(text?.text ?? "", /^No good start of it is on record\./);
    assert.match(content.answer.join(" "), /has ever worked on record/);
  });

  it("reports the host alone where nothing has failed and nothing is on record", () => {
    const facts = factsFrom({ definitions: read([]) }, VMS);
    const input = gatherReport({ about: "host", facts, vm: undefined }, undefined, catalogue, {
      ...MADE,
      missing: ["There is no history: nothing was stored yet."],
    });
    const content = describeReport(input, undefined);
    assert.equal(content.title, "Passthrough on this host");
    assert.deepEqual(content.answer, ["No failed start is on record."]);
    assert.ok(content.notes.includes("There is no history: nothing was stored yet."));
    const [hardware] = blocksOf(sectionOf(content, "hardware"), "facts");
    assert.deepEqual(
      hardware?.rows.find(({ label }) => label === "CPU"),
      { key: "hardware.cpu.name", label: "CPU", value: "not collected", state: "unknown" },
    );
  });

  it("still reports a start whose facts are no longer on record", async () => {
    const content = await withRecording("bios-update", (store) => {
      const [row] = store.attempts.list({ failedOnly: true, limit: 1 });
      const attempt = store.attempts.full(row?.id ?? "", signatures);
      assert.ok(attempt !== undefined);
      return describeReport(
        gatherReport(
          { about: "start", attempt: { ...attempt, snapshotId: undefined } },
          store,
          catalogue,
          MADE,
        ),
        undefined,
      );
    });
    assert.ok(content.notes.some((note) => /facts of the host at that start are not on record/.test(note)));
    const [text] = blocksOf(sectionOf(content, "changes"), "text");
    assert.match(text?.text ?? "", /What has changed since is not on record\./);
    const [firmware] = blocksOf(sectionOf(content, "firmware"), "facts");
    assert.ok(firmware?.rows.every(({ state }) => state === "unknown"));
  });

  it("masks before it cuts, so that no half of an address is left", async () => {
    const input = await inputFor("bios-update");
    assert.ok(input.attempt !== undefined);
    const address = "52:54:00:a1:b2:c3";
    const vm: VmName = vmName(`${"x".repeat(3_985)} ${address}`);
    const content = describeReport(
      { ...input, attempt: { ...input.attempt, vm } },
      createRedactor({ hosts: [], users: [], keep: [] }),
    );
    assert.ok(!content.title.includes("52:54"));
    assert.match(content.title, /MAC-1/);
    assert.ok(content.title.length < 4_200);
  });

  it("stays small whatever a log says", async () => {
    const input = await inputFor("bios-update");
    const [first] = input.attempt?.evidence ?? [];
    assert.ok(input.attempt !== undefined && first !== undefined);
    const line = {
      ...first,
      matches: [],
      observation: {
        kind: "domain-log-line" as const,
        source: "domain-logs" as const,
        at: 0,
        exactTime: true,
        identity: "1",
        vm: input.attempt.vm,
        text: "z".repeat(100_000),
      },
    };
    const evidence = [...input.attempt.evidence, ...Array.from({ length: 5_000 }, () => ({ ...line }))];
    const content = describeReport({ ...input, attempt: { ...input.attempt, evidence } }, undefined);
    assert.ok(JSON.stringify(content).length < 400_000);
    const [block] = blocksOf(sectionOf(content, "evidence"), "lines");
    assert.ok(
      block?.lines.some(({ decisive }) => decisive),
      "what names the cause is kept",
    );
  });
});
