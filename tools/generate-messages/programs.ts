import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { PrinterOf } from "./c-source.ts";
import type { PrintedFormat } from "./printed-format.ts";

/** A program whose messages the data holds. */
export interface Program {
  /** As the data and its readers call it. */
  readonly name: string;
  readonly language: "c" | "perl" | "rust" | "go";
  /** The version of a tree of this program; undefined where the tree is another's. */
  readonly versionOf: (tree: string) => string | undefined;
  /** Which of its files speak of what this program is for. */
  readonly files: RegExp;
  readonly without?: RegExp;
  readonly printerOf: PrinterOf;
}

/** `dev_err`, `pr_warn_once`, `pci_info_ratelimited`, `dev_err_probe`, `DRM_ERROR`, `nvkm_error`: by their own words. */
const kernelPrinter: PrinterOf = (name, first) => {
  const [, word] =
    /^(?:[A-Za-z]\w*_)?(emerg|alert|crit|err|error|warn|warning|notice|info|fatal|exception)(?:_once|_ratelimited|_probe|_err)*$/i.exec(
      name,
    ) ?? [];
  if (word !== undefined) return severityOf(word);
  if (/^(?:WARN|WARN_ONCE|dev_WARN|dev_WARN_ONCE|drm_WARN|drm_WARN_ONCE|panic|WARN_TAINT\w*)$/.test(name))
    return "error";
  const [, level] = /^(?:KERN_|NV_DBG_)([A-Z]+?)S?$/.exec(first ?? "") ?? [];
  if (/^(?:(?:dev_|pci_|acpi_handle_)?printk(?:_once|_ratelimited)?|nv_printf|NV_DEV_PRINTF)$/.test(name))
    return severityOf(level ?? "WARNING");
  return undefined;
};

function severityOf(word: string): PrintedFormat["severity"] | undefined {
  switch (word.toLowerCase().slice(0, 4)) {
    case "warn":
      return "warning";
    case "info":
    case "noti":
    case "setu":
    case "memi":
    case "cont":
      return "info";
    case "debu":
      return undefined;
    default:
      return "error";
  }
}
const KERNEL_DIRECTORIES =
  /^drivers\/(?:vfio|iommu|pci|xen|acpi)\/|^virt\/kvm\/|^arch\/x86\/kvm\/|^virt\/lib\//;
/** The parts of the graphics drivers that bring a card up, hand it back and reset it. */
const GRAPHICS =
  /^drivers\/gpu\/drm\/(?:amd\/amdgpu\/(?:amdgpu_(?:device|drv|reset|psp|bios|atombios|atomfirmware|kms|job|fence|ras|gmc|discovery|virt|vram_mgr|ucode|irq|acpi|gart|ring|ib|mes)|psp_v\w+|soc\d+|nv|vi|cik|si|aldebaran|sienna_cichlid|smu_v13_0_10|nbio_v\w+|mxgpu_\w+|atom|gmc_v\w+)\.c|amd\/pm\/swsmu\/(?:amdgpu_smu|smu_cmn|smu1[1-5]\/smu_v1[1-5]_0)\.c|radeon\/(?:radeon_(?:device|drv|kms|bios|fence|ring)|evergreen|si|cik|r600)\.c|nouveau\/(?:nouveau_(?:drm|bios|fence|vga|acpi)|nvkm\/(?:engine\/device|core|subdev\/(?:bios|pci|gsp|devinit|mc|top)))\b.*\.c|i915\/(?:i915_(?:driver|pci|gpu_error|irq)|intel_(?:pcode|uncore|region_lmem)|gt\/(?:intel_(?:reset|gt|gt_pm|engine_cs|wopcm|lrc)|uc\/intel_(?:guc|huc|uc|uc_fw|gsc_fw))|gvt\/(?:kvmgt|gvt))\.c|xe\/xe_(?:device|pci|gt|guc|huc|uc|uc_fw|wedge|pcode|mmio|vram|gsc|force_wake|survivability_mode)\.c)/;
