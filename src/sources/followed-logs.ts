import { join } from "node:path";
import type { Clock } from "../clock.ts";
import type { BootId } from "../model/identifiers.ts";
import type { Observation, ResumePoint } from "../model/observation.ts";
import type { ObservationSink, ResumePoints, SourceState } from "../model/source.ts";
import { createFileFollower, type FileFollower, type FollowedLine } from "./file-follower.ts";
import { type FilePosition, readPosition } from "./file-position.ts";
import type { HealthKeeper } from "./source-state.ts";

/** One log that is followed through rotation and truncation. */
export interface FollowedLog<Parser> {
  /** The file's name in its directory. */
  readonly name: string;
  readonly follower: FileFollower;
  readonly parser: Parser;
  /** Read for the first time: nothing of it was stored by an earlier run. */
  readonly fresh: boolean;
  /** The stored position is from this boot. */
  readonly sameBoot: boolean;
  problem: string | undefined;
}

/** What an earlier run stored of a log, beside the position; its reader checks what it takes out of it. */
export type StoredLog = Readonly<Record<string, unknown>>;

/** The logs of one directory: what is written to them becomes observations that know where to go on. */
export interface FollowedLogs<Parser> {
  open(to: ObservationSink, resume: ResumePoints): void;
  /** What was there has been read: from here on what is written belongs to this boot, whatever its time says. */
  becomeLive(): void;
  /** After this nothing is given any more. */
  close(): void;
  /** Reads what was written to the log since the last time. Never rejects. */
  drain(name: string): Promise<void>;
  all(): readonly FollowedLog<Parser>[];
  /**
   * Gives what stands in a log, with where to go on (undefined: not yet known). What an unknown log says about
   * the time before `since` is passed over.
   */
  tell(log: FollowedLog<Parser>, said: Observation, position: FilePosition | undefined): void;
  give(observation: Observation): void;
  tellGap(detail: string, resume?: ResumePoint): void;
}

/**
 * Makes the follower of the logs in `directory`.
 *
 * - `key`: what a log's resume point is called, before its name.
 * - `since`: when this boot began (UTC epoch milliseconds, less some slack); undefined: all that is there is read.
 * - `makeParser`: what reads one log; `stored` is what `remember` gave when the position was stored.
 * - `line`: takes the next line of a log.
 * - `ended`: the log goes on in another file, or is gone.
 */
export function createFollowedLogs<Parser>(options: {
  readonly source: "domain-logs" | "libvirtd-log";
  readonly key: string;
  readonly directory: string;
  readonly clock: Clock;
  readonly bootId: BootId;
  readonly since: number | undefined;
  readonly maxBacklogBytes: number | undefined;
  readonly keeper: HealthKeeper;
  readonly makeParser: (name: string, stored: StoredLog | undefined) => Parser;
  readonly remember?: (parser: Parser) => object;
  readonly line: (log: FollowedLog<Parser>, line: FollowedLine) => void;
  readonly ended?: (log: FollowedLog<Parser>) => void;
}): FollowedLogs<Parser> {
  const { source, directory, clock, bootId, since, keeper, ended } = options;
  const logs = new Map<string, FollowedLog<Parser>>();
  let sink: ObservationSink = () => {};
  let stored: ResumePoints = new Map();
  let closed = false;
  let live = false;

  const keyOf = (name: string) => `${options.key}:${name}`;

  function follow(name: string): FollowedLog<Parser> {
    const resume = readResume(stored.get(keyOf(name)));
    const log: FollowedLog<Parser> = {
      name,
      follower: createFileFollower({
        path: join(directory, name),
        position: resume?.position,
        since: live ? undefined : since,
        ...(options.maxBacklogBytes === undefined ? {} : { maxBacklogBytes: options.maxBacklogBytes }),
      }),
      parser: options.makeParser(name, resume?.stored),
      fresh: resume === undefined,
      sameBoot: resume === undefined || resume.stored.boot === bootId,
      problem: undefined,
    };
    logs.set(name, log);
    return log;
  }

  function resumeAt(log: FollowedLog<Parser>, position: FilePosition): ResumePoint {
    const value = { boot: bootId, ...options.remember?.(log.parser), position };
    return { key: keyOf(log.name), value: JSON.stringify(value) };
  }

  function give(observation: Observation): void {
    if (closed) return;
    keeper.observed(observation.at);
    sink(observation);
  }

  function tellGap(detail: string, resume?: ResumePoint): void {
    const at = clock.now();
    give({
      kind: "gap",
      source,
      at,
      exactTime: false,
      bootId,
      identity: `gap:${bootId}:${at}:${detail}`,
      lost: undefined,
      detail,
      ...(resume === undefined ? {} : { resume }),
    });
  }

  return {
    open(to, resume) {
      sink = to;
      stored = resume;
    },
    becomeLive() {
      live = true;
    },
    close() {
      closed = true;
      for (const { follower } of logs.values()) follower.stop();
    },
    async drain(name) {
      const log = logs.get(name) ?? follow(name);
      const result = await log.follower.drain({
        line(line) {
          if (line.cut) keeper.skipped(1);
          options.line(log, line);
        },
        skipped: ({ bytes, position }) =>
          tellGap(
            `${bytes} bytes in the middle of ${name} passed over: only its end is read`,
            resumeAt(log, position),
          ),
        replaced: ({ unread, offset }) => {
          if (!unread || !log.sameBoot) return;
          tellGap(`${name} was replaced; what was written to it after byte ${offset} is lost`);
        },
        nextFile: () => ended?.(log),
      });
      log.problem = result.state === "unreadable" ? result.why : undefined;
      if (result.state !== "absent") return;
      ended?.(log);
      logs.delete(name);
    },
    all: () => [...logs.values()],
    tell(log, said, position) {
      // At start an unknown log may reach back years; a known one goes on where it stopped, whichever boot that
      // was, and what is written now belongs to now, even when the clock is set back by years.
      if (log.fresh && !live && since !== undefined && said.at < since) return;
      const isOfThisBoot = live || (since !== undefined && said.at >= since);
      give({
        ...said,
        ...(isOfThisBoot ? { bootId } : {}),
        ...(position === undefined ? {} : { resume: resumeAt(log, position) }),
      });
    },
    give,
    tellGap,
  };
}

/** The logs that cannot be read, each with the reason. */
export function problemsOf(logs: readonly FollowedLog<unknown>[]): readonly string[] {
  return logs.flatMap(({ name, problem }) => (problem === undefined ? [] : [`${name}: ${problem}`]));
}

/** The state of a source that follows its logs; parts that say nothing are left out. */
export function liveState(parts: readonly string[]): SourceState {
  return { state: "live", detail: parts.filter((part) => part !== "").join("; ") };
}

function readResume(
  value: string | undefined,
): { readonly position: FilePosition; readonly stored: StoredLog } | undefined {
  try {
    const stored = JSON.parse(value ?? "null") as StoredLog | null;
    const position = readPosition(stored?.position);
    return stored === null || position === undefined ? undefined : { position, stored };
  } catch {
    return undefined;
  }
}
