import { read } from "../model/reading.ts";
import { readHostFiles } from "./diagnostics-host.ts";
import { type NamedBytes, readDomainLogs, readLibvirtdLogs } from "./domain-log-files.ts";
import { bootOfSyslog } from "./kernel-boot.ts";
import { type KnownHost, pastHost } from "./known-host.ts";
import type { Material, PastBoot, PastObservation } from "./past-boot.ts";
import { syslogAge } from "./syslog-age.ts";
import { createSyslogReader, type SyslogBoot } from "./syslog-boots.ts";
import { ownWallClock, type WallClock, wallClockOf } from "./wall-clock.ts";
import type { FileBundle } from "./zip-bundle.ts";

/** Texts that are told apart by the catalogue. */
export type KnownText = (layer: "kernel" | "libvirt", text: string) => boolean;

const LOGS_LIMIT = 2_000;

/** Whether the files are those of Unraid's diagnostics (6.12 and later). */
export function looksLikeDiagnostics(paths: readonly string[]): boolean {
  const marks = [
    /^system\/(?:lspci|vars|motherboard|iommu_groups|cmdline)\.txt$/,
    /^logs\/syslog/,
    /^unraid-[^/]+\.txt$/,
  ];
  return marks.filter((mark) => paths.some((path) => mark.test(path))).length >= 2;
}

/**
 * Reads Unraid's diagnostics: the boot in which they were made, with everything that they show of the host, and the
 * boots that their syslogs show besides. Missing and damaged files are said in the notes.
 */
export async function readDiagnostics(bundle: FileBundle, isKnown: KnownText): Promise<Material> {
  const notes: string[] = [];
  const text = async (path: string): Promise<string | undefined> =>
    (await bundle.read(path))?.toString("utf8").replaceAll("\r\n", "\n");

  const zone = /\[timeZone\] => ([\w+/-]{1,64})/.exec((await text("system/vars.txt")) ?? "")?.[1];
  const wallClock = (zone === undefined ? undefined : wallClockOf(zone)) ?? ownWallClock;
  if (wallClock === ownWallClock)
    notes.push(`The archive does not name its time zone: its local times were read in ${ownWallClock.zone}.`);
  const madeAt = timeInName(bundle, wallClock) ?? bundle.modifiedAt;

  const host = await readHostFiles(text, bundle, notes);

  const qemuLogs = await readAll(bundle, /^qemu\/.+\.txt$/);
  const libvirtLogs = await readAll(bundle, /^logs\/libvirt(?:\.last200)?\.txt$/);
  const said = [...readDomainLogs(qemuLogs, madeAt), ...readLibvirtdLogs(libvirtLogs, madeAt)];
  const versions = lastVersions(said);

  const previous = await readSyslogs(
    bundle,
    /^logs\/syslog-previous.*\.txt$/,
    { wallClock, madeAt, isKnown },
    notes,
  );
  const current = await readSyslogs(
    bundle,
    /^logs\/syslog(?!-previous).*\.txt$/,
    { wallClock, madeAt, isKnown },
    notes,
  );
  const last = current.at(-1);
  const up =
    uptimeIn((await text("system/top.txt")) ?? "") ?? uptimeIn((await text("system/loads.txt")) ?? "");
  const earlier = [...previous, ...current.slice(0, -1)].map((boot) => bootOfSyslog(boot));
  const here = currentBoot(last, { ...host, ...versions }, madeAt, up);
  if (here.bios === undefined) notes.push("Nothing in it names the BIOS version.");
  if (current.length === 0) notes.push("It holds no syslog: what the kernel said in this boot is not known.");
  return { ...ownAndLoose(here, said), notes: [...bundle.notes, ...notes] };

  function ownAndLoose(boot: PastBoot, all: readonly PastObservation[]) {
    // On Unraid these logs lie in memory and begin with the boot, unless the owner keeps them elsewhere.
    const since = (boot.startedAt ?? boot.firstSeenAt) - 60_000;
    const mine =
      boot.startedAt === undefined ? all : all.filter(({ observation }) => observation.at >= since);
    const rest = boot.startedAt === undefined ? [] : all.filter(({ observation }) => observation.at < since);
    const whole: PastBoot = { ...boot, observations: [...boot.observations, ...mine] };
    return { boots: [...earlier, whole], loose: rest };
  }
}

