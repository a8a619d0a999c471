import { isIP } from "node:net";

/** What a redactor knows of the machine besides the text itself. */
export interface RedactionNames {
  /** Names of this host, with and without domain. */
  readonly hosts: readonly string[];
  /** Login names of people. */
  readonly users: readonly string[];
  /** Versions and product names: never masked, whatever they look like. */
  readonly keep: readonly string[];
}

/** Names that say nothing about anybody: what systems are called until somebody gives them a name. */
const ANONYMOUS =
  /^(?:localhost|localdomain|unraid|tower|linux|debian|ubuntu|fedora|centos|arch(?:linux)?|nixos|proxmox|pve|host|server|node|root|admin|user|users|nobody|guest|default|public|qemu|libvirt(?:-qemu|-dbus)?|kvm|none)?$/i;

/** More names than this are no names of people. */
const MOST_NAMES = 200;
const LONGEST_NAME = 512;

/** Names of file systems, services and units that end like a host name or an address. */
const UNIT = /\.(?:service|socket|timer|scope|slice|mount|target|device|path)$/i;

/**
 * What may name a person or tell one machine from all others, by kind; each with named groups `before` and `after` for
 * what stays. Boundaries are strict, so that PCI addresses, ids, versions and hexadecimal numbers are no part of it.
 */
const PATTERNS = [
  // After by-id and the like stand model and serial number of a disk.
  {
    kind: "DISK",
    source: String.raw`(?<before>/dev/disk/by-(?:id|uuid|partuuid|label|partlabel|diskseq)/)[^\s"',;:\\)\]}]{1,200}?(?<after>-part\d{1,3})?(?=$|[\s"',;:\\)\]}])`,
  },
  { kind: "DISK", source: String.raw`(?<![\w.-])(?:wwn|naa|eui|nvme-eui)[.-](?:0x)?[0-9a-f]{16,32}(?![\w])` },
  {
    kind: "UUID",
    source: String.raw`(?<![\w-])[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?![\w-])`,
  },
  {
    kind: "UUID",
    source: String.raw`(?<before>\bmachine[-_ ]?id["']?\s{0,3}[:=]\s{0,3}["']?)[0-9a-f]{32}\b`,
  },
  // `Serial: 8250/16550 driver` is the kernel's greeting of a port.
  {
    kind: "SERIAL",
    source: String.raw`(?<before>(?:\b|_)serial(?:[ _-]?(?:number|no|num))?["']?\s{0,3}[:=]\s{0,3}["']?)(?!8250)[a-z0-9][\w./+-]{1,63}`,
  },
  {
    kind: "SERIAL",
    source: String.raw`(?<before>\b(?:asset|service)[ _-]?tag["']?\s{0,3}[:=]\s{0,3}["']?)[a-z0-9][\w./+-]{1,63}`,
  },
  // Six pairs are a MAC address, eight or twenty an InfiniBand one.
  { kind: "MAC", source: String.raw`(?<![\w:.-])[0-9a-f]{2}(?::[0-9a-f]{2}){5,19}(?![\w]|:[0-9a-f])` },
  { kind: "MAC", source: String.raw`(?<![\w:.-])[0-9a-f]{2}(?:-[0-9a-f]{2}){5}(?![\w-])` },
  // Interfaces that are named after their address.
  { kind: "MAC", source: String.raw`(?<before>\b(?:en|wl|ww)x)[0-9a-f]{12}\b` },
  { kind: "IP", source: String.raw`(?<![\w:.])[0-9a-f]{0,4}:[0-9a-f:.]{1,60}(?:%[\w.-]{1,15})?` },
  { kind: "IP", source: String.raw`(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w]|\.\d)` },
  { kind: "USER", source: String.raw`(?<before>/home/)[^\s/"',;:|<>()\[\]{}]{1,64}` },
  {
    kind: "USER",
    source: String.raw`(?<before>/Users/|\b[a-z]:\\{1,2}Users\\{1,2})[^\s/\\"',;:|<>()\[\]{}]{1,64}`,
  },
  // A login in an address, of mail or of another machine.
  {
    kind: "LOGIN",
    source: String.raw`(?<![\w.+-])[\w.+-]{1,64}@(?!0x)[a-z0-9](?:[a-z0-9-]{0,62}(?:\.[a-z0-9-]{1,63}){0,6})?`,
  },
  {
    kind: "HOST",
    source: String.raw`(?<before>\b(?:qemu\+\w{1,8}|xen\+\w{1,8}|ssh|sftp|nfs4?|smb|cifs|iscsi|nbd|rbd|gluster|spice|vnc)://)(?![/\[])[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?`,
  },
  {
    kind: "HOST",
    source: String.raw`(?<before>\bhost-?name["']?\s{0,3}[:=]\s{0,3}["']?)[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?`,
  },
  {
    kind: "HOST",
    source: String.raw`(?<![\w.-]|[^/]/)(?!rc\.local)[a-z0-9](?:[a-z0-9-]{0,62}\.){1,5}(?:local|lan|home|localdomain|internal|intranet|home\.arpa|fritz\.box)(?![\w-]|\.\w)`,
  },
] as const;
type Kind = (typeof PATTERNS)[number]["kind"];

