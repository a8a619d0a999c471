import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { directRegions } from "../../src/diagnosis/direct-regions.ts";
import { factsOf } from "../../src/facts/facts-of-host.ts";
import { type HostReading, unknownHost } from "../../src/host/host-reading.ts";
import { hostStateOf } from "../../src/host/host-state.ts";
import type { PciFunction } from "../../src/host/pci-devices.ts";
import { hostOf } from "../../src/import/known-host.ts";
import type { IommuGroup, ReservedRegion } from "../../src/model/host-state.ts";
import { type Bdf, vmName } from "../../src/model/identifiers.ts";
import { absent, type Reading, read, unreadable } from "../../src/model/reading.ts";
import type { VmDefinition } from "../../src/model/virtual-machine.ts";
import type { Block } from "../../src/report/document.ts";
import { createHostFacts } from "../../src/report/host-facts.ts";
import { hostSections } from "../../src/report/host-sections.ts";
import { bdf } from "../helpers/recorded-tree.ts";

const SECRET = unreadable("needs root");
const ADDRESSES = ["01:00.0", "01:00.1", "02:00.0", "03:00.0", "04:00.0"].map(bdf);
const DIRECT: ReservedRegion = { start: 0x7fff0000n, end: 0x7fff7fffn, kind: "direct" };
const MSI: ReservedRegion = { start: 0xfee00000n, end: 0xfeefffffn, kind: "msi" };

const orUnread = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<Reading<T>> =>
  fc.oneof(
    { weight: 6, arbitrary: arbitrary.map(read) },
    { weight: 1, arbitrary: fc.constant(absent) },
    { weight: 1, arbitrary: fc.constant(SECRET) },
  );

/** Groups of the devices at their addresses, some of whose regions were not read. */
const arbitraryGroups = fc
  .array(orUnread(fc.subarray([DIRECT, MSI])), {
    minLength: ADDRESSES.length,
    maxLength: ADDRESSES.length,
  })
  .map(
    (regions): ReadonlyMap<number, IommuGroup> =>
      new Map(
        regions.map((reservedRegions, id) => {
          const [member] = ADDRESSES.slice(id, id + 1);
          return [id, { id, members: member === undefined ? [] : [member], reservedRegions }];
        }),
      ),
  );

const arbitraryDevices = fc
  .record({
    there: fc.subarray(ADDRESSES),
    driver: fc.option(fc.constantFrom("vfio-pci", "nvidia"), { nil: undefined }),
    onlyListed: fc.option(fc.constant("not in the imported material"), { nil: undefined }),
  })
  .map(
    ({ there, driver, onlyListed }): ReadonlyMap<Bdf, PciFunction> =>
      new Map(
        there.map((address, place) => [
          address,
          {
            bdf: address,
            vendorId: "10de",
            deviceId: "2805",
            subsystemVendorId: "1462",
            subsystemDeviceId: `517${place}`,
            classCode: place === 0 ? "030000" : "040300",
            iommuGroup: ADDRESSES.indexOf(address),
            ...(driver !== undefined && { driver }),
            ...(onlyListed !== undefined && { onlyListed }),
          },
        ]),
      ),
  );

const vm = (hostDevices: readonly Bdf[]): VmDefinition => ({
  name: vmName("Windows 11"),
  uuid: "8c4731f1-a528-8444-bb25-10ff8d967cc3",
  machine: "pc-q35-9.2",
  firmware: "uefi",
  memoryKiB: 16 * 1024 * 1024,
  hugepages: false,
  hostDevices: hostDevices.map((address) => ({ bdf: address, managed: false })),
});

