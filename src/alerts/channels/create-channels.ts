import type { Clock } from "../../clock.ts";
import type { Config } from "../../config.ts";
import type { HostPaths } from "../../host-paths.ts";
import type { AlertLog, Channel } from "../channel.ts";
import type { HttpSettings } from "../http.ts";
import { type ChannelName, enabledChannels } from "../policy.ts";
import type { Environment } from "../proxy.ts";
import { createCommandChannel } from "./command.ts";
import { createLogChannel } from "./log.ts";
import { createNtfyChannel } from "./ntfy.ts";
import { createUnraidChannel } from "./unraid.ts";
import { createWebhookChannel } from "./webhook.ts";

/** What channels need besides their settings. */
export interface ChannelSurroundings {
  readonly host: HostPaths;
  readonly clock: Clock;
  readonly log: AlertLog;
  readonly environment: Environment;
}

/** The channels that are switched on and have what they need. */
export function createChannels(
  config: Config,
  unraid: boolean,
  surroundings: ChannelSurroundings,
): readonly Channel[] {
  return enabledChannels(config, unraid)
    .map((name) => createChannel(name, config, surroundings))
    .filter((channel) => channel !== undefined);
}

/** One channel as the settings describe it, whether it is switched on or not; undefined where it lacks something. */
export function createChannel(
  name: ChannelName,
  config: Config,
  { host, clock, log, environment }: ChannelSurroundings,
): Channel | undefined {
  const http: HttpSettings = {
    timeoutMs: config.HTTP_TIMEOUT_SECONDS * 1000,
    proxy: config.HTTP_PROXY,
    environment,
    clock,
  };
  switch (name) {
    case "log":
      return createLogChannel(log);
    case "unraid":
      return createUnraidChannel({
        script: config.UNRAID_NOTIFY_SCRIPT,
        link: config.UNRAID_LINK,
        timeLimitMs: config.UNRAID_TIMEOUT_SECONDS * 1000,
        host,
        clock,
      });
    case "ntfy":
      if (config.NTFY_URL === undefined) return undefined;
      return createNtfyChannel({ topicUrl: config.NTFY_URL, token: config.NTFY_TOKEN, http });
    case "webhook":
      if (config.WEBHOOK_URL === undefined) return undefined;
      return createWebhookChannel({
        url: config.WEBHOOK_URL,
        shape: config.WEBHOOK_SHAPE,
        token: config.WEBHOOK_TOKEN,
        http,
      });
    case "command":
      if (config.COMMAND === undefined) return undefined;
      return createCommandChannel({
        argv: config.COMMAND,
        timeLimitMs: config.COMMAND_TIMEOUT_SECONDS * 1000,
        clock,
      });
  }
}
