import { DASH, EQUALS, HEX, named, type PrivatePattern, SEPARATOR } from "./pattern-parts.ts";
import { PATH_PATTERNS } from "./private-paths.ts";
import { SECRET_PATTERNS } from "./private-secrets.ts";

/** Servers that everybody reads, whose addresses say nothing about a person. */
const PUBLIC = String.raw`(?:[a-z0-9-]{1,63}\.){0,4}(?:kernel\.org|libvirt\.org|qemu\.org|unraid\.net|github\.com|gitlab\.com|freedesktop\.org|redhat\.com|debian\.org|ubuntu\.com|launchpad\.net|archlinux\.org|proxmox\.com|nvidia\.com|amd\.com|intel\.com|fedoraproject\.org|microsoft\.com|pcisig\.com|uefi\.org|w3\.org|reddit\.com|level1techs\.com|msi\.com|asus\.com|gigabyte\.com|asrock\.com|lime-technology\.com)(?![\w.-])`;

const NO_SERIAL =
  /^(?:\d{1,2}|8250\/16550|tty\w*|pty|null|none|stdio|mon:.*|file:.*|unix:.*|chardev:.*|charserial\d*|serial\d*|isa-serial|n\/a|default(?: string)?|to be filled.*|not (?:specified|applicable|present|available)|unknown|system serial number|not|to|default|system|chassis|base)$/i;
const NO_VOLUME =
  /^(?:none|default|images|local|local-lvm|pve|root|swap|boot|home|data|efi|esp|unraid|zfs|tmpfs|\d{1,2}|on|off)$/i;

/**
 * What may name a person or tell one machine from all others, and before it what only looks so. Boundaries are strict,
 * so that PCI addresses, ids, versions and hexadecimal numbers are no part of it. The order decides: what has a name is
 * taken by its name, and only what is left is judged by its form.
 */
