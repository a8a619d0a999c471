import type { PrivatePattern } from "./pattern-parts.ts";

/** Where everything that a directory holds has a name that the system gave. */
const SYSTEM =
  "sys|proc|dev|usr|lib|lib32|lib64|bin|sbin|etc|boot|run|var|tmp|opt|nix|gnu|init|efi|machine|objects|domain|libvirt|kernel|drivers|devices|pci|snap|ostree|sysroot|lost\\+found|org|com|system|session";

/** Names of directories that everybody has, and what installers call things. */
const COMMON =
  /^(?:mnt|media|home|srv|root|users?0?|cache\w{0,2}|disks?\d{0,3}|remotes|addons|rootshare|isos?|domains|appdata|system|libvirt|docker|images?|vms?|virtual-?machines|vdisk\d{0,3}|hdd\d{0,2}|template|pve|nodes|zfs|storage|local|dump|private|snippets|qemu|qemu-server|lxc|nvram|v?bios|roms?|gpu|ovmf[\w.-]{0,40}|edk2[\w.-]{0,40}|data|pool|backups?|downloads?|tmp|lib|bin|share|virtio-win[\w.-]{0,40}|windows[ _-]?\d{0,2}|win\d{0,2}|linux|ubuntu[\d.-]*|debian[\d.-]*|arch|fedora[\d.-]*|macos|vm-\d+-disk-\d+|base-\d+-disk-\d+|\d{1,5}|\.{1,2}|autoinst|part\d{1,3})$/i;
const ENDING =
  /\.(?:img|qcow2?|raw|iso|rom|bin|fd|vmdk|vdi|vhdx?|xml|log|sock|socket|conf|cfg|txt|sh|ko|gz|xz|zst)$/i;

/** Devices below /dev that the kernel or udev names; anything else is a volume group or a pool. */
const DEVICES =
  "vfio|kvm|dri|net|shm|null|zero|full|u?random|hugepages|bus|input|snd|pts|ptmx|tty\\w*|console|kmsg|mem|port|iommu|vhost-\\w+|userfaultfd|sd[a-z]+\\d*|vd[a-z]+\\d*|xvd[a-z]+\\d*|hd[a-z]\\d*|nvme[\\w-]*|md\\w{0,8}|loop[\\w-]*|sr\\d*|cdrom|dvd|dm-\\d+|mmcblk\\w*|zram\\d*|ram\\d*|zd\\d*|fuse|sg\\w*|sgx\\w*|sev\\w*|tpm\\w*|hpet|rtc\\w*|ptp\\d*|i2c\\S*|cpu\\w*|msr|mcelog|log|fd|stdin|stdout|stderr|usb\\S*|hidraw\\d*|video\\d*|media\\d*|nvidia\\S*|kfd|renderD\\d*|card\\d*|mapper|disk|zvol|block|char|watchdog\\w*|mqueue|initctl|ttm|dax\\S*|pmem\\S*|nbd\\w*|drbd\\w*|bsg|btrfs-control|ppp|rfkill|uinput|uhid|udmabuf|dma_heap|accel|ipmi\\S*|mei\\w*|pci\\S*|lp\\d*|parport\\d*";

/** A part of a path: without quotation marks a blank ends it. */
const PART = String.raw`[^\s/"',;:<>|()\[\]{}\\=]{1,128}`;
const QUOTED_PART = String.raw`[^/"'\n<>|:,=]{1,128}`;
/** What may stand before a path; after a letter, a digit or a bracket a slash is a fraction or a division. */
const START = String.raw`(?<![^\s"'=:,;(<>\[{|])`;

