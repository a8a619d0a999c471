import type { Clock } from "../clock.ts";
import type { HostPaths } from "../host-paths.ts";
import type { OpenError } from "../libvirt/client.ts";
import { uuidText } from "../libvirt/events.ts";
import type { BootId } from "../model/identifiers.ts";
import type { Observation } from "../model/observation.ts";
import type { ObservationSink, Source } from "../model/source.ts";
import type { LibvirtSession, SessionReport } from "./libvirt-session.ts";
import { openLibvirtSession } from "./libvirt-session.ts";
import type { SocketWatch } from "./libvirt-sockets.ts";
import { libvirtSocketPaths, watchForSockets } from "./libvirt-sockets.ts";
import type { Trouble } from "./libvirt-trouble.ts";
import { isNothingThere, isWorthAnotherSocket, nothingThere, silence, troubleOf } from "./libvirt-trouble.ts";
import { createHealthKeeper } from "./source-state.ts";

/** libvirt's own word on its VMs. */
export type LibvirtSource = Source & Required<Pick<Source, "askState">>;

export interface LibvirtSourceOptions {
  readonly paths: HostPaths;
  readonly clock: Clock;
  readonly bootId: BootId | undefined;
  /** Unique for this run of the program within the boot; the monotonic clock in nanoseconds where not given. */
  readonly run?: string;
  /** Gives numbers from 0 to 1 for the jitter of the back-off. */
  readonly random?: () => number;
  /** How long libvirt may take for an answer, milliseconds. */
  readonly timeLimit?: number;
  /** Silence in milliseconds before a ping, and how many of them may stay unanswered. */
  readonly keepalive?: { readonly interval: number; readonly unanswered: number };
}

const FIRST_DELAY = 250;
const LONGEST_DELAY = 30_000;
/** A connection that held so long was a good one. */
const GOOD_CONNECTION = 10_000;
/** `start` waits so long for a libvirt that accepts and then says nothing. */
const START_PATIENCE = 3_000;

/** An observation without what all of them have in common. */
type Content<T = Observation> = T extends Observation
  ? Omit<T, "source" | "at" | "exactTime" | "identity" | "bootId">
  : never;

/**
 * Makes the source that follows libvirt over its own protocol. On each connection it observes `connection`, the
 * inventory of all VMs with definition and state, then events as they come. A lost connection is tried again with
 * back-off, and at once when a socket appears.
 */