/** The boot in which the archive was made; its start from the syslog, else from how long the machine had been up. */
function currentBoot(
  syslog: SyslogBoot | undefined,
  host: KnownHost,
  madeAt: number,
  up: number | undefined,
): PastBoot {
  if (syslog !== undefined) {
    const boot = bootOfSyslog(syslog, host);
    const startedAt = boot.startedAt ?? (up === undefined ? undefined : madeAt - up);
    return {
      ...boot,
      startedAt,
      precision: boot.precision ?? (up === undefined ? undefined : "uptime"),
      lastSeenAt: Math.max(boot.lastSeenAt, madeAt),
      end: "unknown",
    };
  }
  const startedAt = up === undefined ? undefined : madeAt - up;
  return {
    id: undefined,
    startedAt,
    precision: up === undefined ? undefined : "uptime",
    firstSeenAt: startedAt ?? madeAt,
    lastSeenAt: madeAt,
    end: "unknown",
    ...pastHost(host),
    observations: [],
  };
}

/** `tower-diagnostics-20261123-1422.zip`, in the server's local time. */
function timeInName(bundle: FileBundle, wallClock: WallClock): number | undefined {
  const parts = /-(\d{4})(\d\d)(\d\d)-(\d\d)(\d\d)(?!\d)/.exec(bundle.name);
  if (parts === null) return undefined;
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0] = parts.slice(1).map(Number);
  if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59) return undefined;
  return wallClock.toUtc(year, { month: month - 1, day, hour, minute, second: 0 });
}

/** How long the machine had been up (ms), from the first line of `top` or `uptime`: `up 3 days,  4:05,`. */
function uptimeIn(text: string): number | undefined {
  const up = /\bup (?:(\d{1,5}) days?, +)?(?:(\d{1,2}):(\d\d)|(\d{1,2}) min)\b/.exec(text.slice(0, 200));
  if (up === null) return undefined;
  const [days = 0, hours = 0, minutes = 0, only = 0] = up.slice(1).map((part) => Number(part ?? 0));
  return ((days * 24 + hours) * 60 + minutes + only) * 60_000;
}

function lastVersions(said: readonly PastObservation[]): KnownHost {
  let found: KnownHost = {};
  for (const { observation } of said) {
    if (observation.kind !== "domain-log-start") continue;
    const { libvirtVersion: libvirt, qemuVersion: qemu } = observation;
    found = {
      ...found,
      ...(libvirt !== undefined && { libvirt: read(libvirt) }),
      ...(qemu !== undefined && { qemu: read(qemu) }),
    };
  }
  return found;
}

async function readAll(bundle: FileBundle, wanted: RegExp): Promise<readonly NamedBytes[]> {
  const files: NamedBytes[] = [];
  for (const path of bundle.paths.filter((candidate) => wanted.test(candidate)).slice(0, LOGS_LIMIT)) {
    const bytes = await bundle.read(path);
    if (bytes !== undefined) files.push({ name: path.slice(path.indexOf("/") + 1), bytes });
  }
  return files;
}

async function readSyslogs(
  bundle: FileBundle,
  wanted: RegExp,
  how: { readonly wallClock: WallClock; readonly madeAt: number; readonly isKnown: KnownText },
  notes: string[],
): Promise<readonly SyslogBoot[]> {
  const files = [...(await readAll(bundle, wanted))].sort((a, b) => syslogAge(b.name) - syslogAge(a.name));
  const reader = createSyslogReader({ ...how, referenceAt: how.madeAt });
  const known = new Set<string>();
  for (const { name, bytes } of files) {
    const isTail = name.includes(".last200.");
    if (isTail)
      notes.push(
        `logs/${name.replace(".last200", "")} was cut when the archive was made: lines before its last 200 are missing.`,
      );
    for (const line of bytes.toString("utf8").split("\n")) {
      if (isTail && known.has(line)) continue;
      if (!isTail && files.length > 1) known.add(line);
      reader.line(line);
    }
  }
  if (files.length > 0 && reader.understood() === 0)
    notes.push(`${files.map(({ name }) => `logs/${name}`).join(", ")}: no line of it could be understood.`);
  return reader.finish().boots;
}
