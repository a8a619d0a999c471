import { readdirSync, type Stats, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import type { HostPaths } from "../host-paths.ts";
import { TASKS } from "../proxmox/task.ts";
import { journalIsThere } from "../sources/libvirtd-log-journal.ts";
import { formatDay } from "../time-words.ts";
import { looksLikeDiagnostics, readDiagnostics } from "./diagnostics.ts";
import { isDomainLogName, type LogReading, readDomainLogs, readLibvirtdLogs } from "./domain-log-files.ts";
import { openFolderBundle, openZipBundle } from "./file-bundle.ts";
import { type JournalAccess, listJournalBoots, readJournalBoot } from "./journal.ts";
import { bootOfSyslog } from "./kernel-boot.ts";
import { createNotes, IMPORT_LIMITS, type ImportLimits } from "./limits.ts";
import { createLogReader, type LogFile } from "./log-text.ts";
import type { KnownText, Material, PastBoot, PastObservation } from "./past-boot.ts";
import { readTaskArchive } from "./proxmox-tasks.ts";
import { LAST_WORDS_PLACES, readDeadBoots } from "./pstore-boots.ts";
import { createSyslogReader } from "./syslog-boots.ts";
import { looksLikeTasks } from "./task-archive.ts";
import { fileIsPackedWith, kindOfFile, streamFile } from "./text-files.ts";
import { ownWallClock } from "./wall-clock.ts";
import type { FileBundle } from "./zip-bundle.ts";

/** One piece of older material, not read yet. */
export interface ImportSource {
  readonly name: string;
  /** Reads it; a string says why it is refused. Never rejects. `progress` hears of what takes long. */
  read(progress: (text: string) => void): Promise<Material | string>;
}

/** What reading needs besides the files. */
export interface SourceParts {
  readonly paths: HostPaths;
  readonly isKnown: KnownText;
  readonly journal: JournalAccess;
  /** Other than the usual ones. */
  readonly limits?: ImportLimits;
}

const NAMES_LIMIT = 20_000;
/** Log families that hold the same kernel lines; of one directory only the first that is there is read. */
const FAMILIES = ["syslog", "messages", "kern.log"];

/**
 * Finds what the words of a command line name: `journal`, `host` (all that this host still has), and paths of
 * diagnostics archives, folders of them, syslogs, VMs' logs, Proxmox's tasks, or directories of any of these.
 */
export function findSources(words: readonly string[], parts: SourceParts): readonly ImportSource[] {
  const files: string[] = [];
  const sources: ImportSource[] = [];
  const dumps: string[] = [];
  for (const word of words) {
    if (word === "journal") sources.push(journalSource(parts));
    else if (word === "host") {
      const { paths } = parts;
      if (journalIsThere(paths)) sources.push(journalSource(parts));
      else files.push(...listFamily(paths.at("/var/log")));
      for (const place of ["/boot/logs", "/var/log/libvirt", "/var/log/libvirt/qemu"]) {
        files.push(...(list(paths.at(place)) ?? []));
      }
      dumps.push(...LAST_WORDS_PLACES.map((place) => paths.at(place)));
      if (looksLikeTasks(paths.at(TASKS))) sources.push(tasksSource(paths.at(TASKS), parts));
    } else addPath(resolve(word), word);
  }
  sources.push(...group(files, parts));
  if (dumps.length > 0) sources.push(dumpSource(dumps));
  return sources;

  function addPath(path: string, word: string): void {
    const kind = lookAt(path);
    if (kind === undefined) sources.push(refusal(word, "It does not exist."));
    else if (typeof kind === "string") sources.push(refusal(word, kind));
    else if (kind.isFile()) files.push(path);
    else if (!kind.isDirectory()) sources.push(refusal(word, "It is neither a file nor a directory."));
    else if (isDiagnosticsFolder(path)) sources.push(folderSource(path, parts));
    else if (looksLikeTasks(path)) sources.push(tasksSource(path, parts));
    else if (looksLikeTasks(join(path, "tasks"))) sources.push(tasksSource(join(path, "tasks"), parts));
    else addDirectory(path, word);
  }

  function addDirectory(path: string, word: string): void {
    const inside = list(path);
    if (inside === undefined) {
      sources.push(refusal(word, "It cannot be listed; run as root."));
      return;
    }
    const before = files.length + sources.length;
    const family = new Set(listFamily(path));
    for (const name of inside) {
      const kind = lookAt(name);
      if (kind === undefined || typeof kind === "string") continue;
      if (kind.isDirectory() && isDiagnosticsFolder(name)) sources.push(folderSource(name, parts));
      else if (kind.isFile() && (isPlausible(name) || family.has(name))) files.push(name);
    }
    if (inside.some((name) => /^dmesg-/.test(basename(name)))) sources.push(dumpSource([path]));
    else if (files.length + sources.length === before)
      sources.push(refusal(word, "Nothing in it is a diagnostics archive or a log that is known here."));
  }
}

/** Undefined where there is nothing; a sentence where it cannot be looked at. */
function lookAt(path: string): Stats | string | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ELOOP") return "It is a link that leads back to itself.";
    return code === "EACCES" ? "It may not be looked at; run as root." : `It cannot be looked at (${code}).`;
  }
}

