import { command } from "./command.ts";
import { log } from "./log.ts";
import { mail } from "./mail.ts";
import { mqtt } from "./mqtt.ts";
import { ntfy } from "./ntfy.ts";
import { unraid } from "./unraid.ts";
import { webhook } from "./webhook.ts";

/** Every way to reach people, in the order in which they are shown. */
export const CHANNELS = [log, unraid, mail, ntfy, webhook, mqtt, command] as const;

export type ChannelName = (typeof CHANNELS)[number]["name"];

export const CHANNEL_NAMES: readonly ChannelName[] = CHANNELS.map(({ name }) => name);
