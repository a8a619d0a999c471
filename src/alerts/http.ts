import type { Clock } from "../clock.ts";
import type { SendResult } from "./channel.ts";
import { basic, type HttpAnswer, LONGEST_ANSWER, ProxyRefusal, type Transport } from "./http-transport.ts";
import { type Environment, proxyFor } from "./proxy.ts";

/** A JSON document on its way to a server. */
export interface HttpPost {
  readonly url: URL;
  readonly body: unknown;
  /** Without those that every request has; may hold secrets. */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface HttpSettings {
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** A configured proxy; without it the environment decides. */
  readonly proxy: URL | undefined;
  readonly environment: Environment;
}

const MOST_REDIRECTS = 3;

/**
 * Posts JSON within the time limit and judges the answer. Redirects are followed only where they keep method, scheme
 * and server (307 and 308 on the same origin): anything else would carry the alert and its secrets elsewhere. Errors
 * name the server and a status, never the path, a header or the answer's text, for those may hold secrets.
 */
export async function postJson(
  post: HttpPost,
  settings: HttpSettings,
  signal: AbortSignal,
  /** What is wrong with the text of a 2xx answer, if anything. */
  check: (body: string) => string | undefined = () => undefined,
): Promise<SendResult> {
  const { url, authorization } = withoutUser(post.url);
  const headers = {
    "content-type": "application/json; charset=utf-8",
    "user-agent": "vfio-watch",
    ...authorization,
    ...post.headers,
  };
  const limit = new AbortController();
  const cancelLimit = settings.clock.after(settings.timeoutMs, () => limit.abort());
  const ended = AbortSignal.any([signal, limit.signal]);
  let target = url;
  try {
    for (let redirects = 0; redirects <= MOST_REDIRECTS; redirects++) {
      const transport = await transportFor(target, settings);
      const answer = await transport({ url: target, headers, body: JSON.stringify(post.body) }, ended);
      if (answer.status < 300 || answer.status >= 400)
        return judge(answer, url.host, check, settings.clock.now());
      const next = redirected(answer, target);
      if (typeof next === "string") return { delivered: false, error: next, needsPerson: true };
      target = next;
    }
    return { delivered: false, error: `${url.host} redirects without end`, needsPerson: true };
  } catch (error) {
    const timedOut = limit.signal.aborted && !signal.aborted;
    const why = timedOut ? `did not answer within ${settings.timeoutMs / 1000} s` : failureOf(error);
    return { delivered: false, error: `${url.host} ${why}` };
  } finally {
    cancelLimit();
  }
}

/** Loaded when first needed: the parts of the runtime that speak HTTP cost memory. */
async function transportFor(target: URL, settings: HttpSettings): Promise<Transport> {
  const proxy = proxyFor(target, settings.proxy, settings.environment);
  if (proxy === undefined) return direct;
  const { throughProxy } = await import("./http-proxy.ts");
  return throughProxy(proxy);
}

const direct: Transport = async ({ url, headers, body }, signal) => {
  const response = await fetch(url, { method: "POST", headers, body, signal, redirect: "manual" });
  return {
    status: response.status,
    location: response.headers.get("location") ?? undefined,
    retryAfter: response.headers.get("retry-after") ?? undefined,
    body: await boundedText(response.body),
  };
};

async function boundedText(stream: AsyncIterable<Uint8Array> | null): Promise<string> {
  if (stream === null) return "";
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of stream) {
    chunks.push(chunk);
    length += chunk.length;
    if (length >= LONGEST_ANSWER) break;
  }
  return Buffer.concat(chunks).subarray(0, LONGEST_ANSWER).toString("utf8");
}

function judge(
  answer: HttpAnswer,
  host: string,
  check: (body: string) => string | undefined,
  now: number,
): SendResult {
  const { status } = answer;
  if (status >= 200 && status < 300) {
    const problem = check(answer.body);
    if (problem === undefined) return { delivered: true };
    return { delivered: false, error: `${host} answered ${status}, but ${problem}`, needsPerson: true };
  }
  const retryAfterMs = readRetryAfter(answer.retryAfter, now);
  const temporary = status >= 500 || status === 408 || status === 425 || status === 429;
  return {
    delivered: false,
    error: `${host} answered ${status}${MEANINGS[status] ?? ""}`,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    ...(!temporary && { needsPerson: true }),
  };
}

