import { type Alerter, createAlerter } from "../alerts/alerter.ts";
import type { SendResult } from "../alerts/channel.ts";
import type { ChannelName } from "../alerts/channels/all.ts";
import { createChannels } from "../alerts/channels/create-channels.ts";
import type { AlertPlace } from "../alerts/channels/kind.ts";
import { channelSurroundings, vmProblems } from "../alerts/channels/surroundings.ts";
import { composeTrouble } from "../alerts/compose.ts";
import { createDelivery, type DeliverySettings } from "../alerts/delivery.ts";
import { type News, newsOf } from "../alerts/heard.ts";
import { incidentKey } from "../alerts/incident-policy.ts";
import { alertPolicy, notBefore } from "../alerts/policy.ts";
import { createDirectTeller } from "../alerts/tell-directly.ts";
import { testChannel } from "../alerts/test-channel.ts";
import type { Clock } from "../clock.ts";
import type { Config } from "../config.ts";
import type { HostPaths } from "../host-paths.ts";
import type { AlertContent } from "../model/alert.ts";
import type { BootId } from "../model/identifiers.ts";
import type { StoreTrouble, StoreTroubleKind } from "../store/refusal.ts";
import type { Store } from "../store/store.ts";
import { createHeardInBoot, heardFile } from "./heard-in-boot.ts";
import type { ServiceLog } from "./log.ts";
import { runtimeDirectory } from "./runtime-state.ts";

const HOUR = 3_600_000;
const STORE_TROUBLES: readonly StoreTroubleKind[] = [
  "quarantined",
  "beside",
  "disk-full",
  "read-only",
  "input-output",
  "damaged",
  "busy",
  "no-write-ahead-log",
];

/** Incidents, outbox and channels of one run. */
export interface AlertDesk {
  readonly alerter: Alerter;
  start(): void;
  /** Something was queued. */
  nudge(): void;
  /** The watcher's own trouble: logged, and told once while it lasts. */
  trouble(topic: string, subject: string, why: string, remedy?: string): void;
  /** A trouble has passed, whether it was told by this run or by one before. */
  resolved(topic: string): void;
  /** The history's own trouble; told past the outbox where the outbox is what fails. */
  storeTrouble(problem: StoreTrouble): void;
  /** Tells past the outbox what cannot be stored; `steady` is its moment, in milliseconds of the boot. */
  tellUnrecorded(content: AlertContent, topic: string, steady: number | undefined): void;
  /** The history, and the outbox in it, is gone: told past the outbox. */
  historyLost(why: string, remedy: string): void;
  /** Sends a test alert through a channel, whether it is switched on or not. */
  test(channel: ChannelName): Promise<SendResult>;
  /** Closes the history's troubles that are over. */
  look(): void;
  reconfigure(): void;
  stop(): Promise<void>;
}

