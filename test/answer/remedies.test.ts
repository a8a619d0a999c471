import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type AnswerInput, makeAnswer } from "../../src/answer/answer.ts";
import type { HostTruths } from "../../src/diagnosis/remedies.ts";
import { CAUSE_CLASSES, type CauseClass } from "../../src/model/catalogue.ts";
import type { Cause } from "../../src/model/diagnosis.ts";
import type { Change, FactGroup } from "../../src/model/fact.ts";
import { type SignatureId, signatureId, vmName } from "../../src/model/identifiers.ts";
import { catalogue } from "../helpers/shipped-catalogue.ts";

/** A random host, and what changed on it since the VM last worked. */
interface Host {
  readonly truths: HostTruths;
  readonly changes: readonly Change[];
}

const PARAMETERS = [
  ...["intremap=off", "nointremap", "amd_iommu=off", "intel_iommu=off", "iommu=off", "intel_iommu=on"],
  ...["intel_iommu=on,relax_rmrr", "pci=noats", "pci=realloc", "pci=noaer", "pcie_aspm=off", "quiet"],
  ...["pcie_acs_override=downstream", "vfio-pci.disable_idle_d3=1", "initcall_blacklist=sysfb_init"],
  ...["video=efifb:off", "pcie_port_pm=off", "vfio_iommu_type1.allow_unsafe_interrupts=1"],
];
const IDS = ["10de:2805", "1002:67df", "1002:731f", "1002:73bf", "1002:744c", "8086:56a0", "1002:1638"];
/** The cards that vendor-reset's own list names; none that is newer. */
const KNOWN_TO_VENDOR_RESET = new Set(["1002:67df", "1002:731f", "1002:1638"]);

function change(key: string, before: string, after: string): Change {
  const value = (text: string) => ({ state: "value", value: text }) as const;
  return {
    ...{ group: key.split(".")[0] as FactGroup, key, before: value(before), after: value(after) },
    sentence: `${key}: ${before} → ${after}`,
  };
}

const CHANGES = [
  change("firmware.bios.version", "1.A63", "1.A95"),
  change("software.os.version", "7.1.4", "7.2.3"),
  change("software.qemu", "9.1.0", "10.0.1"),
  change("vm.Windows 11.machine", "pc-q35-9.1", "pc-q35-10.0"),
  change("kernel.parameter.pcie_aspm", "off", "force"),
  change("iommu.group.10de:2805/1462:5174.direct", "0x1000-0x1fff", "0x2000-0x2fff"),
];

const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });

const hosts: fc.Arbitrary<Host> = fc
  .record({
    cpu: maybe(fc.constantFrom("amd" as const, "intel" as const)),
    kernelOptions: maybe(fc.boolean().map((has) => new Map([["ACPI_TABLE_UPGRADE", has]]))),
    kernel: maybe(fc.constantFrom("5.10.1", "6.1.176", "6.12.54-Unraid", "6.17.2-pve")),
    boardVendor: maybe(
      fc.constantFrom("Gigabyte Technology Co., Ltd.", "Micro-Star International Co., Ltd."),
    ),
    system: maybe(fc.constantFrom("unraid" as const, "proxmox" as const, "other" as const)),
    devices: maybe(
      fc.array(
        fc.record({
          id: fc.constantFrom(...IDS),
          driver: maybe(fc.constantFrom("vfio-pci", "amdgpu", "nvidia", "none")),
        }),
        { minLength: 1, maxLength: 2 },
      ),
    ),
    parameters: maybe(fc.subarray(PARAMETERS)),
    modules: maybe(
      fc.subarray(["vfio", "vfio_pci", "vfio_iommu_type1", "vendor_reset", "kvm_amd", "kvm_intel"]),
    ),
    preBootDmaProtection: maybe(fc.constantFrom("on" as const, "off" as const)),
    secureBoot: maybe(fc.constantFrom("on" as const, "off" as const)),
    hugepages: maybe(fc.constantFrom("yes" as const, "no" as const)),
    windowUsers: maybe(fc.subarray(["BOOTFB", "simpledrm", "efifb", "vesafb", "nvidiafb"])),
    changes: fc.subarray(CHANGES),
    oldKernel: maybe(fc.constantFrom("6.1.176", "6.12.1")),
  })
  .map(({ changes, oldKernel, modules, ...truths }) => ({
    truths: { ...truths, modules: modules && new Set(modules) },
    changes:
      oldKernel === undefined || truths.kernel === undefined || oldKernel === truths.kernel
        ? changes
        : [...changes, change("kernel.release", oldKernel, truths.kernel)],
  }));

