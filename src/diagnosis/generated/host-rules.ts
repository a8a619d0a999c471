import type { ClassRule } from "./class-rule.ts";

const KERNEL_IOMMU = /^kernel drivers\/iommu\//;
const KERNEL_VFIO = /^kernel drivers\/vfio\//;
const KERNEL_PCI = /^kernel drivers\/(?:pci|xen\/xen-pciback)\//;
const GRAPHICS = /^(?:kernel drivers\/gpu|nvidia|vendor-reset) ?/;

/** What the kernel and its drivers say: VFIO, the IOMMU, PCI, firmware, graphics. */
export const HOST_RULES: readonly ClassRule[] = [
  { from: KERNEL_IOMMU, says: /1:1|rmrr requirement|direct.?mapp/, class: "iommu-direct-mapping-required" },
  {
    from: KERNEL_IOMMU,
    says: /interrupt.?remap|irq.?remap|\bint(?:errupt)?-?remap|\birte|x2apic|posted/,
    class: "interrupt-remapping-missing",
  },
  {
    from: KERNEL_IOMMU,
    says: /time?d?.?out|completion.?wait|invalidation|\bite\b|\biqe\b|\bice\b|hardware (?:fail|error)/,
    class: "iommu-timeout",
  },
  { from: KERNEL_IOMMU, says: /event logged|fault|illegal|flags=0x/, class: "iommu-fault" },
  {
    from: KERNEL_IOMMU,
    says: /firmware|bios|\bdmar\b|drhd|rmrr|atsr|satc|ivrs|ivhd|ivmd|ioapic|hpet|acpi|dmi|broken|checksum|address_size|parse/,
    class: "iommu-firmware-bug",
  },
  {
    from: KERNEL_IOMMU,
    says: /\bp?n?map|pin(?:ned|ning)?\b|iova|page.?table|(?:\b|_)dma(?:\b|_)/,
    class: "dma-map-failed",
  },
  { from: KERNEL_IOMMU, says: /group|attach|domain|pasid|\bowner/, class: "container-setup-failed" },
  { from: KERNEL_IOMMU, says: /memory|alloc/, class: "memory-alloc-failed" },
  {
    from: KERNEL_IOMMU,
    says: /disab|not (?:found|available|supported|enabled|enough)|unable|fail|cannot|can't|unsupported|mismatch|inconsistent/,
    class: "iommu-not-enabled",
  },

  { from: KERNEL_VFIO, says: /in use|device request|until device is released/, class: "device-busy" },
  { from: KERNEL_VFIO, says: /interrupt remapping/, class: "interrupt-remapping-missing" },
  { from: KERNEL_VFIO, says: /rlimit|memlock|\block(?:ed|ing)? (?:memory|pages)/, class: "memlock-limit" },
  { from: KERNEL_VFIO, says: /power|\bd[03]\b|runtime|resume|suspend|\bpm\b/, class: "power-state-stuck" },
  { from: KERNEL_VFIO, says: /reset|\bflr\b/, class: "reset-failed" },
  { from: KERNEL_VFIO, says: /\brom\b|opregion|vbios/, class: "rom-invalid" },
  { from: KERNEL_VFIO, says: /reserve|ioremap|\bbar\b|request region|mmio/, class: "bar-reserve-failed" },
  { from: KERNEL_VFIO, says: /\birq|interrupt|\bmsi|eventfd|intx|vector/, class: "irq-setup-failed" },
  {
    from: KERNEL_VFIO,
    says: /(?:\b|_)(?:un)?map|\bpin|iova|(?:\b|_)dma(?:\b|_)|dirty/,
    class: "dma-map-failed",
  },
  {
    from: KERNEL_VFIO,
    says: /viable|unbound|bound|\bbind|driver|probe|denylist|group/,
    class: "driver-binding",
  },
  { from: KERNEL_VFIO, says: /token|denied|permission|not allowed/, class: "access-denied" },
  { from: KERNEL_VFIO, class: "device-config-invalid" },

  { from: KERNEL_PCI, names: /not ready.* after (?:flr|.*reset|dpc)/, class: "reset-failed" },
  { from: KERNEL_PCI, names: /not ready.* after (?:resume|.*d[03])/, class: "power-state-stuck" },
  { from: KERNEL_PCI, says: /header type/, names: /type (?:0x)?7f/, class: "device-lost" },
  { from: KERNEL_PCI, says: /\brom\b/, class: "rom-invalid" },
  {
    from: KERNEL_PCI,
    says: /not ready|inaccessible|no longer|link (?:is )?down|disconnect|not present|surprise|removed|unplug|offline|card/,
    class: "device-lost",
  },
  { from: KERNEL_PCI, says: /reset|\bflr\b|pending transaction/, class: "reset-failed" },
  { from: KERNEL_PCI, says: /power|\bd[0-3]\b|d3(?:hot|cold)|\bpme\b|wake/, class: "power-state-stuck" },
  {
    from: /^kernel drivers\/pci\/(?:pcie\/|doe)|^kernel drivers\/acpi\/apei\//,
    says: /error|aer|dpc|contain|retrain|link|speed|timeout|ecrc|fatal|recover|pcie/,
    class: "pcie-error",
  },
  {
    from: KERNEL_PCI,
    says: /error status|aer\b|dpc|contain|retrain|bandwidth|link speed|parity|serr/,
    class: "pcie-error",
  },
  { from: KERNEL_PCI, says: /\birq|\bint\b|\bmsi|interrupt|vector|affinit/, class: "irq-setup-failed" },
  {
    from: KERNEL_PCI,
    says: /can't reserve|request region|conflicts? with|in use/,
    class: "bar-reserve-failed",
  },
  { from: /^kernel drivers\/pci\/hotplug\//, class: "device-lost" },
  {
    from: /^kernel drivers\/xen\/xen-pciback\//,
    says: /driver|seize|bound|owner|probe/,
    class: "driver-binding",
  },
  {
    from: KERNEL_PCI,
    says: /sr-?iov|\bvfs?\b|\bats\b|pasid|\bpri\b|\bbar\b|window|bridge|resource|claim|assign|space|config|header|capab|class|bus|size|vpd/,
    class: "device-config-invalid",
  },
  { from: /^kernel drivers\/acpi\/pci_(?:irq|link)/, class: "irq-setup-failed" },
  { from: /^kernel drivers\/acpi\//, says: /dmar|ivrs|iommu/, class: "iommu-firmware-bug" },
  { from: /^kernel drivers\/acpi\/(?:device_pm|power)/, class: "power-state-stuck" },
  { from: /^kernel drivers\/acpi\/pci_(?:root|mcfg|slot)/, class: "device-config-invalid" },
  { from: /^kernel (?:virt|arch\/x86)\/kvm\//, class: "kvm-unavailable" },

  {
    from: GRAPHICS,
    says: /fallen off|fell off|lost|no longer|unplug|wedged|dead|disappear|not respond|surprise|pci id|unreachable|inaccessible/,
    class: "device-lost",
  },
  { from: GRAPHICS, says: /\brom\b|\bv?bios\b|\batom|image|\bvbt\b/, class: "rom-invalid" },
  {
    from: GRAPHICS,
    says: /suspend|resume|power|\bpm\b|\bd3\b|runtime|wake|\bsleep/,
    class: "power-state-stuck",
  },
  {
    from: GRAPHICS,
    says: /reset|\bflr\b|hw_init|hang|hung|stuck|baco|recover|\bsmu\b|\bsmc\b|\bpsp\b|\bmode[12]\b|\bras\b|\bguc\b|\bhuc\b|\bgsp\b|firmware|timeout|timed out|ring|halt|idle|\bxid\b/,
    class: "reset-failed",
  },
  {
    from: GRAPHICS,
    says: /\bbars?\b|mmio|iomem|ioremap|aperture|region|doorbell|vram|framebuffer|memory (?:range|region)/,
    class: "bar-reserve-failed",
  },
  { from: GRAPHICS, says: /(?:\b|_)irq|interrupt|\bmsi/, class: "irq-setup-failed" },
  {
    from: GRAPHICS,
    says: /probe|driver|conflicting|unbind|\bbind|attach|device node|register|in use|usage count/,
    class: "driver-binding",
  },
  { from: GRAPHICS, says: /fault|(?:\b|_)dma(?:\b|_)|iommu|\bmap/, class: "iommu-fault" },
  { from: GRAPHICS, says: /memory|alloc/, class: "memory-alloc-failed" },
  { from: /^vendor-reset /, class: "reset-failed" },
];
