import { type Alerter, createAlerter } from "../alerts/alerter.ts";
import { createChannels } from "../alerts/channels/create-channels.ts";
import { composeTrouble } from "../alerts/compose.ts";
import { createDelivery, type DeliverySettings } from "../alerts/delivery.ts";
import { incidentKey } from "../alerts/incident-policy.ts";
import { alertPolicy, notBefore } from "../alerts/policy.ts";
import type { Clock } from "../clock.ts";
import type { Config } from "../config.ts";
import type { HostPaths } from "../host-paths.ts";
import type { BootId } from "../model/identifiers.ts";
import type { Store, StoreTrouble } from "../store/store.ts";
import type { ServiceLog } from "./log.ts";

const HOUR = 3_600_000;

/** Incidents, outbox and channels of one run. */
export interface AlertDesk {
  readonly alerter: Alerter;
  start(): void;
  /** Something was queued. */
  nudge(): void;
  /** The watcher's own trouble: logged, and told once while it lasts. */
  trouble(topic: string, subject: string, why: string, remedy?: string): void;
  /** A trouble has passed. */
  resolved(topic: string): void;
  storeTrouble(problem: StoreTrouble): void;
  reconfigure(): void;
  stop(): Promise<void>;
}

/** Makes the desk; `config` is asked at each use, so that changed settings are in force at once. */
export function createAlertDesk(options: {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: ServiceLog;
  readonly config: () => Config;
  readonly unraid: boolean;
  readonly paths: HostPaths;
  readonly environment: NodeJS.ProcessEnv;
  readonly hostName: string;
  readonly bootId: BootId;
}): AlertDesk {
  const { store, clock, log, config, unraid, bootId } = options;
  const policy = () => alertPolicy(config(), unraid);
  const alerter = createAlerter({ store: store.alerts, clock, policy });
  const channels = () =>
    createChannels(config(), unraid, { host: options.paths, clock, log, environment: options.environment });
  const settings = (): DeliverySettings => ({
    giveUpAfterMs: config().ALERT_GIVE_UP_HOURS * HOUR,
    host: config().HOST_NAME || options.hostName,
    notBefore: (channel, delivery, at) => notBefore(policy(), channel, delivery.content.importance, at),
  });

  const topics = new Map<string, string>();
  function trouble(
    topic: string,
    subject: string,
    why: string,
    remedy?: string,
    exceptChannel?: string,
  ): void {
    log.warn(`${subject}: ${why}`);
    const content = composeTrouble({ subject, why, ...(remedy !== undefined && { remedy }) });
    const key = incidentKey(content, topic);
    topics.set(topic, key);
    const occurrence = { key, content, at: clock.now(), bootId };
    // A history that cannot be written cannot queue its own alert; then the log line has to do.
    store.durable(() => alerter.raise(occurrence, exceptChannel === undefined ? {} : { exceptChannel }));
    delivery.nudge();
  }
  function resolved(topic: string): void {
    const key = topics.get(topic);
    if (key !== undefined && topics.delete(topic)) store.durable(() => alerter.resolved(key, clock.now()));
  }

  const delivery = createDelivery({
    store: store.alerts,
    channels: channels(),
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
    storeTrouble: (problem) =>
      trouble(`store/${problem.kind}`, "The history has a problem", problem.why, problem.remedy),
    reconfigure: () => delivery.reconfigure(channels(), settings()),
    stop: delivery.stop,
  };
}