/** What no machine with VFIO has, or no start of a VM waits for. */
const OTHER_HARDWARE =
  /^drivers\/pci\/(?:controller\/(?!vmd|pci-hyperv)|endpoint|hotplug\/(?:cpq|ibm|rpa|rpad|s390|cpci|cpcihp|pnv)|pwrctrl|switch)|^drivers\/iommu\/(?:arm\/arm-smmu\/(?!arm-smmu\.c)|riscv|apple|exynos|fsl|ipmmu|msm|mtk|omap|rockchip|s390|sprd|sun50i|tegra|io-pgtable-.*selftest)|^drivers\/acpi\/(?:acpica|arm64|dptf|nfit|pmic|riscv|x86|apei\/einj|(?:battery|button|fan|thermal|ac|sbs|ec|acpi_(?:video|pad|fpdt|adxl|ipmi|lpit|pcc|mrrm|dbg|tad|configfs)|pfr_|nhlt|dock|cppc|container|video_detect|platform_profile|spcr|bgrt|mipi|sbshc|hed|prmt|thermal_lib))|\/(?:selftests?|tests?)\/|kunit|_test\.c$|selftest/;

const qemuPrinter: PrinterOf = (name) => {
  if (/^(?:warn_report|warn_reportf_err)(?:_once)?$/.test(name)) return "warning";
  if (/^info_report(?:_once)?$/.test(name)) return "info";
  if (/^error_append_hint$/.test(name)) return "info";
  return /^(?:error_(?:setg|setg_errno|report|report_once|prepend|reportf_err|propagate_prepend|exit|printf)|hw_error|fuse_log|vfio_device_error_append)$/.test(
    name,
  )
    ? "error"
    : undefined;
};
const QEMU_DIRECTORIES =
  /^(?:hw\/(?:vfio|vfio-user|pci|pci-bridge|pci-host|i386|core|acpi|mem|tpm|smbios|virtio|usb|scsi|block|display|nvme|xen|net|char|watchdog|s390x\/s390-pci|uefi|remote|ide|audio|input)|accel|accel\/kvm|system|softmmu|backends|target\/i386|qom|util|block|chardev|net|ui|io|qapi|migration|tools\/virtiofsd|monitor|crypto|audio|fsdev|dump)\/.*\.c$|^(?:blockdev|os-posix|cpu|qemu-bridge-helper)\.c$/;
const OTHER_QEMU =
  /^hw\/(?:pci-host\/(?!i440fx|q35|pam|gpex|remote|vfio|xen)|net\/(?!virtio|vhost|e1000|igb|vmxnet3|rtl8139)|char\/(?!virtio|serial|parallel|debugcon)|display\/(?!virtio|vga|qxl|cirrus|ramfb|bochs|edid|vhost|ati)|block\/(?!virtio|vhost|pflash|fdc|xen|nvme|block|dataplane)|acpi\/(?!ghes_stub)|usb\/(?!host|hcd|redirect|core|bus|dev-(?:hid|storage|uas)|ccid|combined|desc)|watchdog\/(?!wdt_i6300esb|watchdog|wdt_ib700)|s390x)|^accel\/(?:tcg\/translat|mshv|hvf|whpx|nvmm)|^migration\/rdma|^block\/(?:sheepdog|vxhs|gluster|rbd|curl|iscsi|nfs|ssh)|^target\/i386\/(?:hax|whpx|nvmm|hvf|mshv)|^util\/.*win32|^audio\/(?:dsound|coreaudio)|win32|^ui\/cocoa|^backends\/.*-stub/;

const libvirtPrinter: PrinterOf = (name) => {
  if (name === "VIR_WARN") return "warning";
  return /^(?:virReport(?:Error|SystemError|UnsupportedError|InvalidArg|RestrictedError|EnumRangeError\w*)|VIR_ERROR|vshError|qemuReport\w+)$/.test(
    name,
  )
    ? "error"
    : undefined;
};

