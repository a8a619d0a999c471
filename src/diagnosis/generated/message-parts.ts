import type { KnownFormat } from "../../knowledge/message-data.ts";

const PROGRAM_NAMES: Readonly<Record<string, string>> = {
  kernel: "The kernel",
  nvidia: "NVIDIA's driver",
  "vendor-reset": "vendor-reset",
  qemu: "QEMU",
  libvirt: "libvirt",
  xen: "Xen's toolstack",
  swtpm: "swtpm",
  proxmox: "Proxmox",
  virtiofsd: "virtiofsd",
  "cloud-hypervisor": "cloud-hypervisor",
  "rust-vmm": "rust-vmm",
  incus: "Incus",
  kubevirt: "KubeVirt",
};

/** What people call a program of the data. */
export function programName(program: string): string {
  return PROGRAM_NAMES[program] ?? program;
}

/** The same within a sentence. */
export function nameInSentence(program: string): string {
  return programName(program).replace(/^The /, "the ");
}

/** Parts of programs by their files, the narrow ones first. */
const PARTS: readonly (readonly [RegExp, string])[] = [
  [/^kernel drivers\/vfio\//, "VFIO"],
  [/^kernel drivers\/iommu\/iommufd\//, "iommufd"],
  [/^kernel drivers\/iommu\/amd\//, "the AMD IOMMU"],
  [/^kernel drivers\/iommu\/intel\//, "the Intel IOMMU"],
  [/^kernel drivers\/iommu\//, "the IOMMU"],
  [/^kernel drivers\/pci\/pcie\/(?:aer|dpc|err)/, "PCIe error reporting"],
  [/^kernel drivers\/pci\/hotplug\//, "PCI hotplug"],
  [/^kernel drivers\/pci\/(?:rom|vpd)/, "PCI option ROMs"],
  [/^kernel drivers\/pci\/iov/, "SR-IOV"],
  [/^kernel drivers\/pci\//, "PCI"],
  [/^kernel drivers\/xen\/xen-pciback/, "Xen's PCI passthrough"],
  [/^kernel drivers\/xen\//, "Xen"],
  [/^kernel drivers\/acpi\/apei\//, "firmware error reporting"],
  [/^kernel drivers\/acpi\//, "ACPI"],
  [/^kernel (?:virt|arch\/x86)\/kvm\//, "KVM"],
  [/^kernel drivers\/gpu\/drm\/amd\//, "the driver amdgpu"],
  [/^kernel drivers\/gpu\/drm\/(radeon|nouveau|i915|xe)\//, "the graphics driver"],
  [/^qemu hw\/(?:vfio|vfio-user)\//, "VFIO"],
  [/^qemu backends\/(?:iommufd|host_iommu)/, "iommufd"],
  [/^qemu hw\/i386\/\w*iommu/, "the virtual IOMMU"],
  [/^qemu hw\/(?:pci|pci-bridge|pci-host)\//, "the VM's PCI"],
  [/^qemu (?:accel\/kvm|target\/i386\/kvm)\//, "KVM"],
  [/^qemu target\//, "the VM's processor"],
  [/^qemu hw\/i386\//, "the VM's mainboard"],
  [/^qemu (?:backends|hw)\/tpm/, "the VM's TPM"],
  [/^qemu (?:backends\/hostmem|system\/physmem|softmmu\/physmem|hw\/mem)/, "the VM's memory"],
  [/^qemu (?:block|hw\/(?:block|ide|scsi|nvme)|blockdev)/, "disks and images"],
  [/^qemu (?:net|hw\/net)/, "the network"],
  [/^qemu (?:ui|hw\/display)/, "the display"],
  [/^qemu hw\/usb/, "USB"],
  [/^qemu hw\/virtio/, "virtio"],
  [/^qemu tools\/virtiofsd/, "virtiofsd"],
  [/^libvirt src\/(?:hypervisor\/virhostdev|util\/vir(?:pci|mdev|iommufd))/, "devices of the host"],
  [/^libvirt src\/security\//, "security drivers"],
  [/^libvirt src\/network\//, "virtual networks"],
  [/^libvirt src\/storage/, "storage pools"],
  [/^libvirt src\/(?:conf|cpu)\//, "the VM's definition"],
  [/^libvirt src\/qemu\//, "the driver for QEMU"],
  [/^libvirt src\/(?:rpc|remote)\//, "its connections"],
  [/^xen .*libxl_pci/, "PCI passthrough"],
  [/^proxmox .*QemuServer\/PCI/, "PCI passthrough"],
  [/^proxmox .*QemuServer\/Memory/, "the VM's memory"],
  [/^(?:cloud-hypervisor|rust-vmm) .*vfio/, "VFIO"],
  [/^incus .*\/device\/(?:pci|gpu|nic_sriov)/, "devices of the host"],
  [/^kubevirt .*(?:hostdevice|device-manager)/, "devices of the host"],
];

/** ` (VFIO)`: the part of the program that speaks, as far as its file tells; empty where it does not. */
export function partOf({ program, path }: KnownFormat): string {
  const part = PARTS.find(([from]) => from.test(`${program} ${path}`))?.[1];
  return part === undefined ? "" : ` (${part})`;
}