/** Makes the desk; `config` is asked at each use, so that changed settings are in force at once. */
export function createAlertDesk(options: {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: ServiceLog;
  readonly config: () => Config;
  readonly place: AlertPlace;
  readonly paths: HostPaths;
  readonly environment: NodeJS.ProcessEnv;
  readonly hostName: string;
  readonly bootId: BootId;
  /** The history ends with this run. */
  readonly isVolatile: boolean;
}): AlertDesk {
  const { store, clock, log, config, place, bootId } = options;
  const policy = () => alertPolicy(config(), place);
  const heard = createHeardInBoot({
    ...{ bootId, clock, isVolatile: options.isVolatile },
    file: heardFile(runtimeDirectory(options.environment)),
  });
  const alerter = createAlerter({
    ...{ store: store.alerts, clock, policy, heard },
    isUnrecorded: options.isVolatile,
  });
  const surroundings = () =>
    channelSurroundings(config(), {
      ...{ host: options.paths, clock, log, environment: options.environment },
      machineName: options.hostName,
      vmProblems: problems,
    });
  const problems = () => vmProblems(store.vms.list(), store.alerts.incidents({ openOnly: true }));
  const makeChannels = () => createChannels(config(), place, surroundings());
  const settings = (): DeliverySettings => ({
    giveUpAfterMs: config().ALERT_GIVE_UP_HOURS * HOUR,
    host: config().HOST_NAME || options.hostName,
    notBefore: (channel, delivery, at) => notBefore(policy(), channel, delivery.content.importance, at),
  });
  let channels = makeChannels();
  const tellDirectly = createDirectTeller({
    channels: () => channels,
    policy,
    host: () => settings().host,
    clock,
    log,
  });
  function tellOnce(content: AlertContent, topic: string, news: News): void {
    if (heard.has(news)) return;
    heard.add(news, true);
    void tellDirectly(content, topic);
  }

  /** Kinds that may have an open incident; after a restart nobody knows, so all of them. */
  const maybeTold = new Set<StoreTroubleKind>(STORE_TROUBLES);
  const lasting = new Set<StoreTroubleKind>();

  function trouble(
    topic: string,
    subject: string,
    why: string,
    remedy?: string,
    exceptChannel?: string,
  ): void {
    log.warn(`${subject}: ${why}`);
    const content = composeTrouble({ subject, why, ...(remedy !== undefined && { remedy }) });
    const occurrence = { key: keyOf(topic), content, at: clock.now(), bootId };
    const written = store.durable(() =>
      alerter.raise(occurrence, exceptChannel === undefined ? {} : { exceptChannel }),
    );
    // A history that cannot be written cannot queue its own alert.
    if (written.state === "refused") tellOnce(content, topic, { lasts: keyOf(topic) });
    delivery.nudge();
  }

  function resolved(topic: string): void {
    heard.drop(keyOf(topic));
    store.durable(() => alerter.resolved(keyOf(topic), clock.now()));
  }

  function storeTrouble(problem: StoreTrouble): void {
    // Every write that is refused comes here; the first says it all.
    if (lasting.has(problem.kind)) return;
    lasting.add(problem.kind);
    maybeTold.add(problem.kind);
    trouble(topicOf(problem.kind), "The history has a problem", problem.why, problem.remedy);
  }

  function historyLost(why: string, remedy: string): void {
    const subject = "The history has a problem";
    log.error(`${subject}: ${why} ${remedy}`);
    void tellDirectly(composeTrouble({ subject, why, remedy }), "store/displaced");
  }

  let shown = "";

  /** Channels that show states are given them when they have changed, whether or not anybody is told. */
  function showStates(): void {
    const showing = channels.filter(({ showStates }) => showStates !== undefined);
    if (showing.length === 0) return;
    const now = JSON.stringify(problems());
    if (now === shown) return;
    shown = now;
    for (const channel of showing) {
      void channel.showStates?.(AbortSignal.timeout(channel.timeLimitMs)).then((result) => {
        if (result.delivered) return;
        log.warn(`the states of the VMs could not be shown through ${channel.name}: ${result.error}`);
        // Tried again at the next look.
        shown = "";
      });
    }
  }

  function look(): void {
    showStates();
    if (maybeTold.size === 0) return;
    const present = new Set(
      store.troubles().flatMap(({ kind, until }) => (until === undefined ? [kind] : [])),
    );
    for (const kind of maybeTold) {
      if (present.has(kind)) continue;
      maybeTold.delete(kind);
      if (lasting.delete(kind)) log.info(`the history's trouble is over: ${kind}`);
      resolved(topicOf(kind));
    }
  }

  const delivery = createDelivery({
    store: store.alerts,
    channels,
    settings: settings(),
    clock,
    log,
    random: Math.random,
    onChannelHealth(channel, error) {
      const topic = `channel/${channel}`;
      if (error === undefined) resolved(topic);
      else trouble(topic, `Alerts cannot be delivered through ${channel}`, error, undefined, channel);
    },
  });

  return {
    alerter,
    start: delivery.start,
    nudge: delivery.nudge,
    trouble,
    resolved,
    storeTrouble,
    tellUnrecorded(content, topic, steady) {
      log.warn(`${content.subject}: ${content.cause ?? ""} (not recorded: ${content.unrecorded ?? ""})`);
      tellOnce(content, topic, newsOf({ key: incidentKey(content, topic), steady, attemptId: "" }, content));
    },
    historyLost,
    test: (channel) => testChannel(channel, config(), surroundings()),
    look,
    reconfigure() {
      channels = makeChannels();
      shown = "";
      delivery.reconfigure(channels, settings());
    },
    stop() {
      heard.flush();
      return delivery.stop();
    },
  };
}

/** The same in every run, so that a trouble that passes across a restart is closed. */
function keyOf(topic: string): string {
  return incidentKey({ kind: "watcher-trouble" }, topic);
}

function topicOf(kind: StoreTroubleKind): string {
  return `store/${kind}`;
}
