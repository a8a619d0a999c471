import { type Bdf, parseBdf, type VmName, vmName } from "../../model/identifiers.ts";
import { virshCalls } from "./virsh.ts";

const MOST_NAMES = 64;
const LONGEST_NAME = 200;

const FULL_ADDRESS = /(?<![\w.:])(?:0x)?([0-9a-f]{4,6}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7])(?!\w|[.:]\w)/gi;
/** Without a domain an address could be a time of day, so something has to stand in front that says what it is. */
const SHORT_ADDRESS =
  /(?:device[ =]\[?|devbind\b[^\n]*? |vfio(?: error)?:? |^|[\s(['"])([0-9a-f]{2}:[01][0-9a-f]\.[0-7])(?!\w|[.:]\w)/gim;
/** QEMU's option; it takes a bus of one digit, too. */
const HOST_OPTION = /\bhost=([0-9a-f]{1,2}:[01]?[0-9a-f]\.[0-7])(?!\w|[.:]\w)/gi;
const NODE_DEVICE = /\bpci_[0-9a-f]{4}_[0-9a-f]{2}_[0-9a-f]{2}_[0-7]\b/gi;
const ALL_FORMS = [FULL_ADDRESS, SHORT_ADDRESS, HOST_OPTION, NODE_DEVICE];
/** Addresses inside a VM; they look the same and mean nothing on the host. */
const GUEST_ADDRESS = /(?:Invalid|double use of) PCI address \S+|Guest BDF: \S+|of device '[^'\n]{1,80}'/gi;

/** Only those that are written with their domain; an address in any other form may be something else. */
export function fullAddressesIn(text: string): readonly Bdf[] {
  return addressesIn(text, [FULL_ADDRESS]);
}

/** What every boot prints of every device: beside anything else it names none in particular. */
const DEVICE_LISTING =
  /[^\n]*(?:\bAdding (?:device )?\S{1,20} to (?:iommu )?group|: Adding to iommu group|: Using iommu (?:direct|dma) mapping|: Setting identity map|Found IOMMU at|AMD-Vi: IOMMU performance counters|: PCI bridge to \[bus)[^\n]*/gi;

/** The host's PCI devices that a text names, in the order in which they appear. */
export function devicesIn(text: string): readonly Bdf[] {
  return addressesIn(text, ALL_FORMS);
}

/** The same without those that only stand in the lists that every boot prints, where there are others. */
export function particularDevicesIn(text: string): readonly Bdf[] {
  const particular = addressesIn(text.replace(DEVICE_LISTING, ""), ALL_FORMS);
  return particular.length > 0 ? particular : addressesIn(text, ALL_FORMS);
}

function addressesIn(text: string, forms: readonly RegExp[]): readonly Bdf[] {
  const found: { readonly at: number; readonly bdf: Bdf }[] = [];
  const subject = text.replace(GUEST_ADDRESS, "");
  for (const form of forms) {
    for (const match of subject.matchAll(form)) {
      const bdf = parseBdf((match[1] ?? match[0]).replace(/^(?=[0-9a-f]:)|:(?=[0-9a-f]\.)/gi, "$&0"));
      if (bdf !== undefined) found.push({ at: match.index, bdf });
    }
  }
  found.sort((a, b) => a.at - b.at);
  return [...new Set(found.map(({ bdf }) => bdf))].slice(0, MOST_NAMES);
}

/** What every boot prints, and what scripts that list all groups print. */
const GROUP_LISTING =
  /Adding (?:device )?.{0,60}to (?:iommu )?group|^\W*IOMMU group #?\d{1,6}\W*(?:$|[0-9a-f]{2}:)/i;

/** The IOMMU groups that a text speaks of; the lists that every boot prints do not count. */
export function groupsIn(text: string): readonly number[] {
  const groups = new Set<number>();
  for (const line of text.split("\n")) {
    if (!/vfio|iommu|viable|container for group/i.test(line) || GROUP_LISTING.test(line)) continue;
    for (const match of line.matchAll(/\bgroup #?(\d{1,6})\b|\/dev\/vfio\/(\d{1,6})\b/gi)) {
      groups.add(Number(match[1] ?? match[2]));
    }
  }
  return [...groups].slice(0, MOST_NAMES);
}

const VM_FORMS: readonly RegExp[] = [
  /\(vm='([^'\n]+)'\)/g,
  /(?:[Ff]ailed to (?:auto)?start (?:domain|VM|guest)|Error starting domain|[Ff]ailed to start (?:the )?VM) '([^'\n]+)'/g,
  /[Ff]ailed to (?:auto)?start domain ([\w.+-]+)(?=\W*$)/gm,
  /[Ff]ailed to (?:auto)?start domain "([^"\n]+)"/g,
  /-name '?(?:guest=)?([^,'"\s][^,'"\n]*?)(?:,|'|\s+(?:\\|-))/g,
  /\bVM name:? +['"]?([\w.+-]+)/gi,
  /--name "([^"\n]{1,100})"/g,
  /\/domain-\d+-([\w.+-]+)/g,
  /machine-qemu-\d+-([\w.+-]+)\.scope/g,
  /\/swtpm\/(?:\d+-)?([\w.+-]+)-swtpm\.(?:pid|sock)/g,
  /\/libvirt\/qemu\/([^/\n]+?)(?:-swtpm)?\.log\b/g,
  /\/nvram\/([^/'"\n]+?)_VARS\b/g,
  /\bqm start (\d{3,9})\b/g,
  /(?:^|[$#`] ?)qvm-start (?:--?\w\S* )?([\w.-]+)(?=\W*$)/gm,
  /\bGUEST HOOK: (\d{3,9}) /g,
  /\bvm-(\d{3,9})-disk-\d/g,
  /:qm(?:start|stop|shutdown|reboot):(\d{2,9}):/g,
  /"name":"([\w.-]+)","namespace"/g,
  /\bVM (\d{3,9})\b(?! ?(?:[KMGT]i?B|MHz|%|VMs|times))/g,
  /\bvirt-launcher-([\w.-]+)-[a-z0-9]{5}\b/g,
  /\b(?:virtualmachineinstance\/|VirtualMachineInstance (?!failed\b)|describe vmi? |virtctl start )(?:[\w.-]+\/)?([\w.-]*\w)/g,
  /\/(?:incus|lxd)(?:\/logs)?\/([\w.-]+)\/qemu\.(?:conf|log)/g,
  /\b(?:incus|lxc) (?:info|start|restart|console) (?:--(?:show-log|console|project \S{1,60}) ){0,3}(?:[\w-]{1,60}:)?([\w][\w.-]*)/g,
  /<domain\b[^<>\n]*>\s*<name>([^<>\n]+)<\/name>/g,
  /virt-install [^\n]{0,400}?--name[ =]"?([\w.+-]+)/g,
  /\bdomain '([^'\n]+)'/g,
];

/** Calls of virsh whose first argument is a VM. */
const OF_VM: ReadonlySet<string> = new Set([
  ...["start", "attach-device", "destroy", "shutdown", "undefine", "dumpxml", "domstate", "reboot", "reset"],
]);
const VM_NAME = /^[\w.+][\w.+ -]{0,199}$/;

/** The VMs that a text names. */
export function vmsIn(text: string): readonly VmName[] {
  const names = new Set<string>();
  for (const form of VM_FORMS) {
    for (const match of text.matchAll(form)) {
      const name = match[1]?.trim();
      if (name !== undefined && name !== "" && name.length <= LONGEST_NAME) names.add(name);
    }
  }
  for (const { command, argument } of virshCalls(text)) {
    if (OF_VM.has(command) && argument !== undefined && VM_NAME.test(argument)) names.add(argument);
  }
  // A command line without quotes shows only the first word of `Windows 11`.
  const whole = [...names].filter((name) => ![...names].some((other) => other.startsWith(`${name} `)));
  return whole.slice(0, MOST_NAMES).map(vmName);
}
