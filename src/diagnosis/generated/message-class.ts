import type { KnownFormat } from "../../knowledge/message-data.ts";
import type { CauseClass } from "../../model/catalogue.ts";
import type { ErrnoName } from "../errno.ts";

/*
 * A message's class by rule: which program and part of it speaks, of which object, what it says of it, and with which
 * error number. Rules and no list of messages: the next version's new ones fall under the same.
 */

interface Rule {
  /** The program and the file, as `qemu hw/vfio/pci.c`. */
  readonly from: RegExp;
  /** What the format says, in small letters; any where absent. */
  readonly says?: RegExp;
  /** What the message names where the format leaves it open; a rule that has some never holds without a message. */
  readonly names?: RegExp;
  /** The error number that the message ended with; a rule that has some never holds without one. */
  readonly errno?: readonly ErrnoName[];
  /** `none`: says that something failed and not what, or is about no start of a VM. */
  readonly class: CauseClass | "none";
}

/** A message as it was said. */
export interface Said {
  /** Folded. */
  readonly words: string;
  readonly errno: ErrnoName | undefined;
}

/** The class that the rules give a message; undefined where they give none. Without `said` a format by itself. */
export function classOf(
  { program, path, format }: Pick<KnownFormat, "program" | "path" | "format">,
  said?: Said,
): CauseClass | undefined {
  const from = `${program} ${path}`;
  const says = format.toLowerCase();
  const holds = (rule: Rule) =>
    rule.from.test(from) &&
    rule.says?.test(says) !== false &&
    (rule.names === undefined || (said !== undefined && rule.names.test(said.words))) &&
    (rule.errno === undefined || (said?.errno !== undefined && rule.errno.includes(said.errno)));
  const rule = RULES.find(holds);
  return rule === undefined || rule.class === "none" ? undefined : rule.class;
}

const KERNEL_IOMMU = /^kernel drivers\/iommu\//;
const KERNEL_VFIO = /^kernel drivers\/vfio\//;
const KERNEL_PCI = /^kernel drivers\/(?:pci|xen\/xen-pciback)\//;
const GRAPHICS = /^(?:kernel drivers\/gpu|nvidia|vendor-reset) ?/;
/** Whatever in QEMU, libvirt, Proxmox or another monitor gives devices of the host to VMs. */
const PASSTHROUGH =
  /^qemu (?:hw\/(?:vfio|vfio-user|s390x\/s390-pci)|backends\/(?:iommufd|host_iommu)|hw\/i386\/\w*iommu|hw\/xen\/xen_pt|hw\/xen\/xen-host-pci)|^libvirt src\/(?:hypervisor\/virhostdev|util\/vir(?:pci|mdev|iommufd|vfio)|conf\/(?:device_conf|virpcideviceaddress)|node_device)|^proxmox .*PVE\/(?:QemuServer\/(?:PCI|PCI\/.*)|SysFSTools|Mapping\/PCI)\.pm|^(?:cloud-hypervisor|rust-vmm) .*vfio/;
const ANY_MONITOR = /^(?:qemu|libvirt|xen|proxmox|cloud-hypervisor|rust-vmm|swtpm|virtiofsd) /;

