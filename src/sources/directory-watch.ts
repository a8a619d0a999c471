import { EventEmitter } from "node:events";
import { accessSync, constants, type FSWatcher as NodeWatcher, watch as watchOne } from "node:fs";
import { basename, dirname } from "node:path";
import type { ChokidarOptions } from "chokidar";
import type { Clock } from "../clock.ts";
import { statusOf } from "./file-position.ts";

/** What a directory watch can do at the moment. */
export type DirectoryWatchState =
  | { readonly state: "watching"; readonly polling: boolean }
  | { readonly state: "missing"; readonly nearest: string }
  | { readonly state: "unreadable"; readonly why: string };

/** Says when to look at a directory again. It never says what changed: whoever is woken compares for himself. */
export interface DirectoryWatch {
  /** Resolves once the directory, or the nearest one above it that exists, is watched. Never rejects. */
  start(): Promise<void>;
  stop(): Promise<void>;
  state(): DirectoryWatchState;
}

/** The part of a chokidar watcher that is used here. */
export interface ChangeWatcher {
  on(event: "raw" | "all" | "ready" | "error", listener: (...values: unknown[]) => void): unknown;
  close(): Promise<void>;
}

export interface DirectoryWatchOptions {
  /** Full path, already below the host's root. */
  readonly directory: string;
  readonly clock: Clock;
  /** Called after anything in the directory, or the directory itself, may have changed. */
  readonly onWake: () => void;
  /** Names that matter; events about others are dropped early. */
  readonly accept?: (name: string) => boolean;
  /**
   * Milliseconds between two looks without an event. Mounting over a directory raises no inotify event, and
   * libuv drops the kernel's "queue overflowed", so one look now and then is what makes this complete.
   */
  readonly recheckMs?: number;
  /** How a watcher is made, unless a test brings its own. */
  readonly openWatcher?: (directory: string, options: ChokidarOptions) => Promise<ChangeWatcher>;
}

const POLL_MS = 2_000;
const FOREIGN_EVENTS_ALLOWED = 500;
const PAUSE_MS = 1_000;
const OUT_OF_INOTIFY = new Set(["ENOSPC", "EMFILE", "ENFILE"]);

interface Situation {
  /** Changes whenever the watch has to be set up anew. */
  readonly key: string;
  readonly watched: string | undefined;
  readonly nearest: string;
  /** The entry below `nearest` that has to appear first. */
  readonly awaited: string;
}

