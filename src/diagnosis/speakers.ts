import type { Layer, SignatureMatch } from "../model/catalogue.ts";
import type { Observation } from "../model/observation.ts";
import type { Speaker } from "../model/speaker.ts";
import type { Matcher } from "./matcher.ts";

/*
 * Who can say what, for the live pipeline and for pasted text alike. The kernel says only kernel messages. QEMU,
 * libvirt and Proxmox quote one another (libvirt puts QEMU's last words into its error, a task of Proxmox shows what
 * both say), so their messages are looked for in all three. Any other program says none of these, except about VMs.
 */

/** Programs that run VMs or hand devices to them; what they print may be QEMU's, libvirt's or their own words. */
const OF_VIRTUALISATION =
  /^(?:(?:lib)?virt(?:[a-z]+d)?(?:-[\w-]+)?|virsh|vir[a-z]*qemud|swtpm|virtiofsd|incus\w*|lxd|multipassd?|nova-compute|neutron-\w+|vdsmd?|kata\w*(?:-[\w-]+)?|containerd|dockerd|cloud-hypervisor|vmm|firecracker|crosvm|lkvm|kvmtool|gnome-boxes|quickemu|qubesd?|qvm-[\w-]+|xl|xenlight|libxl|rc\.libvirt|emhttpd|unraid-api|nvidia-vgpu[\w-]*|ganeti[\w-]*|vagrant|terraform|kubelet)$/i;
const OF_DRIVING = /^(?:dpdk[\w-]*|spdk\w*|vpp|ovs-vswitchd|testpmd|python[\d.]*)$/i;
const OF_QEMU = /^(?:qemu(?:-[\d.]+)?(?:-system-[\w.-]+|-kvm)?|kvm|qemu-system\w*|[\w-]*-softmmu)$/i;
const OF_LIBVIRT =
  /^(?:libvirtd?(?:\.libvirtError)?|virt(?:qemu|node|proxy|log|lock|xen|network|storage|interface|nwfilter|secret|lxc)\w*d|virsh|virt-(?:manager|install|viewer|xml|clone))$/i;
const OF_PROXMOX = /^(?:pve[\w-]*|qm|qmeventd|qmrestore|vzdump|pct|task)$/i;
/** The audit daemon and syslog's kernel reader pass on what the kernel says. */
const OF_KERNEL = /^(?:kernel|klogd|audit|auditd|audisp\w*)$/i;

const UNKNOWN: Speaker = { kind: "unknown" };

/** Who a log's tag (`libvirtd`, `QEMU`, `kernel`, `/usr/bin/kvm`) stands for. */
export function speakerNamed(tag: string): Speaker {
  const name = tag.replace(/^.*\//, "").replace(/^\((.*)\)$/, "$1");
  if (name === "") return UNKNOWN;
  if (OF_KERNEL.test(name)) return { kind: "kernel" };
  if (OF_QEMU.test(name)) return { kind: "qemu" };
  if (OF_LIBVIRT.test(name)) return { kind: "libvirt" };
  if (OF_PROXMOX.test(name)) return { kind: "proxmox" };
  return { kind: "program", name };
}

/** A bare quote, or what somebody tells: whose words these are, nobody knows. */
export function isNobodyKnown({ kind }: Speaker): boolean {
  return kind === "unknown" || kind === "person";
}

/** Who said what a source of the running service read; undefined for an observation that is no text. */
export function speakerOf(observation: Observation): Speaker | undefined {
  switch (observation.kind) {
    case "kernel-record":
      return { kind: "kernel" };
    case "domain-log-line":
      return observation.source === "proxmox" ? { kind: "proxmox" } : { kind: "qemu", vm: observation.vm };
    case "libvirtd-record":
      return { kind: "libvirt" };
    default:
      return undefined;
  }
}

/** What the catalogue knows of an observation; empty for one that is no text. */
export function matchesOf(observation: Observation, matcher: Matcher): readonly SignatureMatch[] {
  const speaker = speakerOf(observation);
  return speaker === undefined || !("text" in observation)
    ? []
    : matcher.match(speaker.kind, observation.text);
}

/** Among whose messages a speaker's words are; a bare quote's are anybody's. */
export function layerOf(speaker: Speaker): Layer | undefined {
  switch (speaker.kind) {
    case "kernel":
      return "kernel";
    case "qemu":
      return "qemu";
    case "libvirt":
    case "proxmox":
      return "libvirt";
    default:
      return undefined;
  }
}

/** Whether a program has to do with VMs, so that QEMU's and libvirt's messages mean in its log what they mean there. */
export function runsVms(speaker: Speaker): boolean {
  switch (speaker.kind) {
    case "qemu":
    case "libvirt":
    case "proxmox":
      return true;
    case "program":
      return OF_VIRTUALISATION.test(speaker.name);
    default:
      return false;
  }
}

/** Programs that drive devices by themselves, through VFIO and without any VM. */
export function drivesDevices(speaker: Speaker): boolean {
  return speaker.kind === "program" && OF_DRIVING.test(speaker.name);
}

/** Words that stand only in what is said about VMs and the devices that they are given. */
const OF_VMS = /vfio|iommufd|hostdev|hostpci|qemu|libvirt|\bvirsh\b|\bvirDomain|\bkvm:|pass-?through/i;

/** Whether a text speaks of VMs or of devices that are given to them, and not of a package or a service of that name. */
export function saysOfVms(text: string): boolean {
  return OF_VMS.test(text.replaceAll(OF_PACKAGES, ""));
}

const OF_PACKAGES =
  /(?:package|library|module|unit|service|\bpip|\bapt|\bdnf|repository)\W+\S*(?:libvirt|qemu|vfio)\S*|\S*(?:libvirt|qemu)\S*\.(?:service|socket|so|h|pc|deb|rpm)\b/gi;

/** Whether this speaker can have said a message of that layer. Most programs can say one only where they speak of VMs. */
export function canSay(speaker: Speaker, layer: Layer, text: string): boolean {
  switch (speaker.kind) {
    case "kernel":
      // Consoles and people put the kernel's stamp in front of what only QEMU or libvirt says of a passed-through device.
      return layer === "kernel" || OF_VMS.test(text);
    case "unknown":
    case "person":
      return true;
    case "program":
      return (
        layer !== "kernel" &&
        (runsVms(speaker) || drivesDevices(speaker) || OF_VMS.test(text.replaceAll(speaker.name, "")))
      );
    default:
      // libvirt's child and Proxmox's tools print the kernel's refusals of sysfs, never the kernel's own records.
      return layer !== "kernel";
  }
}
