import { isIP } from "node:net";
import { PRIVATE_KINDS, type PrivateKind } from "./pattern-parts.ts";
import { maskPath } from "./private-paths.ts";
import { PRIVATE_PATTERNS } from "./private-patterns.ts";

/** What a redactor knows of the machine besides the text itself. */
export interface RedactionNames {
  /** Names of this host, with and without domain. */
  readonly hosts: readonly string[];
  /** Login names of people. */
  readonly users: readonly string[];
  /** Versions and product names: never masked, whatever they look like. */
  readonly keep: readonly string[];
  /** What tells this host from all others, and it has itself told: serial numbers, addresses, ids. */
  readonly identifiers?: readonly { readonly kind: PrivateKind; readonly value: string }[];
}

/** Names that say nothing about anybody: what systems are called until somebody gives them a name. */
const ANONYMOUS =
  /^(?:localhost|localdomain|unraid|tower|linux|debian|ubuntu|fedora|centos|arch(?:linux)?|nixos|proxmox|pve|pam|host|server|node|root|admin|user|users|nobody|guest|default|public|qemu|libvirt(?:-qemu|-dbus)?|kvm|none)?$/i;

/** More names than this are no names of people. */
const MOST_NAMES = 200;
const LONGEST_NAME = 512;

/** Names of file systems, services and units that end like a host name or an address. */
const UNIT = /\.(?:service|socket|timer|scope|slice|mount|target|device|path)$/i;

/** One thing that was masked. */
export interface MaskedThing {
  /** What stands for it, e.g. `MAC-1`. */
  readonly placeholder: string;
  readonly kind: string;
  /** As it was first met. */
  readonly value: string;
  /** In how many places. */
  readonly count: number;
  /** It was asked to be left as it is. */
  readonly shown: boolean;
}

/** Masks texts, and knows what it masked. */
export interface Redaction {
  readonly mask: (text: string) => string;
  /** In the order in which it was met. */
  readonly masked: () => readonly MaskedThing[];
}

/**
 * Makes a function that replaces private names in a text by placeholders (`MAC-1`, `IP-2`). The same thing gets the
 * same placeholder as long as the function is used, in whatever case it is spelled.
 */
export function createRedactor(names: RedactionNames): (text: string) => string {
  return createRedaction(names).mask;
}

/**
 * As {@link createRedactor}, with a list of what was masked. `show` names what is to be left as it is, by kind (`MAC`) or
 * placeholder (`MAC-1`); the others keep the placeholders that they have without it.
 */
