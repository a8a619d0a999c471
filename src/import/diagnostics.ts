import { read } from "../model/reading.ts";
import { decodeText } from "./decode-text.ts";
import { readHostFiles } from "./diagnostics-host.ts";
import { type LogReading, readDomainLogs, readLibvirtdLogs } from "./domain-log-files.ts";
import { bootOfSyslog } from "./kernel-boot.ts";
import { type KnownHost, pastHost } from "./known-host.ts";
import { IMPORT_LIMITS, type ImportLimits } from "./limits.ts";
import { createLogReader, type LogFile } from "./log-text.ts";
import type { KnownText, Material, PastBoot, PastObservation } from "./past-boot.ts";
import { syslogAge } from "./syslog-age.ts";
import { createSyslogReader, type SyslogBoot } from "./syslog-boots.ts";
import { ownWallClock, type WallClock, wallClockOf } from "./wall-clock.ts";
import type { FileBundle } from "./zip-bundle.ts";

const LOGS_LIMIT = 2_000;
/** Of files that are called the last 200 lines of a log, in characters. */
const TAIL_LIMIT = 1_000_000;

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
export async function readDiagnostics(
  bundle: FileBundle,
  isKnown: KnownText,
  limits: ImportLimits = IMPORT_LIMITS,
): Promise<Material> {
  const { notes } = bundle;
  const text = async (path: string): Promise<string | undefined> => {
    const bytes = await bundle.read(path, limits.smallFileBytes);
    return bytes === undefined ? undefined : decodeText(bytes).replaceAll("\r\n", "\n");
  };
  const reader = createLogReader({ limits, notes });

  const zone = /\[timeZone\] => ([\w+/-]{1,64})/.exec((await text("system/vars.txt")) ?? "")?.[1];
  const wallClock = (zone === undefined ? undefined : wallClockOf(zone)) ?? ownWallClock;
  if (wallClock === ownWallClock)
    notes.add(`The archive does not name its time zone: its local times were read in ${ownWallClock.zone}.`);
  const madeAt = timeInName(bundle, wallClock) ?? bundle.modifiedAt;

  const host = await readHostFiles(text, bundle, notes);

  const reading: LogReading = { reader, limits, notes, isKnown, withoutTime: madeAt };
  const said = [
    ...(await readDomainLogs(logsOf(bundle, /^qemu\/.+\.txt$/), reading)),
    ...(await readLibvirtdLogs(logsOf(bundle, /^logs\/libvirt(?:\.last200)?\.txt$/), reading)),
  ];
  const versions = lastVersions(said);

  const how = { ...reading, wallClock };
  const previous = await readSyslogs(logsOf(bundle, /^logs\/syslog-previous.*\.txt$/), how);
  const current = await readSyslogs(logsOf(bundle, /^logs\/syslog(?!-previous).*\.txt$/), how);
  const last = current.at(-1);
  const up =
    uptimeIn((await text("system/top.txt")) ?? "") ?? uptimeIn((await text("system/loads.txt")) ?? "");
  const earlier = [...previous, ...current.slice(0, -1)].map((boot) => bootOfSyslog(boot));
  const here = currentBoot(last, { ...host, ...versions }, madeAt, up);
  if (here.bios === undefined) notes.add("Nothing in it names the BIOS version.");
  if (current.length === 0) notes.add("It holds no syslog: what the kernel said in this boot is not known.");
  return { ...ownAndLoose(here, said), notes: notes.list() };

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

/** The logs of the archive with such paths. */
function logsOf(bundle: FileBundle, wanted: RegExp): readonly LogFile[] {
  const paths = bundle.paths.filter((candidate) => wanted.test(candidate));
  if (paths.length > LOGS_LIMIT)
    bundle.notes.add(
      `${paths[LOGS_LIMIT]} and ${paths.length - LOGS_LIMIT - 1} more logs were left out: of one archive ${LOGS_LIMIT} of a kind are read.`,
    );
  return paths.slice(0, LOGS_LIMIT).map((path) => ({
    name: path.slice(path.indexOf("/") + 1),
    shown: path,
    read: (take) => bundle.stream(path, take),
  }));
}

async function readSyslogs(
  files: readonly LogFile[],
  how: LogReading & { readonly wallClock: WallClock },
): Promise<readonly SyslogBoot[]> {
  const { reader, notes } = how;
  const ordered = files.toSorted((a, b) => syslogAge(b.name) - syslogAge(a.name));
  const syslog = createSyslogReader({ ...how, referenceAt: how.withoutTime });
  const [whole, cut] = [false, true].map((wanted) => ordered.filter(({ name }) => isTail(name) === wanted));
  const tail: string[] = [];
  let room = TAIL_LIMIT;
  for (const file of cut ?? []) {
    notes.add(
      `logs/${file.name.replace(".last200", "")} was cut when the archive was made: lines before its last 200 are missing.`,
    );
    await reader.read(file, (line) => {
      room -= line.length;
      if (room > 0) tail.push(line);
    });
  }
  if (room <= 0) notes.add("Of what is called the last 200 lines only the first megabyte was read.");
  /** Lines of the tail that the other files do not have. */
  const missing = new Set(tail);
  for (const file of whole ?? []) {
    await reader.read(file, (line) => {
      missing.delete(line);
      syslog.line(line);
    });
  }
  for (const line of tail) if (missing.has(line)) syslog.line(line);
  if (files.length > 0 && syslog.understood() === 0)
    notes.add(`${files.map(({ shown }) => shown).join(", ")}: no line of it could be understood.`);
  const { boots, leftOut } = syslog.finish();
  for (const sentence of leftOut) notes.add(`${ordered[0]?.shown}: ${sentence}`);
  return boots;
}

function isTail(name: string): boolean {
  return name.includes(".last200.");
}