/**
 * Makes a function that replaces private names in a text by placeholders (`MAC-1`, `IP-2`). The same thing gets the
 * same placeholder as long as the function is used, in whatever case it is spelled.
 */
export function createRedactor(names: RedactionNames): (text: string) => string {
  const hosts = wordsOf(names.hosts.flatMap((host) => [host, host.split(".")[0] ?? ""]));
  const users = wordsOf(names.users);
  const steps: readonly Step[] = [
    ...PATTERNS.map(({ kind, source }) => ({ kind, pattern: new RegExp(source, "gi") })),
    ...(hosts.length === 0 ? [] : [{ kind: "HOST" as const, pattern: anyOf(hosts, "") }]),
    ...(users.length === 0 ? [] : [{ kind: "USER" as const, pattern: anyOf(users, "") }]),
  ];
  // Few names look like something private; only those need to be kept.
  const keep = [...new Set(names.keep)]
    .filter(
      (text) => text.length > 1 && text.length <= LONGEST_NAME && redact(text, steps, () => "") !== text,
    )
    .sort((a, b) => b.length - a.length)
    .slice(0, MOST_NAMES);
  // A match of what is to be kept takes its text away from all others, so it comes first.
  const all: readonly Step[] =
    keep.length === 0 ? steps : [{ kind: "KEEP", pattern: anyOf(keep, ".") }, ...steps];
  const placeholder = numberThem();
  return (text) => redact(text, all, placeholder);
}

interface Step {
  readonly kind: Kind | "KEEP";
  readonly pattern: RegExp;
}

type Placeholder = (kind: string, value: string) => string;

/** `MAC-1`, `MAC-2`, … and the same for what was there before. */
function numberThem(): Placeholder {
  const known = new Map<string, string>();
  const counts = new Map<string, number>();
  return (kind, value) => {
    const key = `${kind} ${value.toLowerCase()}`;
    const found = known.get(key);
    if (found !== undefined) return found;
    const number = (counts.get(kind) ?? 0) + 1;
    counts.set(kind, number);
    known.set(key, `${kind}-${number}`);
    return `${kind}-${number}`;
  };
}

function redact(text: string, steps: readonly Step[], placeholder: Placeholder): string {
  let pieces: readonly Piece[] = [{ text, done: false }];
  for (const { kind, pattern } of steps) {
    pieces = pieces.flatMap((piece) =>
      piece.done ? [piece] : split(piece.text, kind, pattern, placeholder),
    );
  }
  return pieces.map((piece) => piece.text).join("");
}

/** A part of the text; what is done is not looked at again. */
interface Piece {
  readonly text: string;
  readonly done: boolean;
}

