import { publicParameter, withoutLoaderWords } from "../../host/kernel-parameters.ts";
import { unreadable } from "../../model/reading.ts";
import { keyPart } from "../key-parts.ts";
import { type FactForm, type FactKind, type KnobKind, LISTED } from "../kind.ts";

/** What names in it the IOMMU, PCI, VFIO, interrupts, memory or a display driver: people set it because of devices. */
const OF_DEVICES =
  "[^.]*(?:iommu|vfio|pci|kvm|irq|intremap|x2apic|acpi|efifb|video|fb|drm|nouveau|nvidia|amdgpu|radeon|i915|initcall|blacklist|huge|mem|cma|msi|apic)[^.]*";

const form = (part: string, odds?: KnobKind, breaks?: FactForm["breaks"]): FactForm => ({
  key: `kernel.parameter.${part}`,
  type: "texts",
  separator: " and ",
  ordered: true,
  label: "Kernel parameter {name}",
  importance: 1,
  ...(odds === undefined ? {} : { odds }),
  ...(breaks === undefined ? {} : { breaks }),
});

/** The parameters that run (law 6), one fact each; what loaders add is left out. */
export const KERNEL_PARAMETERS: FactKind = {
  group: "kernel",
  root: "kernel.parameter",
  thing: "kernel.parameter.{name}",
  odds: "parameter",
  role: { knob: "kernel parameter", which: "name" },
  forms: [
    form("{name:intel_iommu|amd_iommu|iommu}", "device-parameter", { "iommu-not-enabled": "any change" }),
    form("{name:pcie_acs_override}", "device-parameter", { "group-not-viable": "any change" }),
    form(
      "{name:intremap|nointremap|nox2apic|vfio_iommu_type1%2eallow_unsafe_interrupts}",
      "device-parameter",
      {
        "interrupt-remapping-missing": "any change",
      },
    ),
    form("{name:vfio-pci%2eids}", "binding", { "driver-binding": "any change" }),
    form(`{name:${OF_DEVICES}}`, "device-parameter"),
    form("{name}"),
  ],
  collect({ commandLine }, tell) {
    const root = "kernel.parameter";
    if (commandLine.state !== "read")
      return tell(
        root,
        commandLine.state === "absent" ? unreadable("/proc/cmdline does not exist") : commandLine,
      );
    tell(root, LISTED);
    const byName = Map.groupBy(withoutLoaderWords(commandLine.value), ({ name }) => name);
    for (const [name, parameters] of byName) {
      const [first = "", ...more] = parameters.map((parameter) => {
        const { value } = publicParameter(parameter);
        return value === undefined ? "set" : value === "" ? "(empty)" : value;
      });
      tell(`${root}.${keyPart(name)}`, more.length === 0 ? first : [first, ...more]);
    }
  },
};
