import assert from "node:assert/strict";
import { chmodSync } from "node:fs";
import { after, test } from "node:test";
import { FIRMWARE_TABLES } from "../../src/facts/kinds/firmware-tables.ts";
import { IOMMU } from "../../src/facts/kinds/iommu.ts";
import { IOMMU_GROUPS } from "../../src/facts/kinds/iommu-groups.ts";
import { MODULE_PARAMETERS } from "../../src/facts/kinds/modules.ts";
import { PCI } from "../../src/facts/kinds/pci.ts";
import { readHost } from "../../src/host/host-reading.ts";
import type { HostPaths } from "../../src/host-paths.ts";
import { read } from "../../src/model/reading.ts";
import { readRecordedSnapshot } from "../../src/replay/recorded-snapshot.ts";
import { buildHostTree } from "../../src/replay/recorded-tree.ts";
import { acpiTable, ivmd, ivrsInfo } from "../helpers/acpi-tables.ts";
import { factsFrom, shownValues } from "../helpers/facts.ts";
import { buildRecordedTree, recordingPath, temporaryDirectory } from "../helpers/recorded-tree.ts";

const directory = temporaryDirectory();
after(() => directory.remove());

function factsOf(paths: HostPaths, kernelLines: readonly string[]): ReadonlyMap<string, string> {
  const kinds = [PCI, IOMMU, IOMMU_GROUPS, FIRMWARE_TABLES, MODULE_PARAMETERS];
  const facts = factsFrom(readHost({ paths, kernelLines, definitions: read([]) }), ...kinds);
  assert.equal(new Set(facts.map(({ key }) => key)).size, facts.length, "keys are unique");
  return new Map(Object.entries(shownValues(facts)));
}

const tableFacts = (paths: HostPaths) => factsFrom(readHost({ paths }), FIRMWARE_TABLES);

function factsOfBoot(boot: string): ReadonlyMap<string, string> {
  const snapshot = readRecordedSnapshot(recordingPath("bios-update", boot, "snap-before"));
  return factsOf(buildHostTree(`${directory.path}/${boot}`, snapshot), snapshot.kernelLines ?? []);
}

function changes(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>) {
  const keys = [...new Set([...before.keys(), ...after.keys()])].sort();
  return Object.fromEntries(
    keys
      .filter((key) => before.get(key) !== after.get(key))
      .map((key) => [key, [before.get(key), after.get(key)]]),
  );
}

test("BIOS A63, A95 and A63 again differ in the firmware's table and the region that it asks for, in nothing else", () => {
  const first = factsOfBoot("boot1-good-start-amd");
  const second = factsOfBoot("boot2-ivmd-amd");
  const third = factsOfBoot("boot3-good-start-amd");
  assert.deepEqual(changes(first, second), {
    "firmware-tables.IVRS.ivmd.1": [
      undefined,
      "IVMD type 22h, flags 07h (unity, read, write), devices 0000:01:00.0-0000:01:00.1, memory 0x7fff0000-0x7fff7fff",
    ],
    "firmware-tables.IVRS.oem-revision": ["1", "2"],
    "firmware-tables.IVRS.sha256": [
      first.get("firmware-tables.IVRS.sha256"),
      second.get("firmware-tables.IVRS.sha256"),
    ],
    "iommu.group.1234:1111/1af4:1100.direct": ["(absent)", "0x7fff0000-0x7fff7fff"],
  });
  assert.deepEqual(changes(first, third), {});
});

test("the Intel table of a recording as facts", () => {
  const paths = buildRecordedTree(`${directory.path}/intel`, "rmrr-intel", "snap-before");
  const facts = new Map(Object.entries(shownValues(tableFacts(paths))));
  assert.equal(facts.get("firmware-tables.list"), "DMAR");
  assert.equal(facts.get("firmware-tables.IVRS"), "(absent)");
  assert.equal(facts.get("firmware-tables.DMAR.host-address-width"), "48");
  assert.equal(facts.get("firmware-tables.DMAR.interrupt-remapping"), "offered");
  assert.equal(facts.get("firmware-tables.DMAR.dma-protection-opt-in"), "no");
  assert.equal(
    facts.get("firmware-tables.DMAR.rmrr.1"),
    "RMRR segment 0, memory 0x7fff0000-0x7fff7fff, endpoint 00:02.0/00.0, endpoint 00:02.0/00.1",
  );
  assert.match(
    facts.get("firmware-tables.DMAR.drhd.1") ?? "",
    /^flags 00h, segment 0, registers 0xfed90000, I\/O APIC/,
  );
});

test("damage is told among the facts, pre-boot protection is one of them, tables of one name are counted", () => {
  const table = acpiTable("IVRS", ivrsInfo(0x43), ivmd(0x21, 1, { deviceId: 0x60, start: 0, length: 0 }));
  table[40] = 1;
  const paths = buildHostTree(`${directory.path}/damaged`, {
    tables: new Map([
      ["IVRS", table],
      ["SSDT1", new Uint8Array(8)],
      ["SSDT12", new Uint8Array(8)],
      ["APIC", new Uint8Array(8)],
    ]),
    files: { "/sys/firmware/acpi/tables/dynamic/SSDT13": "" },
  });
  const facts = shownValues(tableFacts(paths));
  assert.equal(facts["firmware-tables.list"], "APIC, IVRS, 2 SSDT");
  assert.equal(facts["firmware-tables.IVRS.pre-boot-dma-protection"], "on");
  assert.equal(facts["firmware-tables.IVRS.finding.1"], "at byte 9: the checksum is wrong");
  assert.match(facts["firmware-tables.IVRS.finding.2"] ?? "", /^at byte 48: .*no length/);
});

test("tables that only root may read are unknown, not absent", { skip: process.getuid?.() === 0 }, () => {
  const paths = buildRecordedTree(`${directory.path}/secret`, "ivmd-amd", "snap-before");
  chmodSync(paths.at("/sys/firmware/acpi/tables/IVRS"), 0);
  const facts = tableFacts(paths).filter(({ key }) => key.includes("IVRS"));
  assert.deepEqual(facts, [
    { group: "firmware-tables", key: "firmware-tables.IVRS", value: { state: "unknown", why: "needs root" } },
  ]);
});
