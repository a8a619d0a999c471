import { statSync } from "node:fs";
import { basename, dirname } from "node:path";
import type { Clock } from "../clock.ts";
import { createDirectoryWatch, type DirectoryWatch } from "../sources/directory-watch.ts";

/** An editor or the settings page may write in several steps; they are taken together (ms). */
const QUIET_FOR = 200;

/** Notices that a settings file was written, made or removed. */
export interface SettingsWatch {
  start(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Makes the watch, right after the settings were read. `files` is asked again after each change, because a setting may
 * name another file with a secret. `onChange` is called a moment after the last write.
 */
export function createSettingsWatch(options: {
  readonly files: () => readonly string[];
  readonly clock: Clock;
  readonly onChange: () => void;
}): SettingsWatch {
  const { clock } = options;
  let seen = stateOf(options.files());
  let watches = new Map<string, DirectoryWatch>();
  let cancel: (() => void) | undefined;
  let isStopped = false;

  function look(): void {
    if (isStopped || stateOf(options.files()) === seen) return;
    cancel?.();
    cancel = clock.after(QUIET_FOR, takeUp);
  }

  function takeUp(): void {
    cancel = undefined;
    const before = options.files();
    seen = stateOf(before);
    options.onChange();
    const after = options.files();
    if (after.join("\n") !== before.join("\n")) {
      seen = stateOf(after);
      void watchAll();
    }
    // What was written while the settings were read is a change of its own.
    look();
  }

  async function watchAll(): Promise<void> {
    const names = new Map<string, Set<string>>();
    for (const file of options.files()) {
      const directory = dirname(file);
      names.set(directory, (names.get(directory) ?? new Set()).add(basename(file)));
    }
    const before = watches;
    watches = new Map(
      [...names].map(([directory, accepted]) => [
        directory,
        createDirectoryWatch({ directory, clock, onWake: look, accept: (name) => accepted.has(name) }),
      ]),
    );
    await Promise.all([...before.values()].map((watch) => watch.stop()));
    if (!isStopped) await Promise.all([...watches.values()].map((watch) => watch.start()));
  }

  return {
    async start() {
      await watchAll();
      // What was written since this was made.
      look();
    },
    async stop() {
      isStopped = true;
      cancel?.();
      await Promise.all([...watches.values()].map((watch) => watch.stop()));
    },
  };
}

/** Changes whenever one of the files is written, replaced, made or removed. */
function stateOf(files: readonly string[]): string {
  return files
    .map((file) => {
      try {
        const { ino, size, mtimeNs } = statSync(file, { bigint: true });
        return `${file} ${ino} ${size} ${mtimeNs}`;
      } catch {
        return `${file} -`;
      }
    })
    .join("\n");
}
