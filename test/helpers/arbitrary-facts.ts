import fc from "fast-check";
import { FACT_GROUPS, type Fact, type FactGroup, type FactValue } from "../../src/model/fact.ts";
import { factValue } from "./facts.ts";

/** Keys as the collectors write them, things that come and go among them; each with its group. */
const KEYS: readonly (readonly [FactGroup, string])[] = [
  ["firmware", "firmware.bios.version"],
  ["firmware", "firmware.setting"],
  ["firmware", "firmware.setting.thinklmi.Iommu"],
  ["firmware-tables", "firmware-tables.list"],
  ["firmware-tables", "firmware-tables.IVRS"],
  ["firmware-tables", "firmware-tables.IVRS.sha256"],
  ["firmware-tables", "firmware-tables.IVRS.ivmd.1"],
  ["firmware-tables", "firmware-tables.IVRS.ivmd.2"],
  ["iommu", "iommu.group"],
  ["iommu", "iommu.group.10de:2805/1462:5174.members"],
  ["iommu", "iommu.group.10de:2805/1462:5174.direct"],
  ["iommu", "iommu.group.10de:2805/1462:5174#2.members"],
  ["kernel", "kernel.release"],
  ["kernel", "kernel.parameter"],
  ["kernel", "kernel.parameter.iommu"],
  ["boot-loader", "boot-loader"],
  ["boot-loader", "boot-loader./boot/limine.conf.parameters"],
  ["boot-loader", "boot-loader./boot/limine.conf.in-effect"],
  ["vfio-setup", "vfio-setup.config"],
  ["vfio-setup", "vfio-setup.device.0000:01:00.0"],
  ["pci", "pci"],
  ["pci", "pci.10de:2805/1462:5174.group"],
  ["pci", "pci.10de:2805/1462:5174.driver"],
  ["pci", "pci.10de:2805/1462:5174#2.driver"],
  ["vm", "vm"],
  ["vm", "vm.Windows 11.machine"],
  ["vm", "vm.Windows 11.devices"],
  ["software", "software.plugin.nut"],
  ["hardware", "hardware.memory.DIMM A1"],
];

const arbitraryValue: fc.Arbitrary<FactValue> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .constantFrom("a", "b", "a, b", "b, a", "14", "15", "0000:01:00.0", "0000:03:00.0")
      .map((value): FactValue => ({ state: "value", value })),
  },
  fc.constant<FactValue>({ state: "absent" }),
  fc.constant<FactValue>({ state: "unknown", why: "needs root" }),
);

/** No, one or two devices of a kind, numbered in the order of their addresses as the collector does. */
const arbitraryAddresses: fc.Arbitrary<readonly Fact[]> = fc
  .subarray(["0000:01:00.0", "0000:02:00.0", "0000:03:00.0"], { maxLength: 2 })
  .map((addresses) =>
    addresses.map((value, index) => ({
      group: "pci",
      key: `pci.10de:2805/1462:5174${index === 0 ? "" : "#2"}.address`,
      value: { state: "value", value },
    })),
  );

/** Facts with distinct keys, in any order, none of them certain to be there. */
export const arbitraryFacts: fc.Arbitrary<readonly Fact[]> = fc
  .tuple(
    fc.uniqueArray(fc.record({ at: fc.nat({ max: KEYS.length - 1 }), value: arbitraryValue }), {
      selector: ({ at }) => at,
      maxLength: KEYS.length,
    }),
    arbitraryAddresses,
  )
  .map(([chosen, addresses]) => {
    const facts = chosen.map(({ at, value }): Fact => {
      const [group, key] = KEYS[at] ?? [FACT_GROUPS[0], "firmware"];
      return { group, key, value: value.state === "value" ? factValue(key, String(value.value)) : value };
    });
    // A device's other facts come with its address.
    const known = facts.filter(
      ({ key }) => !key.startsWith("pci.") || addresses.some((fact) => keyOwner(fact.key) === keyOwner(key)),
    );
    return [...known, ...addresses];
  });

function keyOwner(key: string): string {
  return key.slice(0, key.lastIndexOf("."));
}
