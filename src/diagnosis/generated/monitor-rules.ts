import { ANY_MONITOR, type ClassRule } from "./class-rule.ts";

const FAILS =
  /fail|not active|no (?:storage|network|usable)|unable|cannot|can't|could ?n[o']t|couldn't|not (?:find|found|available|exist|running|accessible|ready|start)|no such|does not exist|doesn't exist|missing|error|timeout|timed out|in use|already|denied/;
const REFUSES =
  /invalid|unsupported|not support|must|only|require|unknown|too (?:many|large|small|long|big|short)|duplicate|conflict|mutually|incompatible|cannot be|can't be|can not|(?:is )?not (?:an? |valid|allow|implement|permit|a valid)|expect|specified|unexpected|\bexists\b|out of range|exceed|more than|less than|greater|at (?:least|most)|malformed|deprecated|range|should|wrong|illegal|bad |no .* (?:given|specified|defined)|parse|does ?n[o']t support|needs?|property|option|parameter|attribute|element|missing|define|configured|duplicat|\ballowed\b|without|mismatch|doesn't match|does not match|ambiguous|ignor|already/;

/** What is said of all else that a VM needs. */
export const MONITOR_RULES: readonly ClassRule[] = [
  { from: ANY_MONITOR, says: /\bdied\b|child process/, class: "host-resource-missing" },
  {
    from: /^qemu (?:hw\/pci\/|hw\/ide\/|(?:system|softmmu)\/qdev)/,
    says: /slot|\bbus\b|unit/,
    class: "vm-config-invalid",
  },
  { from: /^libvirt /, says: /state change lock/, class: "host-resource-missing" },
  {
    from: /^xen /,
    says: /unable to add %s devices|startup timed out|device model did not start|domain creation failed|already exited/,
    class: "none",
  },
  // A connection that ended tells nothing of why; what a manager says of its own step, stands elsewhere.
  {
    from: /^libvirt src\/rpc\//,
    says: /(?:send|recv|read|write) data|end of file|connection/,
    class: "none",
  },
  {
    from: /^(?:incus|kubevirt) /,
    says: /synchroniz|\bsync|(?:start|create|creat|defin|launch|setup|set up|set)(?:ing)?(?: up)? (?:the |a )?(?:"%s"|domain|vmi?|virtualmachine|instance|device|libvirt)\b/,
    class: "none",
  },
  // Whose answer was waited for stands elsewhere.
  { from: /^proxmox /, says: /^(?:%s: )?got timeout$/, class: "none" },
  { from: ANY_MONITOR, says: /not support hot-?(?:un)?plug|no '%s' bus found/, class: "vm-config-invalid" },
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
  { from: /^xen /, says: FAILS, class: "host-resource-missing" },
  { from: /^xen /, says: REFUSES, class: "vm-config-invalid" },
  { from: /^(?:cloud-hypervisor|rust-vmm) /, says: REFUSES, class: "vm-config-invalid" },
  { from: /^(?:cloud-hypervisor|rust-vmm) /, says: FAILS, class: "host-resource-missing" },
  { from: /^(?:incus|kubevirt) /, says: FAILS, class: "host-resource-missing" },
  { from: /^(?:incus|kubevirt) /, says: REFUSES, class: "vm-config-invalid" },
];
