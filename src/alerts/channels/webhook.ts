import { choice, minimumImportance, path, secret, webAddress, yesNo } from "../../settings/value-kinds.ts";
import type { Channel } from "../channel.ts";
import { type HttpSettings, postJson } from "../http.ts";
import type { AlertMessage } from "../message.ts";
import { renderDiscord, renderGotify, renderJson, renderSlack } from "../render.ts";
import { channelKind } from "./kind.ts";
import { hasId } from "./ntfy.ts";

export const webhook = channelKind({
  name: "webhook",
  title: "Webhook",
  settings: {
    NOTIFY_WEBHOOK: yesNo(false, "Post to a webhook."),
    WEBHOOK_MINIMUM_IMPORTANCE: minimumImportance("is posted to the webhook"),
    WEBHOOK_SHAPE: choice(
      "json",
      ["json", "discord", "slack", "gotify"],
      "What is posted: the alert as JSON, or what Discord, Slack or Gotify understand.",
    ),
    WEBHOOK_URL: webAddress("Where to post. For Gotify the server's address that ends in /message"),
    WEBHOOK_URL_FILE: path("", "A file with the address, instead of WEBHOOK_URL."),
    WEBHOOK_TOKEN: secret("Sent as a bearer token, or as X-Gotify-Key for Gotify."),
    WEBHOOK_TOKEN_FILE: path("", "A file with the token, instead of WEBHOOK_TOKEN."),
  },
  labels: {
    NOTIFY_WEBHOOK: "Use it",
    WEBHOOK_MINIMUM_IMPORTANCE: "From which importance",
    WEBHOOK_SHAPE: "Made for",
    WEBHOOK_URL: "Address",
    WEBHOOK_URL_FILE: "File with the address",
    WEBHOOK_TOKEN: "Token",
    WEBHOOK_TOKEN_FILE: "File with the token",
  },
  secretFiles: [
    { key: "WEBHOOK_URL", file: "WEBHOOK_URL_FILE" },
    { key: "WEBHOOK_TOKEN", file: "WEBHOOK_TOKEN_FILE" },
  ],
  needs: "WEBHOOK_URL",
  isOn: ({ NOTIFY_WEBHOOK, WEBHOOK_URL }) => NOTIFY_WEBHOOK && WEBHOOK_URL !== undefined,
  minimum: (settings) => settings.WEBHOOK_MINIMUM_IMPORTANCE,
  create: ({ WEBHOOK_URL, WEBHOOK_SHAPE, WEBHOOK_TOKEN }, { http }) =>
    WEBHOOK_URL === undefined
      ? undefined
      : createWebhookChannel({ url: WEBHOOK_URL, shape: WEBHOOK_SHAPE, token: WEBHOOK_TOKEN, http }),
});

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