/** Everything that can be a cause: what messages say, what the host's state shows, and classes alone. */
const CAUSES: readonly (readonly [CauseClass, SignatureId])[] = [
  ...catalogue.signatures.flatMap(({ id, class: of }): (readonly [CauseClass, SignatureId])[] =>
    of === "start-failure-wrapper" || of === "benign-noise" ? [] : [[of, id]],
  ),
  ...[...catalogue.advice].flatMap(([of, { states }]) =>
    Object.keys(states).map((id) => [of as CauseClass, signatureId(id)] as const),
  ),
  ...CAUSE_CLASSES.map((of) => [of, signatureId("test.made")] as const),
];

function remediesFor([causeClass, signature]: (typeof CAUSES)[number], { truths, changes }: Host) {
  const cause: Cause = {
    ...{ class: causeClass, certainty: "certain", signature, sentence: "It failed.", evidence: [] },
    ...{ devices: [], groups: [], names: { holder: "Other", needed: "5120 MiB", limit: "/machine.slice" } },
  };
  const input: AnswerInput = {
    ...{ vm: vmName("Windows 11"), causes: [cause], unexplained: "", outcome: "failed", here: { at: 1 } },
    ...{ lastGood: { at: 0 }, failing: undefined, changes, comparedWith: "good start", newKeys: undefined },
    ...{ matters: () => true, suspects: [], truths, demand: undefined, demandedThen: undefined },
    failedWith: () => false,
  };
  return makeAnswer(input, catalogue).remedies;
}

const has = ({ truths }: Host, parameter: string) =>
  truths.parameters === undefined || truths.parameters.includes(parameter);
const lacks = ({ truths }: Host, parameter: string) => truths.parameters?.includes(parameter) !== true;
const changed = ({ changes }: Host, key: RegExp) => changes.some((one) => key.test(one.key));
const is = (known: string | undefined, value: string) => known === undefined || known === value;
const drivers = ({ truths }: Host) => truths.devices?.map(({ driver }) => driver) ?? [undefined];

