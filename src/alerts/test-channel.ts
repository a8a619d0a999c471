import type { SendResult } from "./channel.ts";
import type { ChannelName } from "./channels/all.ts";
import { createChannel } from "./channels/create-channels.ts";
import type { ChannelSurroundings } from "./channels/kind.ts";
import { composeTest } from "./compose.ts";
import { incidentId } from "./incident-policy.ts";
import type { AlertConfig } from "./settings.ts";

/**
 * Sends one test alert through a channel now, past outbox, quiet hours and minimum importance, whether the channel is
 * switched on or not: `vfio-watch alerts test CHANNEL`.
 */
export async function testChannel(
  name: ChannelName,
  config: AlertConfig,
  surroundings: ChannelSurroundings,
): Promise<SendResult> {
  const channel = createChannel(name, config, surroundings);
  if ("lacks" in channel)
    return { delivered: false, error: `${channel.lacks} is not set in the settings`, needsPerson: true };
  const now = surroundings.clock.now();
  const message = {
    incidentId: incidentId(`test ${name}`, now),
    deliveryId: 0,
    host: surroundings.hostName,
    createdAt: now,
    content: composeTest(name),
  };
  return channel.send(message, new AbortController().signal);
}
