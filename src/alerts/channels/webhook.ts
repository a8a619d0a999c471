import type { Channel } from "../channel.ts";
import { type HttpSettings, postJson } from "../http.ts";
import type { AlertMessage } from "../message.ts";
import { renderDiscord, renderGotify, renderJson, renderSlack } from "../render.ts";
import { hasId } from "./ntfy.ts";

export type WebhookShape = "json" | "discord" | "slack" | "gotify";

interface Shape {
  readonly render: (message: AlertMessage) => unknown;
  readonly authorization: (token: string) => Readonly<Record<string, string>>;
  /** What is wrong with the text of a 2xx answer, if anything. */
  readonly check?: (body: string) => string | undefined;
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

const SHAPES: Readonly<Record<WebhookShape, Shape>> = {
  json: { render: renderJson, authorization: bearer },
  discord: { render: renderDiscord, authorization: bearer },
  slack: { render: renderSlack, authorization: bearer },
  gotify: {
    render: renderGotify,
    authorization: (token) => ({ "x-gotify-key": token }),
    // Its web page answers 200 to anything below another path than /message.
    check: (body) =>
      hasId(body) ? undefined : "not as a Gotify server does; the address has to end in /message",
  },
};

/** Posts to a webhook in the form that the other side understands. */
export function createWebhookChannel(options: {
  readonly url: URL;
  readonly shape: WebhookShape;
  readonly token: string | undefined;
  readonly http: HttpSettings;
}): Channel {
  const { url, token, http } = options;
  const { render, authorization, check } = SHAPES[options.shape];
  const headers = token === undefined ? {} : authorization(token);
  return {
    name: "webhook",
    timeLimitMs: http.timeoutMs,
    send: (message, signal) => postJson({ url, body: render(message), headers }, http, signal, check),
  };
}
