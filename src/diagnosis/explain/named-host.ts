import type { HostTruths } from "../remedies.ts";

/** What a text says about the host that it comes from; nothing of it is checked. */
export interface NamedHost {
  readonly board: string | undefined;
  /** BIOS versions in the order of the text; reports compare several. */
  readonly bios: readonly string[];
  /** The kernel's release, e.g. `6.12.54-Unraid`. */
  readonly kernel: string | undefined;
  readonly cpu: "amd" | "intel" | undefined;
  readonly system: "unraid" | "proxmox" | undefined;
  /** Boot loaders that the text speaks of, the one that it says boots first. */
  readonly loaders: readonly string[];
  /** The kernel's command line, word by word. */
  readonly parameters: readonly string[] | undefined;
  /** What a reader asks about next, a sentence each. */
  readonly notes: readonly string[];
}

const LONGEST_NAME = 80;
const MOST_VERSIONS = 6;

/** `DMI: VENDOR BOARD, BIOS VERSION DATE` of a boot; an oops has it behind `Hardware name`. */
const DMI = /(?:\bDMI|Hardware name): ([^\n]{3,120}?),? BIOS (\S{1,40}) (\d\d\/\d\d\/\d{4})/g;
const BOARD =
  /(?:^|\n)[\s>*•-]*(?:mother ?board|main ?board|base ?board|mobo|board)\b *(?:name|model)? *[:=] *([^\n]{3,120})/i;
/** A version has a digit, so that `BIOS settings` is none. */
const BIOS =
  /\b(?:BIOS|UEFI|firmware)(?: (?:version|release|revision|rev\.?|ver\.?))?[:\s]+v?((?=[\w.-]*\d)[A-Z0-9][\w.-]{0,39})\b/g;
/** In a sentence about BIOSes people leave the word out: `upgraded to the latest F31`, `try the A63 version`. */
const ABOUT_BIOS = /\bbios\b[^\n]{0,300}/gi;
/** Addresses, and the versions of a graphics card's own BIOS. */
const NO_BIOS = /^0x|^[0-9a-f]{2}\.[0-9a-f]{2,8}\.|^e820/i;
const BARE_VERSION =
  /\b(?:version|latest|newest|older|to|the|from|on|is|was)\s+((?:[A-Z]\d{1,3}[a-z]?|\d[A-Z]\d[A-Z0-9]|P?\d{1,2}\.\d{2,3}))(?=[\s,.;:)]|$)/g;
const KERNEL =
  /\bLinux version (\d[\w.+~-]{2,60})|\b(?:Linux )?[Kk]ernel(?: version)?: *(\d+\.\d+[\w.+~-]{0,60})|\bLinux \S{1,64} (\d+\.\d+\.\d+[\w.+~-]*) #|\bqemu version: [^\n]*? kernel: ([\w.+~-]{3,60})/;
