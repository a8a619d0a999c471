import { connectAsync } from "mqtt";
import type { SendResult } from "../channel.ts";

export interface MqttMessage {
  readonly topic: string;
  readonly payload: string;
  readonly retain: boolean;
}

/** Messages for one broker, as the child gets them. */
export interface MqttJob {
  /** `mqtt://host:port` or `mqtts://…`. */
  readonly broker: string;
  readonly credentials?: { readonly user: string; readonly password: string };
  readonly timeLimitMs: number;
  readonly messages: readonly MqttMessage[];
}

/**
 * Connects, publishes all messages with an acknowledgement for each (QoS 1), and leaves. In a child, because the library
 * stays in memory once it is loaded and a held connection would cost the idle service.
 */
export async function publish(job: MqttJob): Promise<SendResult> {
  const { broker, credentials, timeLimitMs, messages } = job;
  const place = new URL(broker).host;
  try {
    const client = await connectAsync(
      broker,
      {
        clean: true,
        connectTimeout: timeLimitMs,
        reconnectPeriod: 0,
        clientId: `vfio-watch-${process.pid}`,
        ...(credentials !== undefined && { username: credentials.user, password: credentials.password }),
      },
      false,
    );
    try {
      for (const { topic, payload, retain } of messages)
        await client.publishAsync(topic, payload, { qos: 1, retain });
    } finally {
      await client.endAsync();
    }
    return { delivered: true };
  } catch (error) {
    const { code, message } = error as { readonly code?: number | string; readonly message?: string };
    // Connect return codes 4 and 5, and MQTT 5's 134 and 135: user or password, not authorized.
    const needsPerson = code === 4 || code === 5 || code === 134 || code === 135;
    return {
      delivered: false,
      error: `${place}: ${(message ?? String(error)).slice(0, 200)}`,
      ...(needsPerson && { needsPerson: true }),
    };
  }
}
