import type { Speaker } from "../../model/speaker.ts";
import { speakerNamed } from "../speakers.ts";
import { isProse } from "./prose.ts";

/** What stands in front of a message says who says it and when. */
export interface SaidBy {
  readonly speaker: Speaker;
  readonly when: When | undefined;
  /** The message without what stood in front of it. */
  readonly text: string;
}

/** A time of a log. Times of two clocks cannot be compared: nothing says when the boot was or which zone a log has. */
export interface When {
  readonly clock: "boot" | "utc" | "local";
  /** Milliseconds of that clock; a syslog's year, which it does not have, is left out. */
  readonly at: number;
  /** As the text has it. */
  readonly written: string;
}

const LEVEL = /^(?:(?:kern|daemon|user|auth|syslog) +:\w+ *: *|<\d{1,3}>(?:\d )?)/i;
/** dmesg's seconds since the boot; copied, a line may have lost its bracket. Then may follow the caller. */
const BOOT = /^\[? {0,8}(\d{1,8}\.\d{1,6})\](?: ?\[ {0,6}[TC]\d{1,7}\])?:? ?/;
/** `dmesg -T`, in any language. */
const DMESG_DATE =
  /^\[(?:\p{L}{2,5}\.?,? )?(\p{L}{3,5}\.? {1,2}\d{1,2}|\d{1,2}\.? \p{L}{3,5}\.?),? (\d\d:\d\d:\d\d) (\d{4})\](?: ?\[ {0,6}[TC]\d{1,7}\])?:? ?/u;
const ISO =
  /^\[?(\d{4})[-/](\d\d)[-/](\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))? ?(Z|[+-]\d\d:?\d\d|UTC)?\]?(?:: ?| |$)/;
const SYSLOG =
  /^(?:\w{3},? )?(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) {1,2}(\d{1,2})(?: (\d{4}))? (\d\d):(\d\d):(\d\d)(?:\.\d{1,6})? /i;
/** After a syslog's time: the host, where it is there, and the program. */
const TAG = /^(?:([\w.-]+) )?(\(?[\w./@-]{1,64}\)?)(?:\[(\d{1,8})\])?: ?/;
/** libvirt's own log: thread, level, function and line. */
const LIBVIRT_RECORD = /^\d{1,8}: (?:debug|info|warning|error) :(?: \w+:\d+ :)? ?/i;
const LIBVIRT_DOMAIN_LOG = /^(?:starting up(?: libvirt version)?|shutting down|Domain id=|LC_ALL=|PATH=)/i;

/** A program that begins its own line without a log: only these are sure, for the kernel's lines begin alike. */
const OWN_TAG =
  /^((?:\/\S{1,80}\/)?(?:qemu[\w.-]*|kvm(?=: (?:-|vfio|warning: ))|virt-\w+|libvirt(?:\.libvirtError)?|cloud-hypervisor|swtpm(?:_setup)?|virtiofsd|virsh|multipass)|[a-z][\w-]{1,40}\[\d{1,8}\]): ?/i;
/** The kernel names the program that crashed as a log names the program that speaks. */
const CRASH =
  /^[^[\]]{1,40}\[\d{1,8}\]:? (?:segfault|bad frame|trap[: ]|general protection|unhandled signal)/i;
const NOT_OF_KERNEL =
  /^((?:\/\S{1,80}\/)?(?:qemu(?:-[\w.-]+)?|libvirtd?|virsh|cloud-hypervisor|EAL)|kvm(?=: (?:-|vfio)))(?:\.libvirtError)?: /i;
const PROXMOX_WORDS =
  /^(?:TASK (?:ERROR|WARNINGS|OK)|start failed: |UPID:|swtpm_setup: |generating cloud-init)/;