/** How private places are found; the early ones are taken before what looks like an id within them. */
export const PATH_PATTERNS: readonly (PrivatePattern & { readonly isEarly: boolean })[] = [
  // After by-id and the like stand model and serial number of a disk.
  {
    kind: "DISK",
    isEarly: true,
    source: String.raw`(?<before>/dev/disk/by-(?:id|uuid|partuuid|label|partlabel|diskseq)/)[^\s"',;:\\)\]}]{1,200}?(?<after>-part\d{1,3})?(?=$|[\s"',;:\\)\]}])`,
  },
  {
    kind: "VOLUME",
    isEarly: true,
    source: String.raw`(?<before>/dev/(?:mapper|zvol)/)(?!control\b)[^\s"',;:)\]}]{1,200}`,
    harmless: /^(?:control|root|swap)$/,
  },
  {
    kind: "VOLUME",
    isEarly: true,
    source: String.raw`(?<before>/dev/)(?!(?:${DEVICES})(?![\w-]))${PART}(?:/${PART}){1,4}`,
  },
  { kind: "HOST", isEarly: true, source: `(?<before>/etc/pve/nodes/)${PART}` },
  // A share of another machine: its name and its host.
  {
    kind: "SHARE",
    isEarly: true,
    source: String.raw`(?<before>(?<![^\s"'=(<>])(?://[a-z0-9][\w.-]{0,62}/|\\{2,4}[a-z0-9][\w.-]{0,62}\\{1,2}))[\w$][^\s"'/\\,;<>]{0,127}`,
  },
  {
    kind: "HOST",
    isEarly: true,
    source: String.raw`(?<before>(?<![^\s"'=(<>])(?://|\\{2,4}))[a-z0-9][\w.-]{0,62}(?=[/\\])`,
  },
  {
    kind: "HOST",
    isEarly: true,
    source: String.raw`(?<before>\b(?:nfsroot=|nfs:? |mount(?:ing)? (?:\S{1,40} ){0,3}))(?!/)[a-z0-9][\w.-]{1,62}(?=:/)`,
  },
  {
    kind: "SHARE",
    isEarly: false,
    source: String.raw`(?<before>(?:mount_tag|export|share(?:[-_ ]?name)?|sharename)["']?\s{0,3}[:=]\s{0,3}["']?)(?:(?<=["'])[^"'\n]{1,128}(?=["'])|[^\s,;"'<>/]{1,128})`,
    harmless: /^(?:on|off|yes|no|true|false|\d+|ignore|mem|hostshare|fs\d?|virtiofs|0x[0-9a-f]+)$/i,
  },
  {
    kind: "SHARE",
    isEarly: false,
    source: String.raw`(?<before><target dir=["'])[^"'/\n]{1,128}(?=["'])`,
  },
  { kind: "SHARE", isEarly: false, source: String.raw`(?<before>\bconnect to service )[^\s"',;]{1,128}` },
  { kind: "SHARE", isEarly: false, source: String.raw`(?<before>\bshare\s{1,3}["'])[^"'\n]{1,128}(?=["'])` },
  // Within quotation marks a name may hold blanks.
  {
    kind: "PATH",
    isEarly: false,
    source: `(?<=["'])/(?!(?:${SYSTEM})(?=[/"']))${QUOTED_PART}(?:/${QUOTED_PART}){1,16}(?=["'])`,
  },
  {
    kind: "PATH",
    isEarly: false,
    source: String.raw`${START}/(?!/|(?:${SYSTEM})(?:/|(?![^\s"',;:])))${PART}(?:/${PART}){1,16}`,
  },
  {
    kind: "PATH",
    isEarly: false,
    source: `(?<before>/(?:var/lib/libvirt/images|var/lib/vz|run/media|var/mnt|var/nfs|run/mount|opt/vms?)/)${PART}(?:/${PART}){0,12}`,
  },
];

/** A path with only what everybody has in it; `placeholder` gives what stands for each other part. */
export function maskPath(
  path: string,
  placeholder: (kind: "PATH" | "SHARE", part: string) => string,
): string {
  const parts = path.split("/");
  const isShared = /^\/(?:mnt|media)\//.test(path);
  return parts
    .map((part, place) => {
      const [ending = ""] = ENDING.exec(part) ?? [];
      const stem = part.slice(0, part.length - ending.length);
      if (stem === "" || COMMON.test(stem) || /^[A-Z]{2,8}-\d{1,6}$/.test(stem)) return part;
      const isShare = isShared && ending === "" && place <= 3;
      return `${placeholder(isShare ? "SHARE" : "PATH", stem)}${ending}`;
    })
    .join("/");
}