/** In a directory only these are looked at; a file that is named itself may be called as it likes. */
function isPlausible(path: string): boolean {
  const name = basename(path);
  return /\.zip$/i.test(name) || isDomainLogName(name) || /^(?:libvirtd|virtqemud)\.log/.test(name);
}

function isDiagnosticsFolder(path: string): boolean {
  if (!(list(path) ?? []).some((inside) => /^(?:system|logs|.*-diagnostics-.*)$/.test(basename(inside))))
    return false;
  const opened = openFolderBundle(path);
  return opened.state === "open" && looksLikeDiagnostics(opened.bundle.paths);
}

function list(directory: string): readonly string[] | undefined {
  try {
    return readdirSync(directory)
      .sort()
      .slice(0, NAMES_LIMIT)
      .map((name) => join(directory, name));
  } catch {
    return undefined;
  }
}

/** The files of the first family of syslogs in a directory. */
function listFamily(directory: string): readonly string[] {
  const names = list(directory) ?? [];
  for (const family of FAMILIES) {
    const members = names.filter((path) => familyOf(path) === family);
    if (members.length > 0) return members;
  }
  return [];
}

function familyOf(path: string): string | undefined {
  return FAMILIES.find((family) =>
    new RegExp(`^${family.replace(".", "\\.")}(?:[.-].*)?$`).test(basename(path)),
  );
}

function refusal(name: string, why: string): ImportSource {
  return { name, read: async () => why };
}

function group(files: readonly string[], parts: SourceParts): readonly ImportSource[] {
  const sources: ImportSource[] = [];
  const streams = new Map<string, string[]>();
  const domainLogs: string[] = [];
  const libvirtdLogs: string[] = [];
  for (const path of new Set(files)) {
    let kind: ReturnType<typeof kindOfFile>;
    try {
      kind = kindOfFile(path);
    } catch (error) {
      sources.push(refusal(path, `It cannot be read: ${error instanceof Error ? error.message : error}.`));
      continue;
    }
    if (kind === "empty" && files.length === 1) sources.push(refusal(path, "It is empty."));
    else if (kind === "zip") sources.push(zipSource(path, parts));
    else if (kind === "domain-log") domainLogs.push(path);
    else if (kind === "libvirtd-log") libvirtdLogs.push(path);
    else if (kind === "dump") sources.push(dumpSource([dirname(path)]));
    else if (kind === "syslog") {
      // What the server kept of the boot before is a log of its own.
      const stream = `${dirname(path)}\n${familyOf(path) ?? basename(path)}\n${/previous/.test(basename(path)) ? path : ""}`;
      streams.set(stream, [...(streams.get(stream) ?? []), path]);
    } else if (kind === "unknown") {
      const packed = fileIsPackedWith(path);
      if (packed !== undefined) sources.push(refusal(path, `It is packed with ${packed}.`));
      else if (!isDomainLogName(basename(path)))
        sources.push(refusal(path, "It is neither a diagnostics archive nor a log that is known here."));
    }
  }
  for (const stream of streams.values()) sources.push(syslogSource(stream, parts));
  if (domainLogs.length + libvirtdLogs.length > 0)
    sources.push(libvirtSource(domainLogs, libvirtdLogs, parts));
  return sources;
}

function zipSource(path: string, parts: SourceParts): ImportSource {
  return {
    name: basename(path),
    async read() {
      const opened = openZipBundle(path);
      if (opened.state === "refused") return opened.why;
      if (!looksLikeDiagnostics(opened.bundle.paths))
        return "It is an archive of something else: Unraid's diagnostics have system/, logs/ and unraid-VERSION.txt.";
      return readBundle(opened.bundle, parts);
    },
  };
}

function folderSource(path: string, parts: SourceParts): ImportSource {
  return {
    name: path,
    async read() {
      const opened = openFolderBundle(path);
      return opened.state === "refused" ? opened.why : readBundle(opened.bundle, parts);
    },
  };
}

/** Of diagnostics from which nothing can be read (encrypted, packed in another way) no boot is made up. */
async function readBundle(bundle: FileBundle, { isKnown, limits }: SourceParts): Promise<Material | string> {
  let isAnyRead = false;
  const material = await readDiagnostics(
    {
      ...bundle,
      async read(path, most) {
        const bytes = await bundle.read(path, most);
        if (bytes !== undefined) isAnyRead = true;
        return bytes;
      },
      async stream(path, take) {
        return await bundle.stream(path, (part) => {
          isAnyRead = true;
          return take(part);
        });
      },
    },
    isKnown,
    limits,
  );
  return isAnyRead ? material : `Nothing in it can be read. ${bundle.notes.list()[0] ?? ""}`.trimEnd();
}

