import { minimumImportance, path, secret, webAddress, yesNo } from "../../settings/value-kinds.ts";
import type { Channel } from "../channel.ts";
import { type HttpSettings, postJson } from "../http.ts";
import { renderNtfy } from "../render.ts";
import { channelKind } from "./kind.ts";

export const ntfy = channelKind({
  name: "ntfy",
  title: "ntfy",
  settings: {
    NOTIFY_NTFY: yesNo(false, "Publish to an ntfy topic."),
    NTFY_MINIMUM_IMPORTANCE: minimumImportance("is published to ntfy"),
    NTFY_URL: webAddress("Server and topic, e.g. https://ntfy.sh/your-secret-topic"),
    NTFY_TOKEN: secret("Access token, where the topic needs one."),
    NTFY_TOKEN_FILE: path("", "A file with the access token, instead of NTFY_TOKEN."),
  },
  labels: {
    NOTIFY_NTFY: "Use it",
    NTFY_MINIMUM_IMPORTANCE: "From which importance",
    NTFY_URL: "Server and topic",
    NTFY_TOKEN: "Access token",
    NTFY_TOKEN_FILE: "File with the access token",
  },
  secretFiles: [{ key: "NTFY_TOKEN", file: "NTFY_TOKEN_FILE" }],
  needs: "NTFY_URL",
  isOn: ({ NOTIFY_NTFY, NTFY_URL }) => NOTIFY_NTFY && NTFY_URL !== undefined,
  minimum: (settings) => settings.NTFY_MINIMUM_IMPORTANCE,
  create: ({ NTFY_URL, NTFY_TOKEN }, { http }) =>
    NTFY_URL === undefined ? undefined : createNtfyChannel({ topicUrl: NTFY_URL, token: NTFY_TOKEN, http }),
});

/**
 * Publishes to an ntfy topic. `topicUrl` is server and topic together (`https://ntfy.sh/topic`, the server may live
 * below a path). Published as JSON, for titles in headers could hold only ASCII.
 */
export function createNtfyChannel(options: {
  readonly topicUrl: URL;
  readonly token: string | undefined;
  readonly http: HttpSettings;
}): Channel {
  const { server, topic } = splitTopic(options.topicUrl);
  const headers: Record<string, string> =
    options.token === undefined ? {} : { authorization: `Bearer ${options.token}` };
  return {
    name: "ntfy",
    timeLimitMs: options.http.timeoutMs,
    send: (message, signal) =>
      postJson({ url: server, body: renderNtfy(message, topic), headers }, options.http, signal, notNtfy),
  };
}

/** The last part of the path is the topic; the rest is the server. */
function splitTopic(topicUrl: URL): { readonly server: URL; readonly topic: string } {
  const parts = topicUrl.pathname.split("/").filter((part) => part !== "");
  const topic = parts.pop() ?? "";
  const server = new URL(topicUrl);
  server.pathname = parts.length === 0 ? "/" : `/${parts.join("/")}`;
  server.search = "";
  server.hash = "";
  return { server, topic };
}

/** Many a server answers 200 to anything; ntfy gives back the message with its id. */
function notNtfy(body: string): string | undefined {
  return hasId(body) ? undefined : "not as an ntfy server does; check the address";
}

/** Whether a text is a JSON object with an `id`. */
export function hasId(body: string): boolean {
  try {
    const answer: unknown = JSON.parse(body);
    return typeof answer === "object" && answer !== null && "id" in answer;
  } catch {
    return false;
  }
}