const HOST_RULES: readonly Rule[] = [
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

  { from: KERNEL_VFIO, says: /interrupt remapping/, class: "interrupt-remapping-missing" },
  { from: KERNEL_VFIO, says: /rlimit|memlock|locked/, class: "memlock-limit" },
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
  { from: KERNEL_VFIO, says: /viable|unbound|bound|driver|probe|denylist|group/, class: "driver-binding" },
  { from: KERNEL_VFIO, says: /token|denied|permission|not allowed/, class: "access-denied" },
  { from: KERNEL_VFIO, class: "device-config-invalid" },

  { from: KERNEL_PCI, names: /not ready.* after (?:flr|.*reset|dpc)/, class: "reset-failed" },
  { from: KERNEL_PCI, names: /not ready.* after (?:resume|.*d[03])/, class: "power-state-stuck" },
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
    says: /reset|\bflr\b|hang|hung|stuck|baco|recover|\bsmu\b|\bsmc\b|\bpsp\b|\bmode[12]\b|\bras\b|\bguc\b|\bhuc\b|\bgsp\b|firmware|timeout|timed out|ring|halt|idle|\bxid\b/,
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

/** What is not there, or is somebody else's, tells more than who tripped over it. */
const OBJECT_RULES: readonly Rule[] = [
  { from: ANY_MONITOR, names: /\/dev\/(?:vfio|iommu)\b/, errno: ["EACCES", "EPERM"], class: "access-denied" },
  { from: ANY_MONITOR, names: /\/dev\/vfio\/(?:\d|devices)/, errno: ["EBUSY"], class: "device-busy" },
  {
    from: ANY_MONITOR,
    names: /\/dev\/vfio\/(?:\d|devices)/,
    errno: ["ENOENT", "ENODEV", "ENXIO"],
    class: "driver-binding",
  },
  {
    from: ANY_MONITOR,
    names: /\/dev\/(?:vfio\/vfio|iommu)\b/,
    errno: ["ENOENT", "ENODEV", "ENXIO"],
    class: "iommu-not-enabled",
  },
  { from: ANY_MONITOR, names: /\/dev\/kvm\b/, class: "kvm-unavailable" },
  {
    from: ANY_MONITOR,
    names: /\/sys\/bus\/pci\/devices\/|\/sys\/bus\/mdev\//,
    errno: ["ENOENT"],
    class: "device-missing",
  },
  {
    from: ANY_MONITOR,
    says: /passthrough/,
    names: /not support|n't support|not possible/,
    class: "iommu-not-enabled",
  },
  {
    from: ANY_MONITOR,
    says: /unable to execute qemu command|could not be initialized|cannot access memory|qemu exited/,
    class: "none",
  },
];

const PASSTHROUGH_RULES: readonly Rule[] = [
  { from: PASSTHROUGH, errno: ["EBUSY"], says: /region|\bbar\b/, class: "bar-reserve-failed" },
  { from: PASSTHROUGH, errno: ["EBUSY"], says: /open|group|attach|bind/, class: "device-busy" },
  { from: PASSTHROUGH, errno: ["EACCES"], class: "access-denied" },
  { from: PASSTHROUGH, errno: ["EPERM"], says: /open|access|read|write/, class: "access-denied" },
  { from: PASSTHROUGH, says: /\breset|\bflr\b/, class: "reset-failed" },
  { from: PASSTHROUGH, says: /viable|all devices (?:in|within)/, class: "group-not-viable" },
  { from: PASSTHROUGH, says: /rlimit|memlock|locked memory/, class: "memlock-limit" },
  {
    from: PASSTHROUGH,
    says: /in use|used by|already (?:assigned|attached|owned|in|used)|reserved|assigned more than once|not owned|attach(?:ed)? to/,
    class: "device-busy",
  },
  {
    from: PASSTHROUGH,
    says: /iommu not (?:present|enabled)|no iommu\b|iommu is not|not assigned to any iommu|not part of.*iommu|iommu_group|iommu group/,
    class: "iommu-not-enabled",
  },
  {
    from: PASSTHROUGH,
    says: /failed to load|vfio-dev|\bcdev|unbind|\bbind|bound|\bstub|driver_override|module|driver(?! type)/,
    class: "driver-binding",
  },
  {
    from: PASSTHROUGH,
    says: /container|iommufd|\bhwpt|\bioas|attach|domain|viommu|notifier|aw-bits|address width|set iommu|iommu(?! dma)|group|pasid/,
    class: "container-setup-failed",
  },
  {
    from: PASSTHROUGH,
    says: /no such|not found|does not exist|no pci device|could not find|cannot find|unable to (?:find|read|stat|get)|no pci device info|failed to (?:read|stat|find)|hardware probably changed|not present|missing/,
    class: "device-missing",
  },
  {
    from: PASSTHROUGH,
    says: /address space|iova range|guest.*(?:phys|address)|out of range|beyond/,
    class: "guest-address-space",
  },
  {
    from: PASSTHROUGH,
    says: /(?:\b|_)(?:un)?map|(?:\b|_)dma(?:\b|_)|dirty|iova|listener|ram discard|\bpin/,
    class: "dma-map-failed",
  },
  { from: PASSTHROUGH, says: /power|\bd[03]\b/, class: "power-state-stuck" },
  { from: PASSTHROUGH, says: /\brom\b|opregion|\bvga\b|\bigd\b|option rom/, class: "rom-invalid" },
  {
    from: PASSTHROUGH,
    says: /(?:\b|_)irq|interrupt|\bmsi|eventfd|intx|vector|resample/,
    class: "irq-setup-failed",
  },
  { from: PASSTHROUGH, says: /migrat|dirty|savevm|saving|state buffer|precopy|switchover/, class: "none" },
  {
    from: PASSTHROUGH,
    says: /header type|config|region|\bbar\b|capab|mmap|quirk|property|option|must|only|support|valid|multifunction|mapping|type|mdev|mediated|size|address|device/,
    class: "device-config-invalid",
  },
];

const FAILS =
  /fail|unable|cannot|can't|could ?n[o']t|couldn't|not (?:find|found|available|exist|running|accessible|ready|start)|no such|does not exist|doesn't exist|missing|error|timeout|timed out|in use|already|denied/;
