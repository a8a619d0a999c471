import { ANY_MONITOR, type ClassRule } from "./class-rule.ts";

/** Whatever in QEMU, libvirt, Proxmox or another monitor gives devices of the host to VMs. */
const PASSTHROUGH =
  /^qemu (?:hw\/(?:vfio|vfio-user|s390x\/s390-pci)|backends\/(?:iommufd|host_iommu)|hw\/i386\/\w*iommu|hw\/xen\/xen_pt|hw\/xen\/xen-host-pci)|^libvirt src\/(?:hypervisor\/virhostdev|util\/vir(?:pci|mdev|iommufd|vfio)|conf\/(?:device_conf|virpcideviceaddress)|node_device)|^proxmox .*PVE\/(?:QemuServer\/(?:PCI|PCI\/.*)|SysFSTools|Mapping\/PCI)\.pm|^(?:cloud-hypervisor|rust-vmm) .*vfio|^xen .*libxl_pci|^incus internal\/server\/device\/(?:pci|gpu|nic_sriov|infiniband|device_utils_(?:gpu|infiniband))|^kubevirt pkg\/.*(?:hostdevice|\/gpu|sriov|mediated|vfio|iommufd|device-manager\/pci)/;

/** What is not there, or is somebody else's, tells more than who tripped over it. */
export const OBJECT_RULES: readonly ClassRule[] = [
  { from: ANY_MONITOR, says: /locked memory|memlock/, class: "memlock-limit" },
  { from: ANY_MONITOR, says: /kvm kernel module/, class: "kvm-unavailable" },
  {
    from: ANY_MONITOR,
    names: /failed to initialize kvm|virt type 'kvm'|domaintype=kvm/,
    class: "kvm-unavailable",
  },
  { from: ANY_MONITOR, says: /vfio_(?:un)?map_dma/, class: "dma-map-failed" },
  { from: ANY_MONITOR, says: /mediated device .*not found|no node device with/, class: "device-missing" },
  {
    from: ANY_MONITOR,
    says: /device assignment .*(?:on this system|requires vfio)/,
    class: "iommu-not-enabled",
  },
  { from: ANY_MONITOR, says: /device assignment .*not supported by/, class: "device-config-invalid" },
  // QEMU knows a device by the name that libvirt, Proxmox, KubeVirt or Kata gave it.
  {
    from: /^qemu /,
    says: /^device '%s' not found/,
    names: /device '(?:vfio|hostdev|hostpci|ua-(?:gpu|hostdev|sriov))/,
    class: "device-missing",
  },
  { from: ANY_MONITOR, says: /romfile|option rom/, class: "rom-invalid" },
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

/** What is said where a device of the host is given to a VM. */
export const PASSTHROUGH_RULES: readonly ClassRule[] = [
  { from: PASSTHROUGH, errno: ["EBUSY"], says: /region|\bbar\b/, class: "bar-reserve-failed" },
  { from: PASSTHROUGH, errno: ["EBUSY"], says: /open|group|attach|\bbind/, class: "device-busy" },
  { from: PASSTHROUGH, errno: ["EACCES"], class: "access-denied" },
  { from: PASSTHROUGH, errno: ["EPERM"], says: /open|access|read|write|assign/, class: "access-denied" },
  { from: PASSTHROUGH, says: /unrecoverable error/, class: "pcie-error" },
  { from: PASSTHROUGH, says: /kvm vfio device/, class: "container-setup-failed" },
  { from: PASSTHROUGH, says: /(?:read|restore)\b.*config space/, class: "device-lost" },
  { from: PASSTHROUGH, says: /header type/, names: /type '?(?:127|0x7f)/, class: "device-lost" },
  { from: PASSTHROUGH, says: /lacking acs/, class: "group-not-viable" },
  {
    from: PASSTHROUGH,
    says: /does not support requested|\bneed(?:s|ed)? to (?:enable|set|specify)|unsupported pci config/,
    class: "device-config-invalid",
  },
  { from: PASSTHROUGH, says: /detached from the host|trigger a probe/, class: "driver-binding" },
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