const arbitraryHost = fc
  .record({
    groups: orUnread(arbitraryGroups),
    devices: orUnread(arbitraryDevices),
    units: orUnread(fc.subarray(["ivhd0", "dmar0"])),
    interruptRemapping: orUnread(fc.boolean()),
    kernelRelease: orUnread(fc.constantFrom("6.1.0", "6.12.54-Unraid")),
    taint: orUnread(fc.constantFrom("none", "PWO")),
    firmwareSettings: orUnread(
      fc.constantFrom([], [{ board: "thinklmi", name: "AMDIommu", value: read("Enable") }]),
    ),
    asked: fc.subarray(ADDRESSES, { minLength: 1 }),
    isImported: fc.boolean(),
  })
  .map(({ asked, isImported, ...known }): { host: HostReading; definition: VmDefinition } => {
    const definition = vm(asked);
    const shown = { ...known, definitions: read([definition]) };
    const vms = read([{ definition, state: { state: "shutoff", reason: "unknown" } as const }]);
    return {
      host: isImported
        ? {
            ...hostOf({ groups: known.groups, devices: known.devices }),
            definitions: read([definition]),
            vms,
          }
        : { ...unknownHost("not read"), ...shown, vms },
      definition,
    };
  });

const textsOf = (blocks: readonly Block[]) =>
  blocks.flatMap((block) => (block.kind === "text" ? [block.text] : []));

test("no sentence about the host contradicts another, the facts or the diagnosis", () => {
  fc.assert(
    fc.property(arbitraryHost, ({ host, definition }) => {
      const concerned = definition.hostDevices.map((device) => device.bdf);
      const facts = createHostFacts(factsOf(host));
      const sections = hostSections(facts, concerned);
      const blocks = sections.flatMap((section) => section.blocks);
      const rows = blocks.flatMap((block) => (block.kind === "facts" ? block.rows : []));

      // A row says of a fact what the fact says, and no value where there is none.
      for (const { key, state, value } of rows) {
        const fact = facts.all.find((one) => one.key === key);
        if (fact === undefined) continue;
        assert.equal(state, fact.value.state, key);
        if (fact.value.state === "unknown") assert.equal(value, fact.value.why, key);
      }

      // Of direct regions: all, some, none, or not known.
      const known = facts.groups.map(({ direct }) => direct.state);
      const [said = ""] = textsOf(sections.find(({ id }) => id === "iommu")?.blocks ?? []);
      const causes = directRegions(definition, hostStateOf(host));
      assert.equal(/^None of the \d/.test(said), known.length > 0 && known.every((one) => one === "absent"));
      assert.equal(/not known/.test(said), known.includes("unknown"));
      const demanding = known.filter((one) => one === "value").length;
      assert.equal(Number(/^(\d+) groups? of \d+ ha/.exec(said)?.[1] ?? 0), demanding);
      if (causes.length > 0 && facts.groups.length > 0) assert.ok(demanding > 0, said);
      if (/^None of the \d/.test(said)) assert.deepEqual(causes, []);

      // What the tables say is what the sentences say.
      const cells = blocks.flatMap((block) =>
        block.kind === "table" && block.columns.includes("Direct regions")
          ? block.rows.map((row) => row.at(-1)?.text)
          : [],
      );
      assert.equal(
        cells.filter((text) => text === "none").length,
        known.filter((one) => one === "absent").length,
      );
      assert.equal(
        cells.filter((text) => text === "unknown").length,
        known.filter((one) => one === "unknown").length,
      );

      // A device is gone only where the host's devices were read.
      for (const { label, value, state } of rows.filter((row) => row.label.startsWith("Passed through "))) {
        const address = bdf(label.slice("Passed through ".length));
        const isThere = host.devices.state === "read" && host.devices.value.has(address);
        assert.equal(state === "value", isThere, label);
        if (host.devices.state === "unreadable") assert.equal(state, "unknown", label);
        if (value === "no device is at this address") assert.equal(host.devices.state, "read");
      }
      const groupsRow = rows.find(({ key }) => key === "iommu.group");
      if (groupsRow?.state === "absent") assert.notEqual(host.groups.state, "unreadable");
    }),
    { numRuns: 500, includeErrorInReport: true },
  );
});