export function createLibvirtSource(options: LibvirtSourceOptions): LibvirtSource {
  const { paths, clock, bootId } = options;
  const random = options.random ?? Math.random;
  const timeLimit = options.timeLimit ?? 30_000;
  const keepalive = options.keepalive ?? { interval: 30_000, unanswered: 2 };
  const run = `${bootId ?? clock.now()}:${options.run ?? process.hrtime.bigint()}`;
  const health = createHealthKeeper({ name: "libvirt", clock });

  let emit: ObservationSink = () => {};
  let isStopped = true;
  let session: LibvirtSession | undefined;
  let connectedAt = 0;
  let sockets: SocketWatch | undefined;
  let takeBackRetry = (): void => {};
  let delay = FIRST_DELAY;
  /** Connections in a row that did not hold; a libvirt that dies again and again is not asked ever faster. */
  let shortLives = 0;
  let closing = new AbortController();
  let isTrying = false;
  let isWantedAgain = false;
  let observations = 0;

  function observe(at: number, content: Content | undefined): void {
    if (isStopped || content === undefined) return;
    observations += 1;
    health.observed(at);
    emit({
      source: "libvirt",
      at,
      // libvirt's events carry no time of their own.
      exactTime: false,
      identity: `${run}:${observations}`,
      ...(bootId === undefined ? {} : { bootId }),
      ...content,
    });
  }

  /** Tries to connect, unless that is going on already. Resolves when it worked or not; never rejects. */
  async function attempt(): Promise<void> {
    isWantedAgain = isTrying;
    if (isStopped || isTrying || session !== undefined) return;
    isTrying = true;
    takeBackRetry();
    const trouble = await connectAnywhere();
    isTrying = false;
    if (isStopped || trouble === undefined) return;
    health.become({ state: "waiting", ...trouble });
    waitForNext();
  }

  function waitForNext(): void {
    if (sockets === undefined) {
      sockets = watchForSockets(paths, () => {
        // A socket may be bound and not listen yet: a refusal now is tried again soon.
        delay = FIRST_DELAY;
        void attempt();
      });
    } else sockets.rearm();
    const wait = isWantedAgain ? FIRST_DELAY : delay * (0.5 + random());
    delay = Math.min(delay * 2, LONGEST_DELAY);
    takeBackRetry();
    takeBackRetry = clock.after(wait, () => void attempt());
  }

  /** What is in the way of a connection, or undefined when there is one. */
  async function connectAnywhere(): Promise<Trouble | undefined> {
    let trouble: Trouble | undefined;
    for (const path of libvirtSocketPaths(paths)) {
      const error = await connectTo(path);
      if (error === undefined || isStopped) return undefined;
      // The first socket that is there is the one to speak of.
      if (!isNothingThere(error)) trouble ??= troubleOf(path, error);
      if (!isWorthAnotherSocket(error)) break;
    }
    return trouble ?? nothingThere;
  }

  async function connectTo(socketPath: string): Promise<OpenError | undefined> {
    const opened = await openLibvirtSession({
      socketPath,
      clock,
      timeLimit,
      keepalive,
      signal: closing.signal,
      onLost: lose,
      skipped: () => health.skipped(1),
      report(said) {
        if (said.kind === "event") observe(said.at, contentOf(said));
        else observe(said.at, { kind: "vm-state", vm: said.vm, state: said.state });
      },
    });
    if (!opened.ok) return opened.error;
    if (isStopped) {
      await opened.session.close();
      return undefined;
    }
    session = opened.session;
    connectedAt = session.listedAt;
    delay = Math.min(FIRST_DELAY * 2 ** shortLives, LONGEST_DELAY);
    sockets?.close();
    sockets = undefined;
    const detail = `libvirt ${session.version} on ${socketPath}`;
    health.become({ state: "live", detail });
    observe(connectedAt, { kind: "connection", state: "connected", detail });
    observe(connectedAt, { kind: "vm-inventory", vms: session.vms });
    session.begin();
    return undefined;
  }

  function lose(why: string): void {
    session = undefined;
    if (isStopped) return;
    const now = clock.now();
    shortLives = now - connectedAt >= GOOD_CONNECTION ? 0 : shortLives + 1;
    observe(now, { kind: "connection", state: "lost", detail: why });
    health.become({
      state: "waiting",
      why: `the connection to libvirt is lost: ${why}`,
      remedy: "tried again by itself",
    });
    waitForNext();
  }

  return {
    name: "libvirt",
    async start(sink) {
      emit = sink;
      isStopped = false;
      closing = new AbortController();
      let takeBackPatience = (): void => {};
      const patience = new Promise<void>((resolve) => {
        takeBackPatience = clock.after(START_PATIENCE, () => {
          if (!isStopped) health.become({ state: "waiting", ...silence });
          resolve();
        });
      });
      await Promise.race([attempt(), patience]);
      takeBackPatience();
    },
    async stop() {
      isStopped = true;
      takeBackRetry();
      sockets?.close();
      sockets = undefined;
      const last = session;
      session = undefined;
      await last?.close();
      closing.abort();
      health.become({ state: "stopped" });
    },
    health: () => health.health(),
    askState: (vm) => session?.askState(vm),
  };
}

type SessionEvent = Extract<SessionReport, { kind: "event" }>;

const DEVICE_CHANGES = {
  "device-added": "added",
  "device-removed": "removed",
  "device-removal-failed": "removal-failed",
} as const;

function contentOf({ event, definition, running }: SessionEvent): Content | undefined {
  switch (event.kind) {
    case "lifecycle":
      return {
        kind: "vm-lifecycle",
        vm: event.domain.name,
        event: event.event,
        detail: event.detail,
        uuid: uuidText(event.domain.uuid),
        ...(definition === undefined ? {} : { definition }),
        ...(running === undefined ? {} : { running }),
      };
    case "control-error":
      return { kind: "vm-control-error", vm: event.domain.name };
    case "reboot":
      return { kind: "vm-reboot", vm: event.domain.name };
    case "device-added":
    case "device-removed":
    case "device-removal-failed":
      return {
        kind: "vm-device",
        vm: event.domain.name,
        change: DEVICE_CHANGES[event.kind],
        alias: event.alias,
        ...(running === undefined ? {} : { running }),
      };
    case "connection-closed":
      return undefined;
  }
}