const MEANINGS: Readonly<Record<number, string>> = {
  400: " (it does not understand the message; check the shape)",
  401: " (check the token)",
  403: " (check the token and what it may do)",
  404: " (check the address)",
  405: " (check the address)",
  407: " (the proxy wants a user and a password)",
  413: " (the message is too large for it)",
  429: " (too many messages)",
};

/** Reads `Retry-After` (seconds or a date) into milliseconds; undefined where it says nothing usable. */
export function readRetryAfter(value: string | undefined, now: number): number | undefined {
  if (value === undefined) return undefined;
  const text = value.trim();
  // Discord sends fractions.
  if (/^\d{1,9}(\.\d{1,6})?$/.test(text)) return Math.ceil(Number(text) * 1000);
  const at = /^[A-Za-z]{3},? /.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}

function redirected(answer: HttpAnswer, from: URL): URL | string {
  const to =
    answer.location !== undefined && URL.canParse(answer.location, from.href)
      ? new URL(answer.location, from)
      : undefined;
  if (to === undefined) return `${from.host} answered ${answer.status} without an address`;
  if (to.origin !== from.origin) {
    return `${from.host} redirects to ${to.origin}; if that is right, put that address into the settings`;
  }
  if (answer.status !== 307 && answer.status !== 308) {
    return `${from.host} redirects to another of its pages (${answer.status}); check the address`;
  }
  return withoutUser(to).url;
}

/** User and password of an address become a header, for fetch refuses such addresses. */
function withoutUser(url: URL): { readonly url: URL; readonly authorization: Record<string, string> } {
  if (url.username === "" && url.password === "") return { url, authorization: {} };
  const bare = new URL(url);
  bare.username = "";
  bare.password = "";
  return { url: bare, authorization: { authorization: basic(url) } };
}

const CODES: Readonly<Record<string, string>> = {
  ECONNREFUSED: "refused the connection",
  ECONNRESET: "broke the connection off",
  ENOTFOUND: "is not known to the name server",
  EAI_AGAIN: "could not be looked up, the name server does not answer",
  EHOSTUNREACH: "cannot be reached",
  ENETUNREACH: "cannot be reached",
  ETIMEDOUT: "cannot be reached",
  UND_ERR_CONNECT_TIMEOUT: "cannot be reached",
  UND_ERR_SOCKET: "broke the connection off",
  DEPTH_ZERO_SELF_SIGNED_CERT: "has a certificate that it signed itself",
  SELF_SIGNED_CERT_IN_CHAIN: "has a certificate that nobody known has signed",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "has a certificate that nobody known has signed",
  CERT_HAS_EXPIRED: "has a certificate that has expired",
  ERR_SSL_WRONG_VERSION_NUMBER: "does not speak TLS there; check http and https in the address",
  ERR_SSL_PACKET_LENGTH_TOO_LONG: "does not speak TLS there; check http and https in the address",
  ERR_TLS_CERT_ALTNAME_INVALID: "has a certificate for another name",
};

/** What went wrong, from error codes alone: messages of errors may quote what was sent. */
function failureOf(error: unknown): string {
  for (let cause = error, depth = 0; cause instanceof Error && depth < 5; cause = cause.cause, depth++) {
    if (cause.name === "AbortError") return "was not waited for";
    if ("code" in cause && typeof cause.code === "string" && /^[A-Z0-9_]{2,60}$/.test(cause.code)) {
      return CODES[cause.code] ?? `could not be used (${cause.code})`;
    }
    if (cause instanceof ProxyRefusal) return `cannot be reached, the proxy answered ${cause.status}`;
  }
  return "did not answer in a way that can be read";
}