/** What a remedy says, and what then has to be so; written down apart from the catalogue's conditions. */
const CLAIMS: readonly (readonly [says: RegExp, isTrue: (host: Host) => boolean])[] = [
  [/Take intremap=off out/, (host) => has(host, "intremap=off")],
  [/Take nointremap out/, (host) => has(host, "nointremap")],
  [/Take amd_iommu=off out/, (host) => has(host, "amd_iommu=off")],
  [/Take intel_iommu=off out/, (host) => has(host, "intel_iommu=off")],
  [/Take iommu=off out/, (host) => has(host, "iommu=off")],
  [/[Aa]dd intel_iommu=on/, (host) => lacks(host, "intel_iommu=on") && is(host.truths.cpu, "intel")],
  [/take pci=noaer out/, (host) => has(host, "pci=noaer")],
  [/Do not hide the errors/, (host) => lacks(host, "pci=noaer")],
  [/pci=noats/, (host) => lacks(host, "pci=noats")],
  [/pci=realloc/, (host) => lacks(host, "pci=realloc")],
  [/pcie_aspm=off\.$/, (host) => lacks(host, "pcie_aspm=off")],
  [/pcie_acs_override/, (host) => lacks(host, "pcie_acs_override=downstream")],
  [/disable_idle_d3=1/, (host) => lacks(host, "vfio-pci.disable_idle_d3=1")],
  [/relax_rmrr/, ({ truths }) => is(truths.cpu, "intel") && is(truths.system, "proxmox")],
  [/initcall_blacklist/, (host) => lacks(host, "initcall_blacklist=sysfb_init")],
  [/IVRS|AMD CBS|AMD boards/, ({ truths }) => is(truths.cpu, "amd")],
  [/DMAR|Intel servers|VT-[dx] in the BIOS/, ({ truths }) => is(truths.cpu, "intel")],
  [/kvm_amd|SVM/, ({ truths }) => is(truths.cpu, "amd")],
  [/kvm_intel/, ({ truths }) => is(truths.cpu, "intel")],
  [/modprobe kvm_amd/, ({ truths }) => truths.modules?.has("kvm_amd") !== true],
  [/this protection is on/, ({ truths }) => truths.preBootDmaProtection === "on"],
  [/Protection Indicator(?! *\))/, ({ truths }) => /^Gigabyte/.test(truths.boardVendor ?? "")],
  [/whichever your board calls it/, ({ truths }) => !/^Gigabyte/.test(truths.boardVendor ?? "")],
  [/look for (?:Pre-boot|Kernel) DMA/, ({ truths }) => truths.preBootDmaProtection === undefined],
  [/override the firmware's table/, ({ truths }) => truths.secureBoot !== "on"],
  [/ACPI_TABLE_UPGRADE/, ({ truths }) => truths.kernelOptions?.get("ACPI_TABLE_UPGRADE") !== false],
  [/Unraid: |\(Unraid|Tools, System Devices/, ({ truths }) => is(truths.system, "unraid")],
  [/^Bind the device to vfio-pci at boot:/, ({ truths }) => truths.system !== "unraid"],
  [/softdep amdgpu/, (host) => drivers(host).includes("amdgpu")],
  [/The module vendor-reset knows this card/, ({ truths }) => truths.modules?.has("vendor_reset") !== true],
  [/vendor-reset/, ({ truths }) => truths.devices?.some(({ id }) => KNOWN_TO_VENDOR_RESET.has(id)) === true],
  [/RX 7000 and later/, ({ truths }) => truths.devices?.some(({ id }) => id === "1002:744c") === true],
  [/simpledrm or simplefb in/, ({ truths }) => truths.windowUsers?.includes("simpledrm") === true],
  [/efifb or efidrm in/, ({ truths }) => truths.windowUsers?.includes("efifb") === true],
  [/vesafb or vesadrm in/, ({ truths }) => truths.windowUsers?.includes("vesafb") === true],
  [
    /kept for the boot screen/,
    ({ truths }) =>
      truths.windowUsers?.includes("BOOTFB") === true &&
      (truths.kernel === undefined || /^5\.(?:\d|1[0-7])\./.test(truths.kernel)),
  ],
  [/^See who has the window/, ({ truths }) => (truths.windowUsers ?? []).length === 0],
  [/^Huge pages:/, ({ truths }) => is(truths.hugepages, "yes")],
  [
    /BIOS 1\.A63|After a BIOS update|after a BIOS update the link/,
    (host) => changed(host, /^firmware\.bios/),
  ],
  [/^Boot kernel/, (host) => changed(host, /^kernel\.release/)],
  [/Go back to QEMU/, (host) => changed(host, /^software\.qemu/)],
  [/version 7\.1\.4 of the operating system/, (host) => changed(host, /^software\.os/)],
  [/definition \(vm\./, (host) => changed(host, /^vm\./)],
  [/pcie_aspm back to/, (host) => changed(host, /pcie_aspm/)],
  [/Choose a machine type/, (host) => changed(host, /^software\./)],
];

const NO_BIOS: ReadonlySet<CauseClass> = new Set(["device-busy", "group-not-viable", "driver-binding"]);

describe("no remedy that is shown", () => {
  it("contradicts a fact of the host, whatever the host and the cause are", () => {
    const used = new Set<RegExp>();
    fc.assert(
      fc.property(hosts, (host) => {
        for (const cause of CAUSES) {
          // Only Unraid says these.
          if (cause[1].startsWith("unraid.") && host.truths.system !== "unraid") continue;
          for (const text of remediesFor(cause, host)) {
            for (const [says, isTrue] of CLAIMS) {
              if (!says.test(text)) continue;
              used.add(says);
              assert.ok(isTrue(host), `${cause.join(" ")}: ${text}\n${JSON.stringify(host)}`);
            }
            assert.doesNotMatch(text, /\[\[|\]\]|\{|undefined/, "every place in it has a name");
            if (NO_BIOS.has(cause[0])) assert.doesNotMatch(text, /older BIOS|BIOS version|back to BIOS/);
          }
        }
      }),
      { numRuns: 120 },
    );
    assert.deepEqual(
      CLAIMS.filter(([says]) => !used.has(says)).map(([says]) => says.source),
      [],
      "each claim was made for some host",
    );
  });

  it("is one that was followed: with the demand's setting off and nothing changed it is not asked for again", () => {
    const off: Host = { truths: { cpu: "amd", preBootDmaProtection: "off" }, changes: [] };
    const shown = remediesFor(["iommu-direct-mapping-required", signatureId("state.direct-region")], off);
    assert.ok(shown.every((text) => !/turn off|Go back/.test(text)));
  });

  it("is one of several for the same: a setting is named once, as the board's vendor calls it", () => {
    for (const boardVendor of [undefined, "Gigabyte Technology Co., Ltd.", "ASUSTeK COMPUTER INC."])
      for (const preBootDmaProtection of [undefined, "on"] as const) {
        const host: Host = { truths: { cpu: "amd", boardVendor, preBootDmaProtection }, changes: [] };
        const shown = remediesFor(
          ["iommu-direct-mapping-required", signatureId("state.direct-region")],
          host,
        );
        assert.equal(shown.filter((text) => /DMA Protection/.test(text)).length, 1, boardVendor);
      }
  });
});

describe("the catalogue's advice", () => {
  it("is there for every cause", () => {
    const unknown: Host = { truths: {}, changes: [] };
    for (const cause of CAUSES) assert.ok(remediesFor(cause, unknown).length > 0, cause.join(" "));
  });
});