const COMMAND_LINE = /(?:(?:Kernel command|Command) line: *|cat \/proc\/cmdline *\n[ >]*)([^\n"]{5,2000})/;
const BOOTED_BY =
  /\bboot[- ]?loader\b[^\n:]{0,20}[:=] *([A-Za-z][\w-]+)|\b(?:boots?|booted) (?:via|through|with|by|from) +(?:the +)?\W{0,2}([A-Za-z][\w-]+)/gi;
const LOADERS: Readonly<Record<string, RegExp>> = {
  Limine: /\blimine\b/i,
  Syslinux: /\bsyslinux\b/i,
  GRUB: /\bgrub2?\b|\/boot\/grub/i,
  "systemd-boot": /\bsystemd-boot\b|proxmox-boot-tool|\/etc\/kernel\/cmdline/i,
  rEFInd: /\brefind\b/i,
};
const BINDINGS: Readonly<Record<string, RegExp>> = {
  "the kernel parameter vfio-pci.ids": /\bvfio-pci\.ids=[0-9a-f]/i,
  "the module option ids of vfio-pci": /\boptions vfio-pci\b[^\n]*\bids=/i,
  "Unraid's vfio-pci.cfg": /vfio-pci\.cfg[^\n]*BIND=|\bBIND=[0-9a-f]{4}:/i,
  driverctl: /\bdriverctl\b[^\n]*set-override/i,
};

/** Reads what a text says about its host. */
export function hostIn(text: string): NamedHost {
  const dmi = [...text.matchAll(DMI)];
  const bare = [...text.matchAll(ABOUT_BIOS)].flatMap(([sentence]) => [...sentence.matchAll(BARE_VERSION)]);
  const written = [...text.matchAll(BIOS), ...bare].map(([, version = ""]) => version);
  const bios = [...dmi.map(([, , version = ""]) => version), ...written]
    .map((version) => version.replace(/[.,-]+$/, ""))
    .filter((version) => version.length > 1 && !NO_BIOS.test(version));
  const kernel = KERNEL.exec(text)
    ?.slice(1)
    .find((found) => found !== undefined);
  const line = COMMAND_LINE.exec(text)?.[1];
  const parameters = line?.trim().split(/\s+/);
  const named = {
    board: bounded(dmi[0]?.[1] ?? BOARD.exec(text)?.[1]),
    bios: [...new Set(bios)].slice(0, MOST_VERSIONS),
    kernel: kernel?.replace(/[.,]+$/, ""),
    cpu: cpuIn(text),
    system: /\bunraid\b/i.test(text)
      ? ("unraid" as const)
      : /\bproxmox\b|-pve\b/i.test(text)
        ? ("proxmox" as const)
        : undefined,
    loaders: loadersIn(text),
    parameters,
  };
  return { ...named, notes: notesOn(text, named) };
}

/** What of it advice depends on. */
export function truthsIn({ kernel, cpu, system, loaders, parameters }: NamedHost): HostTruths {
  const [loader] = loaders;
  return {
    kernel,
    cpu,
    system,
    loader: loaders.length === 1 ? loader?.toLowerCase() : undefined,
    parameters,
  };
}

/** One line for a person; undefined where the text says nothing of its host. */
export function describeHost({ board, bios, kernel, loaders }: NamedHost): string | undefined {
  const parts = [
    ...(board === undefined ? [] : [`board ${board}`]),
    ...(bios.length === 0 ? [] : [`BIOS ${bios.join(", ")}`]),
    ...(kernel === undefined ? [] : [`kernel ${kernel}`]),
    ...(loaders.length === 0 ? [] : [`boot loader ${loaders.join(", ")}`]),
  ];
  return parts.length === 0 ? undefined : parts.join("; ");
}

function cpuIn(text: string): "amd" | "intel" | undefined {
  const amd = /\bAMD-Vi: |\bRyzen\b|\bEPYC\b|\bThreadripper\b|AuthenticAMD|\bkvm_amd\b|\bIVRS\b/i.test(text);
  const intel = /\bDMAR: |GenuineIntel|\bkvm_intel\b|\bIntel\(R\) (?:Core|Xeon)|\bi[3579]-\d{4}/i.test(text);
  // People write of both where they guess.
  return amd === intel ? undefined : amd ? "amd" : "intel";
}

function loadersIn(text: string): readonly string[] {
  const named = Object.entries(LOADERS).flatMap(([name, words]) => (words.test(text) ? [name] : []));
  const said = [...text.matchAll(BOOTED_BY)].map(([, noun, verb]) => (noun ?? verb ?? "").toLowerCase());
  const boots = named.find((name) => said.includes(name.toLowerCase()));
  return boots === undefined ? named : [boots, ...named.filter((name) => name !== boots)];
}

function notesOn(text: string, { bios, loaders }: Pick<NamedHost, "bios" | "loaders">): readonly string[] {
  const bindings = Object.entries(BINDINGS).flatMap(([name, words]) => (words.test(text) ? [name] : []));
  const found = /(IVRS|DMAR) ACPI table found in initrd/i.exec(text)?.[1];
  const isOverridden = /Table Upgrade: override \[(?:IVRS|DMAR)/i.test(text);
  const [loader, ...others] = loaders;
  return [
    ...(bios.length > 1
      ? [
          `The text names ${bios.length} BIOS versions (${bios.join(", ")}): where one of them works and another does not, the BIOS is what changed.`,
        ]
      : []),
    ...(loader !== undefined && others.length > 0
      ? [
          `The text names more than one boot loader (${loaders.join(", ")}): a kernel parameter counts only in the configuration of the one that boots, and /proc/cmdline shows what counted.`,
        ]
      : []),
    ...(bindings.length > 1
      ? [
          `The device is bound to vfio-pci in more than one way (${bindings.join("; ")}). One is enough; two do no harm and are not why a start fails.`,
        ]
      : []),
    ...(found !== undefined && !isOverridden
      ? [
          /locked down, ignoring table override/i.test(text)
            ? `The initial RAM disk holds a ${found} table, and the kernel ignores it because it is locked down (Secure Boot).`
            : `The initial RAM disk holds a ${found} table, and nothing in this text says that it overrides the firmware's: the kernel takes one only whose OEM revision is higher.`,
        ]
      : []),
  ];
}

function bounded(name: string | undefined): string | undefined {
  const short = name
    ?.replace(/[\s\u2022*|]+$/, "")
    .trim()
    .slice(0, LONGEST_NAME);
  return short === "" ? undefined : short;
}