/** Programs that drive devices by themselves print so. */
const DPDK_WORDS = /\b(?:EAL|PMD|SPDK): |\|(?:EAL|dpdk)\b|\bdpdk\|/;
/** The kernel names driver and device; QEMU, which also does, says `vfio` for the driver. */
const KERNEL_DEVICE =
  /^(?!(?:vfio|device|for|on|at|of|error|group) )([a-z][\w-]{1,30}) (?:[0-9a-f]{4,8}:)?[0-9a-f]{2}:[01][0-9a-f]\.[0-7]:(?: |$)/i;
const KERNEL_WORDS =
  /^(?:DMAR(?:-IR)?|AMD-Vi|ACPI|NVRM|pcieport|genirq|EDAC|x86\/|BUG|watchdog|INFO: task|Call Trace|Command line|Kernel command line|Linux version|vfio_(?:cap|ecap|pin|bar)\w*|VFIO - |iommu(?=: )|vgaarb|clocksource|systemd-udevd)\b/;

/** Of a log that names no host and no program: `dmesg --time-format iso`, or what somebody cut out. */
const KERNEL_BEGINS = /^(?:DMAR(?:-IR)?|AMD-Vi|NVRM|genirq|vfio_\w+|iommu|[a-z]\w*_\w*_\w+)(?:\(\))?: /;
/** Only dmesg writes so. */
const ISO_OF_DMESG = /\d,\d{6}[+-]/;

/** Reads what stands in front of a message, however many tools have put something there. Never throws. */
export function readSaidBy(line: string): SaidBy {
  let text = line.trimStart();
  let speaker: Speaker = { kind: "unknown" };
  let when: When | undefined;
  const cut = (found: RegExpExecArray) => {
    text = text.slice(found[0].length);
  };
  for (let round = 0; round < 6; round++) {
    const level = LEVEL.exec(text);
    if (level !== null) {
      if (/^kern/i.test(level[0]) || level[0].startsWith("<")) speaker = { kind: "kernel" };
      cut(level);
      continue;
    }
    const boot = BOOT.exec(text);
    if (boot !== null) {
      // A log daemon's time, which stands before it, can be compared with what other programs of that log say.
      when ??= { clock: "boot", at: Number(boot[1]) * 1000, written: boot[1] ?? "" };
      speaker = { kind: "kernel" };
      cut(boot);
      // systemd and others write into the kernel's log before there is another one.
      const program = /^([a-z][\w.@-]{1,63})\[([1-9]\d{0,7})\]: /.exec(text);
      if (program !== null && !CRASH.test(text)) {
        speaker = speakerNamed(program[1] ?? "");
        cut(program);
      }
      continue;
    }
    const dated = DMESG_DATE.exec(text);
    if (dated !== null) {
      when ??= localTime(dated[1] ?? "", dated[2] ?? "", dated[0].trim());
      speaker = { kind: "kernel" };
      cut(dated);
      continue;
    }
    const iso = ISO.exec(text);
    if (iso !== null) {
      when ??= isoTime(iso);
      cut(iso);
      const record = LIBVIRT_RECORD.exec(text);
      if (record !== null) {
        cut(record);
        return { speaker: { kind: "libvirt" }, when, text };
      }
      if (LIBVIRT_DOMAIN_LOG.test(text)) return { speaker: { kind: "libvirt" }, when, text };
      speaker = ISO_OF_DMESG.test(iso[0]) ? { kind: "kernel" } : (afterTag() ?? speaker);
      continue;
    }
    const syslog = SYSLOG.exec(text);
    if (syslog !== null) {
      when ??= localTime(
        `${syslog[1]} ${syslog[2]}`,
        `${syslog[4]}:${syslog[5]}:${syslog[6]}`,
        syslog[0].trim(),
      );
      cut(syslog);
      speaker = afterTag() ?? speaker;
      continue;
    }
    break;
  }
  if (speaker.kind === "unknown") {
    const bare = bareSpeaker(text);
    speaker = bare.speaker;
    text = bare.text;
  }
  // People put a stamp of the kernel's log in front of what they copied from elsewhere, and consoles mix both.
  const inside = speaker.kind === "kernel" ? NOT_OF_KERNEL.exec(text)?.[1] : undefined;
  if (inside !== undefined) speaker = speakerNamed(/^EAL$/i.test(inside) ? "dpdk" : inside);
  if (speaker.kind === "kernel") {
    const driver = KERNEL_DEVICE.exec(text)?.[1];
    if (driver !== undefined) speaker = { kind: "kernel", driver };
  }
  return { speaker, when, text };

  function afterTag(): Speaker | undefined {
    if (KERNEL_DEVICE.test(text) || KERNEL_BEGINS.test(text)) return { kind: "kernel" };
    const tag = TAG.exec(text);
    if (tag === null || /^(?:error|warning|internal|info|note)$/i.test(tag[2] ?? "")) return undefined;
    const named = speakerNamed(tag[2] ?? "");
    cut(tag);
    return named;
  }
}

