import type { Channel } from "../channel.ts";
import { type HttpSettings, postJson } from "../http.ts";
import { renderNtfy } from "../render.ts";

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
