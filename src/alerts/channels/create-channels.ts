import type { Channel } from "../channel.ts";
import type { AlertConfig } from "../settings.ts";
import { CHANNELS, type ChannelName } from "./all.ts";
import type { AlertPlace, ChannelSurroundings } from "./kind.ts";

/** The channels that are switched on and have what they need. */
export function createChannels(
  config: AlertConfig,
  place: AlertPlace,
  surroundings: ChannelSurroundings,
): readonly Channel[] {
  return CHANNELS.filter((kind) => kind.isOn(config, place))
    .map((kind) => kind.create(config, surroundings))
    .filter((channel) => channel !== undefined);
}

/** One channel as the settings describe it, whether it is switched on or not; a text says what it lacks. */
export function createChannel(
  name: ChannelName,
  config: AlertConfig,
  surroundings: ChannelSurroundings,
): Channel | { readonly lacks: string } {
  const kind = CHANNELS.find((known) => known.name === name);
  return kind?.create(config, surroundings) ?? { lacks: kind?.needs ?? "such a channel" };
}
