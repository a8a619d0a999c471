import { hash } from "node:crypto";
import { closeSync, readdirSync, realpathSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Clock } from "../clock.ts";
import { watchedBootLoaderFiles } from "../host/boot-loader-files.ts";
import { MODPROBE_FILES } from "../host/modprobe.ts";
import { SRIOV_CONFIG, VF_CONFIG } from "../host/unraid-boot-binding.ts";
import { DOMAIN_CONFIG } from "../host/unraid-policy.ts";
import { VFIO_PCI_CONFIG } from "../host/vfio-setup.ts";
import { VM_DEFINITIONS } from "../host/virtual-machines.ts";
import type { HostPaths } from "../host-paths.ts";
import type { BootId } from "../model/identifiers.ts";
import type { ConfigFileChange } from "../model/observation.ts";
import { type Reading, read, valueOr } from "../model/reading.ts";
import type { ObservationSink, Source } from "../model/source.ts";
import { createDirectoryWatch, type DirectoryWatch, describeWatch } from "./directory-watch.ts";
import { bytesAt, failure, lookAt, openFile, statusOf } from "./file-position.ts";
import { createHealthKeeper } from "./source-state.ts";

/** Files to watch: one by its full name, or all in a directory whose names end alike (`/etc/modprobe.d/*.conf`). */
export type WatchedFiles = string;

/** All that the host's readers read of boot loaders, module options, VFIO bindings and VM definitions. */
export function defaultConfigFiles(paths: HostPaths): readonly WatchedFiles[] {
  return [
    ...watchedBootLoaderFiles(paths),
    ...MODPROBE_FILES,
    VFIO_PCI_CONFIG,
    SRIOV_CONFIG,
    VF_CONFIG,
    DOMAIN_CONFIG,
    `${VM_DEFINITIONS}/*.xml`,
  ];
}

export interface ConfigFilesOptions {
  readonly paths: HostPaths;
  readonly clock: Clock;
  readonly bootId: BootId;
  readonly files?: readonly WatchedFiles[];
  /** Milliseconds without a further event after which a change is told. */
  readonly quietMs?: number;
}

interface SeenFile {
  readonly device: number;
  readonly stamp: string;
  readonly content: string;
}

interface Watched {
  /** As the host knows it, without the root. */
  readonly directory: string;
  readonly accepts: (name: string) => boolean;
  readonly watch: DirectoryWatch;
  readonly seen: Map<string, SeenFile>;
}

const MAX_CONTENT = 1024 * 1024;
const MAX_FILES = 2_000;

/**
 * Tells that a watched configuration file was added, changed or removed while the program ran, once its writer
 * has been quiet for a moment. A file saved with the content that it had is no change. What changed while the
 * program did not run is the business of the snapshot that it takes at its start, so nothing is resumed here.
 *
 * Nothing is held open. inotify watches do not keep a file system from being unmounted (seen with tmpfs and
 * with ext4 on a loop device: umount succeeds, the watch ends), so Unraid can take `/etc/libvirt` away; its
 * files are then out of sight and not removed, and are compared with what they were when they come back.
 */