/** Watches `directory` while it exists, and for its appearance while it does not. */
export function createDirectoryWatch(options: DirectoryWatchOptions): DirectoryWatch {
  const { directory, clock, onWake, accept = () => true, recheckMs = 60_000 } = options;
  const openWatcher = options.openWatcher ?? openAny;
  let running = false;
  let armedFor = "";
  let usedUp = false;
  let close: () => Promise<void> = async () => {};
  let state: DirectoryWatchState = { state: "missing", nearest: dirname(directory) };
  let cancelRecheck = () => {};
  let looking = false;
  let arming: Promise<void> = Promise.resolve();

  function look(): void {
    if (looking || !running) return;
    looking = true;
    setImmediate(() => {
      looking = false;
      if (!running) return;
      if (situationOf(directory).key === armedFor) onWake();
      else rearm().then(() => running && onWake());
    });
  }

  function rearm(): Promise<void> {
    arming = arming.then(arm);
    return arming;
  }

  async function arm(): Promise<void> {
    for (let tries = 0; running && tries < 5; tries += 1) {
      const situation = situationOf(directory);
      if (situation.key === armedFor) return;
      await close();
      close = async () => {};
      armedFor = situation.key;
      if (situation.watched === undefined) awaitAppearance(situation);
      else await watchDirectory(situation.watched);
      // It may have come or gone while the watch was being set up: the next round sees that.
    }
  }

  async function watchDirectory(path: string): Promise<void> {
    try {
      accessSync(path, constants.R_OK);
    } catch {
      state = { state: "unreadable", why: "permission denied: needs root" };
      return;
    }
    if (!usedUp) {
      usedUp = !(await tryWatching(path, false));
      if (!usedUp || !running) return;
      await close();
    }
    // No inotify watches left: looking every two seconds is slow, but it sees everything in the end.
    await tryWatching(path, true);
  }

  /** False where inotify is used up. */
  async function tryWatching(path: string, polling: boolean): Promise<boolean> {
    const watcher = await openWatcher(path, {
      depth: 0,
      persistent: true,
      ignoreInitial: true,
      ignorePermissionErrors: true,
      atomic: false,
      usePolling: polling,
      interval: POLL_MS,
      binaryInterval: POLL_MS,
      ignored: (candidate) => candidate !== path && !accept(basename(candidate)),
    });
    const above = polling ? undefined : watchAbove(path);
    close = async () => {
      above?.close();
      await watcher.close();
    };
    state = { state: "watching", polling };
    // chokidar's "change" swallows what follows within 50 ms of another; the raw events do not.
    watcher.on("raw", (_event, name) => {
      const entry = typeof name === "string" ? basename(name) : undefined;
      // The directory itself was removed or moved away, and its watch with it. One that is made anew may have its inode
      // number, so that nothing but this tells them apart.
      if (entry === basename(path)) armedFor = "";
      if (entry === undefined || accept(entry) || entry === basename(path)) look();
    });
    if (polling) watcher.on("all", look);
    return new Promise((resolve) => {
      let ready = false;
      let failed = false;
      watcher.on("ready", () => {
        ready = true;
        resolve(true);
      });
      watcher.on("error", (error) => {
        const code = (error as NodeJS.ErrnoException | undefined)?.code ?? "";
        // It went while it was being opened: the next round looks at what is there.
        if (!ready && !OUT_OF_INOTIFY.has(code)) resolve(true);
        if (polling || failed || !OUT_OF_INOTIFY.has(code)) return;
        failed = true;
        resolve(false);
        if (!ready) return;
        // It worked until now: set everything up anew.
        usedUp = true;
        armedFor = "";
        look();
      });
    });
  }

  /** Of a directory whose parent is moved away, or that is mounted over, its own watch hears nothing. */
  function watchAbove(path: string): NodeWatcher | undefined {
    const parent = dirname(path);
    const names = [basename(path), basename(parent)];
    try {
      const watcher = watchOne(parent, (event, name) => {
        if (event === "rename" && (name === null || names.includes(name))) look();
      });
      watcher.on("error", () => watcher.close());
      return watcher;
    } catch {
      return undefined;
    }
  }

  function awaitAppearance(situation: Situation): void {
    state = { state: "missing", nearest: situation.nearest };
    let foreign = 0;
    let watcher: NodeWatcher | undefined;
    try {
      // Not chokidar: it would stat every entry of a busy /dev or /var/log again and again.
      watcher = watchOne(situation.nearest, (_event, name) => {
        if (name === null || name === situation.awaited || name === basename(situation.nearest))
          return look();
        foreign += 1;
        if (foreign < FOREIGN_EVENTS_ALLOWED) return;
        watcher?.close();
        armedFor = "";
        clock.after(PAUSE_MS, look);
      });
      watcher.on("error", () => watcher?.close());
    } catch {
      // The look now and then has to do.
    }
    close = async () => watcher?.close();
  }

  function recheckLater(): void {
    cancelRecheck = clock.after(recheckMs, () => {
      look();
      recheckLater();
    });
  }

  return {
    async start() {
      running = true;
      recheckLater();
      await rearm();
    },
    async stop() {
      running = false;
      cancelRecheck();
      await arming;
      await close();
      close = async () => {};
      armedFor = "";
    },
    state: () => state,
  };
}

/** One word for `status`: how changes below the directory are noticed. */
export function describeWatch(watch: DirectoryWatch): string {
  const state = watch.state();
  return state.state === "watching" && state.polling
    ? `looking every ${POLL_MS / 1000} s because inotify watches are used up (raise fs.inotify.max_user_watches)`
    : "";
}

function situationOf(directory: string): Situation {
  const identity = directoryIdentity(directory);
  if (identity !== undefined) {
    return { key: `at ${identity}`, watched: directory, nearest: directory, awaited: "" };
  }
  let nearest = dirname(directory);
  let awaited = basename(directory);
  while (directoryIdentity(nearest) === undefined && nearest !== dirname(nearest)) {
    awaited = basename(nearest);
    nearest = dirname(nearest);
  }
  return { key: `below ${nearest} ${directoryIdentity(nearest)}`, watched: undefined, nearest, awaited };
}

function directoryIdentity(path: string): string | undefined {
  const status = statusOf(path);
  if (status.state !== "read" || !status.value.isDirectory()) return undefined;
  return `${status.value.dev}:${status.value.ino}`;
}

/**
 * chokidar where there is no inotify. Where there is, the directory is watched directly: chokidar keeps the watch of a
 * path for whoever watches that path next, also when the directory there has become another one meanwhile.
 */
async function openAny(directory: string, options: ChokidarOptions): Promise<ChangeWatcher> {
  if (options.usePolling !== true) return openDirectory(directory);
  const { watch } = await import("chokidar");
  return watch(directory, options) as ChangeWatcher;
}

function openDirectory(directory: string): ChangeWatcher {
  const events = new EventEmitter();
  let watcher: NodeWatcher | undefined;
  try {
    watcher = watchOne(directory, (event, name) => events.emit("raw", event, name));
    watcher.on("error", (error) => events.emit("error", error));
    setImmediate(() => events.emit("ready"));
  } catch (error) {
    setImmediate(() => events.emit("error", error));
  }
  return {
    on: (event, listener) => events.on(event, listener),
    async close() {
      watcher?.close();
      // Whoever closes it has nothing more to hear.
      events.removeAllListeners();
      events.on("error", () => {});
    },
  };
}