/** Whose words a line without any log around it is. */
function bareSpeaker(text: string): { readonly speaker: Speaker; readonly text: string } {
  const kernelTag = /^(?:[\w.-]+ )?kernel: ?/.exec(text);
  if (kernelTag !== null) {
    const rest = text.slice(kernelTag[0].length);
    return { speaker: { kind: "kernel" }, text: rest.replace(BOOT, "") };
  }
  // Python puts an error's number in front of its text, as no program of VMs does.
  if (/\[Errno \d{1,3}\]/.test(text)) return { speaker: { kind: "program", name: "python" }, text };
  if (DPDK_WORDS.test(text)) return { speaker: { kind: "program", name: "dpdk" }, text };
  if (CRASH.test(text)) return { speaker: { kind: "kernel" }, text };
  const own = OWN_TAG.exec(text);
  // The kernel's module is called kvm as Proxmox's QEMU is; only what QEMU goes on with tells them apart.
  if (own?.[1] !== undefined) {
    return { speaker: speakerNamed(own[1].replace(/\[\d+\]$/, "")), text };
  }
  if (PROXMOX_WORDS.test(text)) return { speaker: { kind: "proxmox" }, text };
  const device = KERNEL_DEVICE.exec(text);
  if (device !== null || KERNEL_WORDS.test(text)) return { speaker: { kind: "kernel" }, text };
  return { speaker: { kind: isProse(text) ? "person" : "unknown" }, text };
}

const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAY = 86_400_000;

/** Without a year: a log that people paste seldom spans one. A month in another language is none that is known. */
function localTime(day: string, time: string, written: string): When | undefined {
  const month = MONTHS.indexOf(/\p{L}{3}/u.exec(day)?.[0].toLowerCase() ?? "");
  const date = Number(/\d{1,2}/.exec(day)?.[0]);
  const [hours = 0, minutes = 0, seconds = 0] = time.split(":").map(Number);
  if (!Number.isFinite(date)) return undefined;
  const days = Math.max(0, month) * 31 + date;
  return { clock: "local", at: days * DAY + ((hours * 60 + minutes) * 60 + seconds) * 1000, written };
}

function isoTime(parts: RegExpExecArray): When | undefined {
  const [written, year, month, day, hours, minutes, seconds, fraction = "0", zone] = parts;
  if (zone === undefined) {
    const name = MONTHS[Number(month) - 1] ?? "";
    return localTime(`${name} ${day}`, `${hours}:${minutes}:${seconds}`, written.trim());
  }
  const offset = zone === "UTC" || zone === "Z" ? "Z" : zone.replace(/^([+-]\d\d):?(\d\d)$/, "$1:$2");
  const at = Date.parse(
    `${year}-${month}-${day}T${hours}:${minutes}:${seconds}.${fraction.slice(0, 3).padEnd(3, "0")}${offset}`,
  );
  return Number.isFinite(at) ? { clock: "utc", at, written: written.trim() } : undefined;
}