export function createConfigFilesSource(options: ConfigFilesOptions): Source {
  const { paths, clock, bootId, quietMs = 300 } = options;
  const keeper = createHealthKeeper({ name: "config-files", clock });
  let sink: ObservationSink = () => {};
  let stopped = false;
  let takeBack = () => {};
  const dirty = new Set<Watched>();
  const watched = groupByDirectory(options.files ?? defaultConfigFiles(paths), paths).map(
    ({ directory, accepts }) => {
      const entry: Watched = {
        directory,
        accepts,
        watch: createDirectoryWatch({
          directory: paths.at(directory),
          clock,
          accept: accepts,
          onWake: () => lookSoon(entry),
        }),
        seen: new Map(),
      };
      return entry;
    },
  );

  function lookSoon(entry: Watched): void {
    dirty.add(entry);
    takeBack();
    takeBack = clock.after(quietMs, () => {
      for (const one of dirty) look(one, true);
      dirty.clear();
      tellState();
    });
  }

  function look(entry: Watched, tellChanges: boolean): void {
    const directory = paths.at(entry.directory);
    const status = statusOf(directory);
    const inside = namesIn(directory);
    // Unreadable is not removed.
    if (status.state === "unreadable" || inside.state === "unreadable") return;
    const device = status.state === "read" ? status.value.dev : undefined;
    const names = valueOr(inside, []).filter(entry.accepts).slice(0, MAX_FILES);
    for (const name of names) lookAtFile(entry, name, tellChanges);
    for (const [name, file] of entry.seen) {
      if (names.includes(name) || !isRemoved(directory, device, file)) continue;
      entry.seen.delete(name);
      if (tellChanges) tell(entry, name, "removed", clock.now(), file.content);
    }
  }

  function lookAtFile(entry: Watched, name: string, tellChanges: boolean): void {
    const path = paths.at(join(entry.directory, name));
    const status = lookAt(path);
    if (status.state !== "read") return;
    const stats = status.value;
    const stamp = `${stats.dev}:${stats.ino}:${stats.size}:${stats.mtimeMs}:${stats.ctimeMs}`;
    const before = entry.seen.get(name);
    if (before?.stamp === stamp) return;
    const content = contentHash(path);
    // Unreadable is not changed.
    if (content === undefined) return;
    entry.seen.set(name, { device: stats.dev, stamp, content });
    if (!tellChanges || before?.content === content) return;
    tell(entry, name, before === undefined ? "added" : "changed", stats.mtimeMs, content);
  }

  function tell(
    entry: Watched,
    name: string,
    change: ConfigFileChange["change"],
    writtenAt: number,
    content: string,
  ): void {
    if (stopped) return;
    // A file may be put in place with the time stamp of the one that it was copied from.
    const now = clock.now();
    const exactTime = change !== "removed" && Math.abs(now - writtenAt) < 10_000;
    const at = exactTime ? Math.trunc(writtenAt) : now;
    const path = join(entry.directory, name);
    keeper.observed(at);
    sink({
      kind: "config-file",
      source: "config-files",
      at,
      exactTime,
      bootId,
      identity: `${path}:${change}:${bootId}:${at}:${content}`,
      path,
      change,
    });
  }

  function tellState(): void {
    if (stopped) return;
    const present = watched.filter((entry) => entry.watch.state().state === "watching");
    const files = watched.reduce((sum, entry) => sum + entry.seen.size, 0);
    if (present.length === 0) {
      keeper.become({
        state: "waiting",
        why: "none of the watched configuration directories exists or may be read",
        remedy: "run vfio-watch as root on the host itself",
      });
      return;
    }
    const polled = present.find((entry) => describeWatch(entry.watch) !== "")?.watch;
    const detail = [`${files} files in ${present.length} directories`, polled ? describeWatch(polled) : ""];
    keeper.become({ state: "live", detail: detail.filter((part) => part !== "").join("; ") });
  }

  return {
    name: "config-files",
    async start(to) {
      sink = to;
      await Promise.all(watched.map((entry) => entry.watch.start()));
      for (const entry of watched) look(entry, false);
      tellState();
    },
    async stop() {
      stopped = true;
      takeBack();
      await Promise.all(watched.map((entry) => entry.watch.stop()));
      keeper.become({ state: "stopped" });
    },
    health: keeper.health,
  };
}

/**
 * A file that is not there any more is removed only if its file system still is: where its directory went
 * along, the nearest directory that is left tells whether that was deleted or unmounted.
 */
function isRemoved(directory: string, device: number | undefined, file: SeenFile): boolean {
  let nearest = directory;
  let found = device;
  while (found === undefined && nearest !== dirname(nearest)) {
    nearest = dirname(nearest);
    const status = statusOf(nearest);
    if (status.state === "unreadable") return false;
    found = status.state === "read" ? status.value.dev : undefined;
  }
  return found === file.device;
}

/** Each directory once, also where a link leads to it (/lib is /usr/lib); names on a FAT partition come in any case. */
function groupByDirectory(
  files: readonly WatchedFiles[],
  paths: HostPaths,
): { readonly directory: string; readonly accepts: (name: string) => boolean }[] {
  const groups = new Map<string, { readonly directory: string; readonly patterns: string[] }>();
  for (const file of files) {
    const directory = dirname(file);
    const key = realPath(paths.at(directory));
    const group = groups.get(key) ?? { directory, patterns: [] };
    groups.set(key, group);
    group.patterns.push(basename(file));
  }
  return [...groups.values()].map(({ directory, patterns }) => ({
    directory,
    accepts: (name) =>
      patterns.some((one) =>
        one.startsWith("*") ? name.endsWith(one.slice(1)) : name === one || name.toLowerCase() === one,
      ),
  }));
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

function namesIn(directory: string): Reading<string[]> {
  try {
    return read(readdirSync(directory));
  } catch (error) {
    return failure(error);
  }
}

/** Of the first megabyte; undefined where it cannot be read. The file is closed again before this returns. */
function contentHash(path: string): string | undefined {
  const opened = openFile(path);
  if (opened.state !== "read") return undefined;
  try {
    return hash(
      "sha1",
      bytesAt(opened.value.descriptor, 0, Math.min(MAX_CONTENT, opened.value.stats.size)),
      "hex",
    );
  } catch {
    return undefined;
  } finally {
    closeSync(opened.value.descriptor);
  }
}