function journalSource({ journal, isKnown }: SourceParts): ImportSource {
  return {
    name: "journal",
    async read(progress) {
      const boots = await listJournalBoots(journal);
      if (typeof boots === "string") return `The journal cannot be read: ${boots}.`;
      const found: PastBoot[] = [];
      const notes: string[] = [];
      for (const [index, boot] of boots.entries()) {
        progress(`boot ${index + 1} of ${boots.length}`);
        const answer = await readJournalBoot(boot, journal, isKnown);
        if (typeof answer === "string") notes.push(`${boot.id}: ${answer}.`);
        else {
          found.push(answer.boot);
          notes.push(...answer.notes);
        }
      }
      return { boots: found, loose: [], notes };
    },
  };
}

/** `/var/log/pve/tasks`, or a copy of it. */
function tasksSource(directory: string, { paths, limits = IMPORT_LIMITS }: SourceParts): ImportSource {
  return { name: directory, read: async () => readTaskArchive(directory, { paths, limits }) };
}

function dumpSource(directories: readonly string[]): ImportSource {
  return { name: "the kernel's last words (pstore)", read: async () => readDeadBoots(directories) };
}

/** One or more files of one log, cut into boots; of each file no more than `newest` bytes. */
export function syslogSource(
  files: readonly string[],
  {
    isKnown,
    limits = IMPORT_LIMITS,
    newest = limits.fileBytes,
  }: Pick<SourceParts, "isKnown" | "limits"> & { readonly newest?: number },
): ImportSource {
  const ordered = files.toSorted((a, b) => ageOf(b) - ageOf(a) || (a < b ? -1 : 1));
  return {
    name: ordered.length === 1 ? (ordered[0] ?? "") : `${ordered.at(-1)} and ${ordered.length - 1} rotated`,
    async read(progress) {
      const notes = createNotes();
      const lines = createLogReader({ limits, notes });
      const writtenAt = Math.max(
        ...ordered.map((path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0),
      );
      const reader = createSyslogReader({ wallClock: ownWallClock, referenceAt: writtenAt, isKnown, limits });
      for (const [index, path] of ordered.entries()) {
        if (ordered.length > 1) progress(`${basename(path)}, file ${index + 1} of ${ordered.length}`);
        await lines.read(logOnDisk(path, newest), reader.line);
      }
      if (reader.understood() === 0) return ["No line of it could be understood.", ...notes.list()].join(" ");
      const { boots, yearsInferred, leftOut } = reader.finish();
      for (const sentence of leftOut) notes.add(`${ordered[0]}: ${sentence}`);
      if (yearsInferred)
        notes.add(
          `Its time stamps have no year: the newest was taken to be of the time when the file was written last, ${formatDay(writtenAt)}, and all in ${ownWallClock.zone}.`,
        );
      return { boots: boots.map((boot) => bootOfSyslog(boot)), loose: [], notes: notes.list() };
    },
  };
}

/** `syslog.2.gz` is older than `syslog.1`, `messages-20261101` than `messages`; larger is older. */
function ageOf(path: string): number {
  const name = basename(path).replace(/\.gz$/, "");
  const date = /-(\d{8})$/.exec(name)?.[1];
  if (date !== undefined) return 1e9 - Number(date);
  return Number(/\.(\d{1,5})$/.exec(name)?.[1] ?? 0);
}

function libvirtSource(
  domainLogs: readonly string[],
  libvirtdLogs: readonly string[],
  { isKnown, limits = IMPORT_LIMITS }: SourceParts,
): ImportSource {
  const all = [...domainLogs, ...libvirtdLogs];
  return {
    name: all.length === 1 ? (all[0] ?? "") : `${all.length} logs of libvirt in ${dirname(all[0] ?? "")}`,
    async read() {
      const notes = createNotes();
      const reader = createLogReader({ limits, notes });
      const reading: LogReading = { reader, limits, notes, withoutTime: 0, isKnown };
      const onDisk = (paths: readonly string[]) => paths.map((path) => logOnDisk(path, limits.fileBytes));
      let loose: readonly PastObservation[] = [];
      // Joined, not pushed: so many arguments as a large log has records overflow the stack.
      for (const files of Map.groupBy(domainLogs, dirname).values())
        loose = loose.concat(await readDomainLogs(onDisk(files), reading));
      loose = loose.concat(await readLibvirtdLogs(onDisk(libvirtdLogs), reading));
      return {
        boots: [],
        loose: loose.filter(({ observation }) => observation.at > 0),
        notes: notes.list(),
      };
    },
  };
}

function logOnDisk(path: string, newest: number): LogFile {
  return {
    name: basename(path).replace(/\.gz$/, ""),
    shown: path,
    read: (take) => streamFile(path, take, newest),
  };
}
