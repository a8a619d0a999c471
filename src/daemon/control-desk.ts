import { realpathSync } from "node:fs";
import { resolve } from "node:path";
import type { SendResult } from "../alerts/channel.ts";
import type { ChannelName } from "../alerts/channels/all.ts";
import { decide } from "../alerts/people.ts";
import type { Clock } from "../clock.ts";
import { type ControlHandlers, type ControlServer, createControlServer } from "../control/server.ts";
import type { Store } from "../store/store.ts";
import type { ServiceLog } from "./log.ts";
import { runtimeDirectory } from "./runtime-state.ts";
import type { StartAnswers } from "./start-answers.ts";

/** The control socket of the service, with what it answers. */
export function createControlDesk(options: {
  readonly environment: NodeJS.ProcessEnv;
  readonly clock: Clock;
  readonly log: ServiceLog;
  readonly store: Store;
  readonly version: string;
  readonly startedAt: number;
  readonly testChannel: (channel: ChannelName) => Promise<SendResult>;
  readonly startAnswers: StartAnswers;
  /** People have decided something, so that deliveries may be due or not any more. */
  readonly onDecision: () => void;
  /** While older material is taken in, nothing else tidies the history up. */
  readonly onImport: (isUnderWay: boolean) => void;
  readonly onFault: (doing: string, error: unknown) => void;
}): ControlServer {
  const { clock, log, store } = options;
  const { version, startedAt } = options;
  let isImporting = false;

  const handlers: ControlHandlers = {
    status: () => ({ answer: { version, pid: process.pid, startedAt } }),
    async "test-channel"({ channel }) {
      return { answer: await options.testChannel(channel) };
    },
    acknowledge({ incident }) {
      const answer = decide(store, incident, { kind: "acknowledge" }, clock.now());
      options.onDecision();
      return { answer };
    },
    silence({ incident, forMs }) {
      const now = clock.now();
      const answer = decide(store, incident, { kind: "silence", until: now + forMs }, now);
      options.onDecision();
      return { answer };
    },
    async start({ vm, since, waitMs }) {
      return { answer: await options.startAnswers.ask(vm, since, waitMs) };
    },
    async watch(_request, { progress, ended }) {
      let lines = 0;
      progress("");
      const stop = log.follow?.((line) => {
        lines += 1;
        progress(JSON.stringify(line));
      });
      await aborted(ended);
      stop?.();
      return { answer: { lines } };
    },
    async import(_request, { progress, ended }) {
      if (isImporting)
        return { reason: "busy", why: "Another import is under way.", remedy: "Wait for its end." };
      const begunAt = clock.now();
      isImporting = true;
      options.onImport(true);
      log.info("older material is taken in beside the service");
      progress("You may begin.");
      await aborted(ended);
      isImporting = false;
      options.onImport(false);
      const tookMs = clock.now() - begunAt;
      log.info(`the import has ended after ${(tookMs / 1000).toFixed(1)} s`);
      return { answer: { tookMs } };
    },
  };

  return createControlServer({
    directory: runtimeDirectory(options.environment),
    clock,
    handlers,
    isOurs: (history) => realPath(history) === realPath(store.path),
    onFault: options.onFault,
  });
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    if (signal.aborted) done();
    else signal.addEventListener("abort", () => done(), { once: true });
  });
}

/** Two names of one file are one history. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return resolve(path);
  }
}