export const PRIVATE_PATTERNS: readonly PrivatePattern[] = [
  // The kernel's id of a boot is made anew with each, and tells boots apart in a report.
  {
    kind: "KEEP",
    source: String.raw`(?<=\bboot(?:[-_ ]?id)?["']?[\s:=]{1,3}["']?)${HEX}{8}-?${HEX}{4}-?${HEX}{4}-?${HEX}{4}-?${HEX}{12}(?![\w-])`,
  },
  // Ids of devices in ACPI and PNP, of which every board has the same.
  {
    kind: "KEEP",
    source: `(?<![A-Za-z0-9])[A-Z]{3,4}[0-9A-F]{4}(?![A-Za-z0-9])`,
    caseMatters: true,
  },
  ...SECRET_PATTERNS,
  // The kernel's own setting up of a network: client, server, gateway, mask, name.
  { kind: "HOST", source: String.raw`(?<before>(?<![\w.-])ip=(?:[^\s:]{0,64}:){4})[a-z0-9][\w.-]{0,252}` },
  named(
    "WIFI",
    `[be]?ssid|wifi[-_. ](?:name|network)|(?:with|to|from) ssid`,
    String.raw`(?:["']?\s{0,3}[:=]\s{0,3}["']?|["']?>|\s{1,3}["'])`,
    /^(?:off\/any|any|\[?hidden\]?|none|off)$/i,
  ),
  {
    kind: "WIFI",
    source: String.raw`(?<before>\bSSID\s)[^\s"',;:()=]{2,32}`,
    caseMatters: true,
    harmless: /^(?:is|was|not|list|and|for|of|in|to)$/,
  },
  {
    kind: "WIFI",
    source: String.raw`(?<before>\b(?:connection|network|access point)\s["'])[^"'\n]{1,64}(?=["'])`,
    harmless: /^(?:default|isolated|nat|routed|host-only|lo|br\d+|virbr\d*|eth\d+|wired connection \d*)$/i,
  },
  ...PATH_PATTERNS.filter(({ isEarly }) => isEarly),
  {
    kind: "DISK",
    source: String.raw`(?<![\w.-])(?:wwn|naa|eui|nvme-eui|t10)[.-](?:0x)?[0-9a-z_.-]{12,80}(?!\w)`,
  },
  { kind: "DISK", source: String.raw`(?<![\w.-])nvme[.-](?:nvme\.)?${HEX}{4}-${HEX}{8,80}[\w-]{0,40}` },
  { kind: "DISK", source: String.raw`(?<![\w.-])(?:iqn\.\d{4}-\d\d|nqn\.\d{4}[-.]\d\d)\.[\w.:-]{3,223}` },
  named(
    "DISK",
    "ww[ipn]n?|[np]wwn|wwid|naa|eui64|nguid|subsysnqn|lun[-_]?id|idserial|id_(?:serial|wwn)\\w{0,24}",
  ),
  // A world-wide name of IEEE's form 5 is longer than any address of memory.
  { kind: "DISK", source: String.raw`(?<![\w])0x5${HEX}{15}(?!\w)` },
  // Of Fibre Channel, as /sys/class/fc_host has it.
  {
    kind: "DISK",
    source: String.raw`(?<before>\b(?:port|node|fabric)_name["']?[\s:=]{1,4}["']?)0x${HEX}{16}(?!\w)`,
  },
  // udev's names of disks: bus, model and serial number.
  {
    kind: "DISK",
    source: String.raw`(?<![\w./-])(?:nvme|ata|scsi|usb|mmc|sata|virtio)-(?=[^\s"',;:]{0,100}_)(?=[^\s"',;:]{0,100}\d)[\w.+#-]{6,150}?(?<after>-part\d{1,3})?(?![\w.+#-])`,
  },
  {
    kind: "UUID",
    source: `(?<!${HEX})${HEX}{8}${DASH}${HEX}{4}${DASH}${HEX}{4}${DASH}${HEX}{4}${DASH}${HEX}{12}(?!${HEX})`,
  },
  // As LVM writes its own.
  { kind: "UUID", source: `(?<![a-z0-9-])[a-z0-9]{6}(?:-[a-z0-9]{4}){5}-[a-z0-9]{6}(?![a-z0-9-])` },
  { kind: "UUID", source: `(?<![a-z0-9])${HEX}{32}(?![a-z0-9])` },
  // What identifies an Unraid flash stick.
  { kind: "UUID", source: String.raw`(?<![\w-])${HEX}{4}-${HEX}{4}-${HEX}{4}-${HEX}{12}(?![\w-])` },
  named(
    "UUID",
    `machine[-_ ]?id|(?:[a-z]{1,12}_){0,2}guid|(?:system|host|gpu|vgpu|flash)[-_ ]?(?:uuid|guid)`,
    SEPARATOR,
    /^(?:\d{1,3}|none|auto)$/i,
  ),
  named(
    "VOLUME",
    `(?:part|fs|sub|ptuuid|id_fs_)?uuid(?:_sub)?|volume[-_ ]?(?:id|serial(?: number)?)`,
    SEPARATOR,
    /^(?:none|\d{1,3}|[a-z-]+)$/i,
  ),
  // FAT's id of a file system; small letters are a range of ports.
  {
    kind: "VOLUME",
    source: String.raw`(?<![\w-])(?=[0-9A-F]{0,3}[A-F]|[0-9A-F]{4}(?:-|\\x2d)[0-9]{0,3}[A-F])[0-9A-F]{4}(?:-|\\x2d)[0-9A-F]{4}(?![\w-])`,
    caseMatters: true,
  },
  named(
    "VOLUME",
    String.raw`(?:id_fs_|part|fs)?label(?:_enc)?|rd\.lvm\.(?:lv|vg)|vg(?:_?name)?|lv(?:_?name)?|volume[-_ ]group|zpool|pool|dataset|rd\.luks\.name|cryptdevice|dm[-_]name|storage|volume`,
    EQUALS,
    NO_VOLUME,
  ),
  {
    kind: "VOLUME",
    source: String.raw`(?<before>\b(?:volume group|logical volume|physical volume|VG|LV|zpool|pool)\s{1,3}["'])[^"'\n]{1,128}(?=["'])`,
  },
  {
    kind: "VOLUME",
    source: String.raw`(?<before>\b(?:volume group|vg(?:change|scan|display)(?:\s-\w+){0,3}|zpool (?:import|status|create))\s{1,3})(?!["'-]|(?:is|was|has|not|for|of|with|to|in|name)\b)[\w.+-]{2,64}`,
    harmless: /^(?:found|metadata|backup|activation)$/i,
  },
  {
    kind: "VOLUME",
    source: String.raw`(?<before>\b(?:VG|LV)\s{1,12})(?=[\w.+-]{0,63}[a-z\d])[\w.+-]{2,64}`,
    caseMatters: true,
    harmless: /^(?:is|has|was|not|name|Name|UUID|Size|Status|Path|Access|Write|for|in|on|of|to)$/,
  },
  {
    kind: "VOLUME",
    source: String.raw`(?<before>\b(?:device|filesystem|volume) label\s)(?!none\b)[^\s"',;]{1,64}`,
  },
  { kind: "VOLUME", source: String.raw`(?<before>\bcryptsetup: )[\w.-]{1,64}(?=:)` },
  { kind: "VOLUME", source: String.raw`(?<before>\bZFS=)[\w./:+-]{1,200}` },
  named(
    "SERIAL",
    String.raw`(?:[a-z]{1,20}[-_ .]){0,3}serial(?:[ _-]?(?:number|no|num|short))?|(?:asset|service|chassis)[ _-]?tag|i_?serial|s\/n|sn|imei|iccid|imsi|meid|sku|hostserial|asset`,
    SEPARATOR,
    NO_SERIAL,
  ),
  { kind: "SERIAL", source: String.raw`(?<before>\biSerial\s{1,24}\d{1,3}\s{1,3})\S{2,128}` },
  {
    kind: "SERIAL",
    source: String.raw`(?<before>\bserial (?:number|no\.?)(?: is| of \S{1,40} is)?\s{1,3}["']?)(?=[\w-]{0,60}\d)[\w./+-]{4,64}`,
  },
  {
    kind: "SERIAL",
    source: String.raw`(?<before>(?<![\w.-])(?:S\/N|SN|Ser(?:\.|ial) ?[Nn]o)[#.]?\s{1,3})(?=[\w-]{0,60}\d)[\w-]{5,40}(?![\w-])`,
    caseMatters: true,
  },
  {
    kind: "SERIAL",
    source: String.raw`(?<before>\bserial\s{1,2})(?=[A-Z0-9-]{0,30}\d)(?=\d{0,30}[A-Z-])[A-Z0-9-]{6,40}(?![a-z])`,
    caseMatters: true,
  },
  // Six pairs are a MAC address, eight or twenty an InfiniBand one. A name and a colon may stand before it (`lan0:`).
  {
    kind: "MAC",
    source: `(?<![0-9a-f])(?<!(?<![0-9a-z])[0-9a-f]{2}:)[0-9a-f]{2}(?::[0-9a-f]{2}){5,31}(?![0-9a-z])`,
  },
  {
    kind: "MAC",
    source: String.raw`(?<![0-9a-f])(?<!(?<![0-9a-z])[0-9a-f]{2}[-_])[0-9a-f]{2}(?:([-_])[0-9a-f]{2})(?:\1[0-9a-f]{2}){4}(?![0-9a-z]|[-_][0-9a-f]{2}(?![0-9a-z]))`,
  },
  { kind: "MAC", source: String.raw`(?<![\w.])[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4}(?![\w]|\.\w)` },
  named(
    "MAC",
    String.raw`mac(?:[-_ ]?addr(?:ess)?)?|hw[-_ ]?addr(?:ess)?|hardware[-_ ]address|bssid|perm_hwaddr|link\/ether`,
    String.raw`(?:["']?\s{0,3}[:=]\s{0,3}["']?|\s{1,3})`,
    undefined,
    `${HEX}{12}(?![0-9a-z])`,
  ),
  // Interfaces that are named after their address.
  { kind: "MAC", source: String.raw`(?<before>\b(?:en|wl|ww)x)[0-9a-f]{12}\b` },
  // Twelve digits alone: an address of a card is no multicast one, so the first byte is even (and no 7f or ff, with
  // which addresses in memory begin); after `-g` stands a commit.
  {
    kind: "MAC",
    source: `(?<![0-9a-z]|-g|0x)(?:(?<before>tap|vnet|veth|vif|macvtap|br|mac))?(?=[0-9a-f]*[a-f])(?=[a-f]*[0-9])[0-9a-f][02468ace][0-9a-f]{10}(?![0-9a-z])`,
  },
  { kind: "MAC", source: String.raw`(?<![0-9a-z])(?:525400|001122|bc2411)\d{6}(?![0-9a-z])` },
  { kind: "IP", source: String.raw`(?<![\w:.-])[0-9a-f]{0,4}:[0-9a-f:.]{1,60}(?:%[\w.-]{1,15})?` },
  {
    kind: "IP",
    source: String.raw`(?<![0-9a-f.])(?<!(?<![0-9a-z])[0-9a-f]{1,4}:)(?:fe80|f[cd][0-9a-f]{2}|2[0-9a-f]{3}):[0-9a-f:]{2,60}(?:%[\w.-]{1,15})?`,
  },
  { kind: "IP", source: String.raw`(?<![a-z0-9.])\d{1,3}(?:\.\d{1,3}){3}(?![\w]|\.\d)` },
  { kind: "HOST", source: String.raw`(?<![\w.-])ip(?:-\d{1,3}){4}(?![\w-])` },
  { kind: "USER", source: String.raw`(?<before>/home/)[^\s/"',;:|<>()\[\]{}]{1,64}` },
  {
    kind: "USER",
    source: String.raw`(?<before>/Users/|\b[a-z]:\\{1,2}Users\\{1,2})[^\s/\\"',;:|<>()\[\]{}]{1,64}`,
  },
  // What is left of an address whose user and password are taken.
  { kind: "HOST", source: "(?<before>^@)[a-z0-9][a-z0-9.-]{0,252}(?=[:/?]|$)" },
  // A login in an address, of mail or of another machine.
  {
    kind: "LOGIN",
    source: String.raw`(?<![\w.+-])[\w.+-]{1,64}@(?!0x|[\w:\\.-]{1,200}\.(?:service|socket|timer|scope|slice|mount|target|device|path)\b)[a-z0-9](?:[a-z0-9-]{0,62}(?:\.[a-z0-9-]{1,63}){0,6})?`,
  },
  named(
    "USER",
    `(?:user|login|log|owner|account|smb|cifs)[-_ ]?name|user|login|owner|account|runas|sudo_user`,
    EQUALS,
    /^(?:\d+|0x[0-9a-f]+|on|off|yes|no|all)$/i,
  ),
  {
    kind: "USER",
    source: String.raw`(?<before>\b(?:session (?:opened|closed) for user|(?:accepted|failed) \w{1,20} for(?: invalid user)?|(?:as|for|of|by) user|-runas|sudo:)\s{1,4}["']?)[a-z_][\w.-]{0,63}`,
    harmless: /^(?:space|mode|data|memory|input|id|session|process|programs?|to|in|is)$/i,
  },
  // What people's things are called when they come out of the box.
  {
    kind: "USER",
    source: String.raw`(?<![\w])[A-Z][\w-]{1,40}(?=['\u2019]s (?:i(?:Phone|Pad|Mac|Pod)|Mac|Air|Watch|Magic|Keyboard|Mouse|Phone|PC|Laptop|Desktop|Headset|Galaxy|Pixel|Buds))`,
    caseMatters: true,
  },
  {
    kind: "HOST",
    source: String.raw`(?<before>\b(?:qemu\+\w{1,8}|xen\+\w{1,8}|ssh|s?ftps?|nfs4?|smb|cifs|iscsi|nbd|rbd|gluster|spice|vnc|mqtts?|wss?|ldaps?|rtsp|tcp|udp|tls|smtps?|imaps?)://)(?![/\[])[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?`,
  },
  // Of addresses in the web only those stay that everybody reads: a webhook's is a key to it.
  {
    kind: "PATH",
    source: String.raw`(?<before>\bhttps?://(?!${PUBLIC})[a-z0-9.-]{1,253}(?::\d{1,5})?/)[^\s"'<>]{1,400}`,
  },
  {
    kind: "HOST",
    source: String.raw`(?<before>\bhttps?://)(?![/\[]|${PUBLIC})[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?`,
  },
  named(
    "HOST",
    String.raw`(?:system\.|systemd\.|dhcp[-_])?host-?name|nodename|fqdn|domain-?name|workgroup|machine[-_ ]name|computer[-_ ]?name`,
    SEPARATOR,
    undefined,
    `[a-z0-9](?:[a-z0-9._-]{0,251}[a-z0-9])?`,
  ),
  { kind: "HOST", source: String.raw`(?<before>\b(?:workgroup|domain controller)\s)[a-z0-9][\w.-]{1,63}` },
  named(
    "HOST",
    "host|server|portal|mon_host|realm|domain|peer",
    EQUALS,
    /^(?:0x[0-9a-f]+|[0-9a-f]{4}|\d+|dma\S*|identity|blocked|unmanaged|qemu|kvm|on|off|any|none|host|amd|intel|q35|hostdev\d*|pci\S*|system|session)$/i,
    "[a-z0-9][a-z0-9._-]{1,252}(?![a-z0-9:])",
  ),
  // An array is named after the host that made it.
  { kind: "HOST", source: String.raw`(?<before>\bname[ =])(?!any\b)[a-z][a-z0-9.-]{1,62}(?=:\d{1,3}\b)` },
  {
    kind: "USER",
    source: String.raw`(?<before>\b(?:[Rr]egistered to|regTo["']?\s?[=:]\s?["']?)\s?)[A-Z][\w.-]{0,40}(?: [A-Z][\w.-]{0,40}){0,3}`,
    caseMatters: true,
  },
  { kind: "HOST", source: String.raw`(?<before><host\s{1,3}name=["'])[^"'\n]{1,253}` },
  // A task of Proxmox names its node first.
  { kind: "HOST", source: String.raw`(?<before>\bUPID:)[\w.-]{1,63}(?=:)` },
  {
    kind: "HOST",
    source: String.raw`(?<![\w.-]|[^/]/)(?!rc\.local)[a-z0-9](?:[a-z0-9-]{0,62}\.){1,5}(?:local|lan|home|localdomain|internal|intranet|home\.arpa|fritz\.box|ts\.net|duckdns\.org|dyndns\.org|no-ip\.org|ddns\.net|myunraid\.net)(?![\w-]|\.\w)`,
  },
  ...PATH_PATTERNS.filter(({ isEarly }) => !isEarly),
  // What is left and is formed as numbers of things are: capitals and digits mixed, or long and random.
  {
    kind: "ID",
    source: String.raw`(?<![A-Za-z0-9]|0x|[A-Za-z]\.)(?=[A-Z]*\d)(?=(?:[A-Z]*\d){4})(?=\d*[A-Z])(?=[A-Z0-9]*(?:\d[A-Z][A-Z0-9]*\d|[A-Z]\d{5,}|\d{5,}[A-Z]|\d[A-Z]{2,}))[A-Z0-9]{8,64}(?![A-Za-z0-9])`,
    caseMatters: true,
    harmless: /^(?:VEN|DEV|SUBSYS|REV)|^[0-9A-F]{8}$|^[0-9A-F]{16}$|^INTL|^\d+[KMGTB]$/,
  },
  {
    kind: "ID",
    source: String.raw`(?<![A-Za-z0-9+/_=-])(?=[^\s]{0,200}\d)(?=[A-Za-z0-9+/]*[a-z][A-Za-z0-9+/]*[A-Z])(?=(?:[A-Za-z+/]*\d){3})[A-Za-z0-9+/]{24,200}={0,2}(?![A-Za-z0-9+/_=-])`,
    caseMatters: true,
  },
  { kind: "ID", source: `(?<![a-z0-9])(?=[0-9]*[a-f])${HEX}{40,128}(?![a-z0-9])` },
];