const REFUSES =
  /invalid|unsupported|not support|must|only|require|unknown|too (?:many|large|small|long|big|short)|duplicate|conflict|mutually|incompatible|cannot be|can't be|can not|(?:is )?not (?:an? |valid|allow|implement|permit|a valid)|expect|specified|unexpected|out of range|exceed|more than|less than|greater|at (?:least|most)|malformed|deprecated|range|should|wrong|illegal|bad |no .* (?:given|specified|defined)|parse|does ?n[o']t support|needs?|property|option|parameter|attribute|element|missing|define|configured|duplicat|without|mismatch|doesn't match|does not match|ambiguous|ignor|already/;

const MONITOR_RULES: readonly Rule[] = [
  {
    from: ANY_MONITOR,
    says: /migrat|snapshot|checkpoint|backup|vmstate|\bblock ?job|mirror|dump(?!xml)|savevm|loadvm|replicat|incoming|guest agent|hot-?(?:un)?plug|screenshot|\bclone\b/,
    class: "none",
  },
  { from: ANY_MONITOR, errno: ["EACCES", "EPERM"], class: "access-denied" },
  { from: ANY_MONITOR, errno: ["ENOMEM"], class: "memory-alloc-failed" },
  {
    from: ANY_MONITOR,
    says: /permission|denied|not permitted|apparmor|selinux|unprivileged|security (?:label|driver|model)|authentication|authoriz|polkit/,
    class: "access-denied",
  },
  { from: /^libvirt src\/security\//, class: "access-denied" },
  {
    from: ANY_MONITOR,
    says: /huge.?page|hugetlb|\bguest memory|cannot set up guest memory|out of memory|not enough memory|insufficient memory|allocat.*memory|memory allocat|prealloc|mlock|numa nodes?.*memory|allocate/,
    class: "memory-alloc-failed",
  },
  {
    from: ANY_MONITOR,
    says: /phys-?bits|physical bits|address space|address range|above (?:the )?4g|\bpci64|mmio (?:gap|window)|pci hole|maxmem|memory slots? /,
    class: "guest-address-space",
  },
  {
    from: /^qemu (?:accel\/(?:kvm|accel)|target\/i386\/(?:kvm|sev|tdx)|system\/accel)|^cloud-hypervisor hypervisor\//,
    class: "kvm-unavailable",
  },
  {
    from: ANY_MONITOR,
    says: /\bkvm\b|\bvmx\b|\bsvm\b|virtualization|hypervisor extension|accelerat|no accelerator/,
    class: "kvm-unavailable",
  },
  {
    from: /^qemu (?:backends\/hostmem|system\/(?:physmem|memory)|softmmu\/(?:physmem|memory)|hw\/mem|util\/(?:oslib|mmap|memfd|vfio))|^cloud-hypervisor .*memory_manager|^proxmox .*QemuServer\/Memory/,
    says: FAILS,
    class: "memory-alloc-failed",
  },
  {
    from: /^qemu migration\/|^libvirt src\/qemu\/qemu_(?:migration|snapshot|backup|checkpoint|blockjob|agent|saveimage)|^proxmox .*(?:Migrate|BlockJob|Agent|VZDump)|^cloud-hypervisor vm-migration/,
    class: "none",
  },
  {
    from: /^(?:swtpm|virtiofsd) |^qemu (?:backends\/tpm|hw\/tpm|tools\/virtiofsd)|^cloud-hypervisor tpm/,
    class: "host-resource-missing",
  },
  // Cards of its own that QEMU makes for the VM; where the definition asks for what they cannot do, that is refused.
  {
    from: /^qemu (?:block|hw\/(?:block|ide|scsi|nvme)|blockdev|net|hw\/net|chardev|ui|audio|io|crypto|fsdev|hw\/(?:9pfs|virtio|usb|xen)|qemu-bridge|util\/(?:qemu-sockets|vhost|main-loop|event|aio))/,
    says: FAILS,
    class: "host-resource-missing",
  },
  {
    from: /^libvirt src\/(?:network|storage|storage_file|nwfilter|secret|interface|locking|logging|rpc|remote|access|node_device)\//,
    says: FAILS,
    class: "host-resource-missing",
  },
  {
    from: /^libvirt src\/util\/vir(?:json|xml|conf|uri|keyfile|typedparam|bitmap|uuid|string|time|enum|sysconf|cputime)/,
    class: "none",
  },
  { from: /^libvirt src\/(?:conf|cpu)\//, class: "vm-config-invalid" },
  {
    from: /^libvirt src\/qemu\/qemu_(?:validate|domain_address|domain|alias|command|block|postparse|firmware|capabilities|hotplug|passt|slirp|interface|tpm|extdevice|process|cgroup|namespace|driver)/,
    says: REFUSES,
    class: "vm-config-invalid",
  },
  { from: /^libvirt src\/(?:qemu|util|hypervisor)\//, says: FAILS, class: "host-resource-missing" },
  { from: /^libvirt (?:tools|src\/(?:libvirt|rpc|remote|driver|datatypes))/, class: "none" },
  {
    from: /^libvirt src\/(?:qemu|util|hypervisor|network|storage|nwfilter)/,
    says: REFUSES,
    class: "vm-config-invalid",
  },
  {
    from: /^proxmox .*PVE\/(?:QemuServer|Mapping|Network|API2\/Qemu|QemuConfig)/,
    says: /volume|storage|disk|drive|image|file|bridge|interface|efi|ovmf|socket|usb|host|scope|systemd|qmp|lock/,
    class: "host-resource-missing",
  },
  { from: /^proxmox .*PVE\/(?:QemuServer|QemuConfig|Mapping)/, says: REFUSES, class: "vm-config-invalid" },
  { from: /^proxmox .*PVE\//, says: FAILS, class: "host-resource-missing" },
  {
    from: /^qemu (?:qom|qapi|system|softmmu|hw|util|monitor|accel|target|backends|cpu|os-posix|block|net|chardev|ui|audio|io|crypto|fsdev|blockdev)/,
    says: REFUSES,
    class: "vm-config-invalid",
  },
  { from: /^qemu /, says: FAILS, class: "host-resource-missing" },
  {
    from: /^cloud-hypervisor (?:vmm\/src\/(?:config|vm_config|api)|arch|option_parser)/,
    class: "vm-config-invalid",
  },
  // Xen hands devices over in a way of its own: none of VFIO's causes is its.
  { from: /^xen /, says: FAILS, class: "host-resource-missing" },
  { from: /^xen /, says: REFUSES, class: "vm-config-invalid" },
  { from: /^(?:cloud-hypervisor|rust-vmm) /, says: REFUSES, class: "vm-config-invalid" },
  { from: /^(?:cloud-hypervisor|rust-vmm) /, says: FAILS, class: "host-resource-missing" },
];

const RULES: readonly Rule[] = [...HOST_RULES, ...OBJECT_RULES, ...PASSTHROUGH_RULES, ...MONITOR_RULES];