const xenPrinter: PrinterOf = (name, first) => {
  if (name === "fprintf") return first === "stderr" ? "error" : undefined;
  if (!/^LOGE?V?D?$/.test(name)) return undefined;
  if (first === "ERROR") return "error";
  return first === "WARN" ? "warning" : first === "INFO" ? "info" : undefined;
};

/** What its tools write to stdout is help and keys. */
const swtpmPrinter: PrinterOf = (name, first) =>
  /^(?:logprintf|logerr|error)$/.test(name) || (name === "fprintf" && first === "stderr")
    ? "error"
    : undefined;

const none: PrinterOf = () => undefined;

/** All programs, those first whose trees hold others' files. */
export const PROGRAMS: readonly Program[] = [
  {
    name: "kernel",
    language: "c",
    versionOf: (tree) => {
      const makefile = existsSync(join(tree, "drivers/vfio")) ? read(tree, "Makefile") : "";
      const part = (name: string) => new RegExp(`^${name} = (\\d+)`, "m").exec(makefile)?.[1];
      const version = [part("VERSION"), part("PATCHLEVEL"), part("SUBLEVEL")];
      return version.includes(undefined) ? undefined : version.join(".");
    },
    files: new RegExp(`(?:${KERNEL_DIRECTORIES.source}).*\\.c$|${GRAPHICS.source}`),
    without: OTHER_HARDWARE,
    printerOf: kernelPrinter,
  },
  {
    name: "nvidia",
    language: "c",
    versionOf: (tree) => /^NVIDIA_VERSION = (\S+)/m.exec(read(tree, "version.mk"))?.[1],
    files: /^kernel-open\/nvidia\/(?:nv|os)[^/]*\.c$/,
    printerOf: kernelPrinter,
  },
  {
    name: "vendor-reset",
    language: "c",
    versionOf: (tree) =>
      /^PACKAGE_NAME="vendor-reset"[\s\S]*?PACKAGE_VERSION="([^"]+)"/.exec(read(tree, "dkms.conf"))?.[1],
    files: /^src\/.*\.c$/,
    printerOf: kernelPrinter,
  },
  {
    name: "qemu",
    language: "c",
    versionOf: (tree) =>
      existsSync(join(tree, "hw/vfio")) ? read(tree, "VERSION").trim() || undefined : undefined,
    files: QEMU_DIRECTORIES,
    without: OTHER_QEMU,
    printerOf: qemuPrinter,
  },
  {
    name: "libvirt",
    language: "c",
    versionOf: (tree) => /'libvirt'[\s\S]*?version: '([^']+)'/.exec(read(tree, "meson.build"))?.[1],
    files:
      /^src\/(?:hypervisor|util|qemu|conf|security|network|storage|storage_file|cpu|rpc|remote|locking|logging|node_device|nwfilter|secret|interface|access)\/.*\.c$|^src\/(?:libvirt[^/]*|datatypes|driver)\.c$|^tools\/virsh-[^/]*\.c$/,
    printerOf: libvirtPrinter,
  },
  {
    name: "xen",
    language: "c",
    versionOf: (tree) => {
      const makefile = read(tree, "xen/Makefile");
      const part = (name: string) =>
        new RegExp(`^export XEN_${name}\\s*\\??= \\.?(\\d+)`, "m").exec(makefile)?.[1];
      const version = [part("VERSION"), part("SUBVERSION"), part("EXTRAVERSION")];
      return version.includes(undefined) ? undefined : version.join(".");
    },
    files: /^tools\/(?:libxl|libs\/light|xl)\/(?!.*(?:test|freebsd|netbsd|arm))[^/]*\.c$/,
    printerOf: xenPrinter,
  },
  {
    name: "swtpm",
    language: "c",
    versionOf: (tree) => /AC_INIT\(\[swtpm\],\s*\[([^\]]+)\]/.exec(read(tree, "configure.ac"))?.[1],
    files: /^src\/(?:swtpm|swtpm_setup|swtpm_cert|swtpm_localca|swtpm_ioctl|utils)\/.*\.c$/,
    printerOf: swtpmPrinter,
  },
  {
    name: "proxmox",
    language: "perl",
    versionOf: (tree) =>
      /^(?:qemu-server|libpve-common-perl|libpve-guest-common-perl) \(([^)]+)\)/.exec(
        read(tree, "debian/changelog"),
      )?.[1],
    files:
      /(?:^|\/)PVE\/(?:QemuServer|QemuServer\/.*|QemuConfig|QMPClient|API2\/Qemu|API2\/Qemu\/.*|QemuMigrate|CLI\/qm|GuestHelpers|Mapping\/.*|AbstractConfig|Tools|SysFSTools|Network|ProcFSTools|INotify|Systemd|VZDump\/QemuServer)\.pm$/,
    printerOf: none,
  },
  {
    name: "virtiofsd",
    language: "rust",
    versionOf: (tree) => cargoVersion(tree, "Cargo.toml", "virtiofsd"),
    files: /^src\/.*\.rs$/,
    printerOf: none,
  },
  {
    name: "cloud-hypervisor",
    language: "rust",
    versionOf: (tree) =>
      cargoVersion(tree, "cloud-hypervisor/Cargo.toml", "cloud-hypervisor") ??
      cargoVersion(tree, "Cargo.toml", "cloud-hypervisor"),
    files:
      /^(?:vmm|pci|hypervisor|devices|virtio-devices|vm-device|vm-allocator|arch|block|net_util|tpm|vm-virtio|src|cloud-hypervisor\/src)\/.*\.rs$/,
    without: /test/,
    printerOf: none,
  },
  {
    name: "rust-vmm",
    language: "rust",
    versionOf: (tree) => cargoVersion(tree, "vfio-ioctls/Cargo.toml", "vfio-ioctls"),
    files: /^(?:vfio-ioctls|vfio-user)\/src\/.*\.rs$/,
    printerOf: none,
  },
  {
    name: "incus",
    language: "go",
    versionOf: (tree) =>
      existsSync(join(tree, "internal/server/instance/drivers"))
        ? /^var Version = "([^"]+)"/m.exec(read(tree, "internal/version/flex.go"))?.[1]
        : undefined,
    files:
      /^internal\/server\/(?:device|device\/.*|instance\/drivers|instance\/drivers\/(?:edk2|qmp)|apparmor|storage|storage\/drivers|network|resources)\/[^/]*\.go$/,
    // Containers, and what concerns other hosts of a cluster.
    without:
      /_test\.go$|driver_lxc|device\/(?:unix|proxy|gpu_mig|nic_(?:ipvlan|p2p|routed))|network\/(?:acl|zone)|_(?:load|peer|forward)/,
    printerOf: none,
  },
  {
    name: "kubevirt",
    language: "go",
    // No file of its tree names its version but the newest release that was measured.
    versionOf: (tree) =>
      existsSync(join(tree, "pkg/virt-launcher"))
        ? [...read(tree, "docs/perf-scale-benchmarks.md").matchAll(/\bv(\d+\.\d+\.\d+) release/g)]
            .map(([, version = ""]) => version)
            .sort(new Intl.Collator("en", { numeric: true }).compare)
            .at(-1)
        : undefined,
    files:
      /^pkg\/(?:virt-launcher(?:\/.*)?|virt-handler(?:\/.*)?|host-disk|hooks|container-disk|emptydisk|ephemeral-disk|hypervisor(?:\/.*)?|network\/.*|storage\/(?:hotplug.*|cbt|types))\/[^/]*\.go$/,
    without: /_test\.go$|generated|\/(?:testing|metrics|migration|rest|launcher-clients)\//,
    printerOf: none,
  },
];

function read(tree: string, path: string): string {
  try {
    return readFileSync(join(tree, path), "utf8");
  } catch {
    return "";
  }
}

function cargoVersion(tree: string, path: string, name: string): string | undefined {
  const text = read(tree, path);
  return new RegExp(`^name = "${name}"$`, "m").test(text)
    ? /^version = "([^"]+)"/m.exec(text)?.[1]
    : undefined;
}