export function createRedaction(names: RedactionNames, show: readonly string[] = []): Redaction {
  const hosts = wordsOf(names.hosts.flatMap((host) => [host, host.split(".")[0] ?? ""]));
  const users = wordsOf(names.users);
  const steps: readonly Step[] = [
    ...stepsOfIdentifiers(names.identifiers ?? []),
    ...PRIVATE_PATTERNS.map(({ kind, source, caseMatters, harmless }) => ({
      kind,
      pattern: new RegExp(source, caseMatters === true ? "g" : "gi"),
      harmless,
    })),
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
  const { placeholder, masked } = numberThem(new Set(show.map((name) => name.toUpperCase())));
  // A report says the same many times over. Of what is shown all the same each time counts.
  const clean = new Set<string>();
  const maskOnce = (text: string) => {
    if (clean.has(text)) return text;
    const masked = redact(text, all, placeholder);
    if (masked === text && show.length === 0) clean.add(text);
    return masked;
  };
  return { mask: maskOnce, masked };
}

interface Step {
  readonly kind: PrivateKind | "KEEP";
  readonly pattern: RegExp;
  readonly harmless?: RegExp | undefined;
}

/** Finds this host's own identifiers, one pattern a kind: there may be hundreds. */
function stepsOfIdentifiers(identifiers: NonNullable<RedactionNames["identifiers"]>): readonly Step[] {
  const usable = identifiers.filter(({ value }) => value.length >= 4 && value.length <= LONGEST_NAME);
  return [...Map.groupBy(usable, ({ kind }) => kind)].map(([kind, all]) => ({
    kind,
    pattern: new RegExp(`(?<![a-z0-9])(?:${all.map(spellings).join("|")})(?![a-z0-9])`, "gi"),
  }));
}

/** An address or a UUID is the same however its digits are divided. */
function spellings({ kind, value }: { readonly kind: PrivateKind; readonly value: string }): string {
  const digits = value.replace(/[:.-]/g, "");
  return (kind === "MAC" || kind === "UUID") && /^[0-9a-f]{12,40}$/i.test(digits)
    ? (digits.match(/../g) ?? []).join("[:._-]?")
    : escaped(value);
}

type Placeholder = (kind: string, value: string) => string;

/** `MAC-1`, `MAC-2`, … and the same for what was there before. */
function numberThem(show: ReadonlySet<string>): {
  readonly placeholder: Placeholder;
  readonly masked: () => readonly MaskedThing[];
} {
  const known = new Map<string, MaskedThing>();
  const counts = new Map<string, number>();
  return {
    placeholder(kind, value) {
      // The digits of an address are the same, however they are divided.
      const same = kind === "MAC" || kind === "UUID" ? value.replace(/[:._-]/g, "") : value;
      const key = `${kind} ${same.toLowerCase()}`;
      const found = known.get(key);
      const number = found === undefined ? (counts.get(kind) ?? 0) + 1 : 0;
      if (found === undefined) counts.set(kind, number);
      const name = found?.placeholder ?? `${kind}-${number}`;
      const shown = show.has(kind) || show.has(name);
      known.set(key, {
        ...(found ?? { placeholder: name, kind, value }),
        count: (found?.count ?? 0) + 1,
        shown,
      });
      return shown ? value : name;
    },
    masked: () => [...known.values()],
  };
}

function redact(text: string, steps: readonly Step[], placeholder: Placeholder): string {
  let pieces: readonly Piece[] = [{ text, done: false }];
  for (const step of steps) {
    pieces = pieces.flatMap((piece) => (piece.done ? [piece] : split(piece.text, step, placeholder)));
  }
  return pieces.map((piece) => piece.text).join("");
}

/** A part of the text; what is done is not looked at again. */
interface Piece {
  readonly text: string;
  readonly done: boolean;
}

function split(text: string, { kind, pattern, harmless }: Step, placeholder: Placeholder): readonly Piece[] {
  // Going through matches makes the pattern anew, and most texts have none.
  if (text.search(pattern) < 0) return [{ text, done: false }];
  const pieces: Piece[] = [];
  let end = 0;
  for (const match of text.matchAll(pattern)) {
    const { before = "", after = "" } = match.groups ?? {};
    const value = match[0].slice(before.length, match[0].length - after.length);
    if (value === "" || harmless?.test(value) === true) continue;
    const masked =
      kind === "KEEP" ? value : mask(kind, value, placeholder, text.slice(0, match.index + before.length));
    if (masked === undefined) continue;
    pieces.push({ text: text.slice(end, match.index) + before, done: false }, { text: masked, done: true });
    end = match.index + before.length + value.length;
  }
  if (pieces.length === 0) return [{ text, done: false }];
  pieces.push({ text: text.slice(end), done: false });
  return pieces.filter((piece) => piece.text !== "");
}

/** What stands for something already: a text may be masked twice. */
const PLACEHOLDER = new RegExp(`^(?:${PRIVATE_KINDS.join("|")})-\\d{1,6}$`);

/** What a report is about, wherever it stands: a USB controller has its own for a serial number. */
const ADDRESS_OF_DEVICE = /^(?:[0-9a-f]{4,8}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/i;

/** The placeholder for a match, or undefined where it only looks like something private. */
function mask(
  kind: PrivateKind,
  value: string,
  placeholder: Placeholder,
  before: string,
): string | undefined {
  if (PLACEHOLDER.test(value)) return value;
  if (ADDRESS_OF_DEVICE.test(value)) return undefined;
  switch (kind) {
    case "IP":
      return maskAddress(value, placeholder, before);
    case "PATH": {
      const masked = maskPath(value, placeholder);
      return masked === value ? undefined : masked;
    }
    case "LOGIN": {
      const [login = "", host = ""] = value.split("@");
      // `7046@1594678852.21:` begins QEMU's traces, `pve-container@102` is a unit of systemd.
      const isNumber = /^\d+(?:\.\d+)?$/.test(host);
      if (UNIT.test(value) || host === "" || isNumber) return undefined;
      if (PLACEHOLDER.test(login) || PLACEHOLDER.test(host)) return value;
      const who = ANONYMOUS.test(login) ? login : placeholder("USER", login);
      return `${who}@${isIP(host) !== 0 || !ANONYMOUS.test(host) ? placeholder(isIP(host) === 0 ? "HOST" : "IP", host) : host}`;
    }
    case "USER":
    case "HOST":
      if (ANONYMOUS.test(value)) return undefined;
      return isIP(value) === 0 ? placeholder(kind, value) : maskAddress(value, placeholder, "");
    default:
      return placeholder(kind, value);
  }
}

/** Words in front of four numbers with dots that make them a version. */
const VERSION_WORD = /(?:\b(?:version|release|revision|rev|ver|firmware|driver|build)[\s:=#"'-]{0,3}|\bv)$/i;
/** Names of programs do so too, but not in front of an address of a home network: `reached Unraid 10.1.1.2`. */
const PROGRAM_WORD =
  /\b(?:bios|kernel|qemu|libvirt|ovmf|edk2|vbios|agesa|smu|psp|gop|ec|fw|unraid|plugin)[\s:=#"'-]{0,3}$/i;
const HOME_NETWORK =
  /^(?:10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|169\.254\.|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.)/;

function isVersion(value: string, before: string): boolean {
  return VERSION_WORD.test(before) || (PROGRAM_WORD.test(before) && !HOME_NETWORK.test(value));
}

/** Addresses that are the same on every machine, or none: with a nought begins a version. */
const EVERYWHERE = /^(?:0\.\d+\.\d+\.\d+|127\.\d+\.\d+\.\d+|255\.\d+\.\d+\.\d+|::|::1)$/;

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
  const after = inside === "." ? String.raw`(?![\w-]|\.\w)` : String.raw`(?![\w-])`;
  return new RegExp(`(?<![\\w${inside}-])(?:${texts.map(escaped).join("|")})${after}`, "gi");
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
}