function split(
  text: string,
  kind: Kind | "KEEP",
  pattern: RegExp,
  placeholder: Placeholder,
): readonly Piece[] {
  const pieces: Piece[] = [];
  let end = 0;
  for (const match of text.matchAll(pattern)) {
    const { before = "", after = "" } = match.groups ?? {};
    const value = match[0].slice(before.length, match[0].length - after.length);
    const masked = kind === "KEEP" ? value : mask(kind, value, placeholder, text.slice(0, match.index));
    if (masked === undefined) continue;
    pieces.push({ text: text.slice(end, match.index) + before, done: false }, { text: masked, done: true });
    end = match.index + before.length + value.length;
  }
  pieces.push({ text: text.slice(end), done: false });
  return pieces.filter((piece) => piece.text !== "");
}

/** The placeholder for a match, or undefined where it only looks like something private. */
function mask(kind: Kind, value: string, placeholder: Placeholder, before: string): string | undefined {
  switch (kind) {
    case "IP":
      return maskAddress(value, placeholder, before);
    case "LOGIN": {
      const [login = "", host = ""] = value.split("@");
      if (UNIT.test(value) || host === "") return undefined;
      const who = ANONYMOUS.test(login) ? login : placeholder("USER", login);
      return `${who}@${isIP(host) !== 0 || !ANONYMOUS.test(host) ? placeholder(isIP(host) === 0 ? "HOST" : "IP", host) : host}`;
    }
    case "USER":
    case "HOST":
      if (ANONYMOUS.test(value)) return undefined;
      return placeholder(isIP(value) === 0 ? kind : "IP", value);
    default:
      return placeholder(kind, value);
  }
}

/** Words in front of four numbers with dots that make them a version. */
const VERSION_WORD = /(?:\b(?:version|release|revision|rev|ver|firmware|driver|build)[\s:=#"'-]{0,3}|\bv)$/i;
/** Names of programs do so too, but not in front of an address of a home network: `reached Unraid 10.1.1.2`. */
const PROGRAM_WORD = /\b(?:bios|kernel|qemu|libvirt|ovmf|edk2|vbios|agesa|unraid|plugin)[\s:=#"'-]{0,3}$/i;
const HOME_NETWORK =
  /^(?:10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|169\.254\.|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.)/;

function isVersion(value: string, before: string): boolean {
  return VERSION_WORD.test(before) || (PROGRAM_WORD.test(before) && !HOME_NETWORK.test(value));
}

/** Addresses that are the same on every machine. */
const EVERYWHERE = /^(?:0\.0\.0\.0|127\.\d+\.\d+\.\d+|255\.\d+\.\d+\.\d+|::|::1)$/;

function maskAddress(found: string, placeholder: Placeholder, before: string): string | undefined {
  const [address = "", zone] = found.split("%");
  // A sentence may end right behind it, or a port may follow.
  for (let value = address; value.length > 1; value = value.slice(0, -1)) {
    if (isIP(value) !== 0) {
      if (EVERYWHERE.test(value) || (isIP(value) === 4 && isVersion(value, before))) return undefined;
      const rest =
        value === address ? "" : `${address.slice(value.length)}${zone === undefined ? "" : `%${zone}`}`;
      return `${placeholder("IP", value)}${rest}`;
    }
    if (!/[.:]$/.test(value)) break;
  }
  return undefined;
}

function wordsOf(names: readonly string[]): readonly string[] {
  return [...new Set(names.map((name) => name.trim().toLowerCase()))]
    .filter((name) => name.length > 2 && name.length <= 253 && !ANONYMOUS.test(name))
    .sort((a, b) => b.length - a.length)
    .slice(0, MOST_NAMES);
}

/** Any of these texts as a whole word; `inside` are characters that are part of a word besides letters and digits. */
function anyOf(texts: readonly string[], inside: "." | ""): RegExp {
  const escaped = texts.map((text) => text.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&"));
  const after = inside === "." ? String.raw`(?![\w-]|\.\w)` : String.raw`(?![\w-])`;
  return new RegExp(`(?<![\\w${inside}-])(?:${escaped.join("|")})${after}`, "gi");
}
