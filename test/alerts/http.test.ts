import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type RequestListener, type Server } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { after, test } from "node:test";
import type { Channel } from "../../src/alerts/channel.ts";
import { createNtfyChannel } from "../../src/alerts/channels/ntfy.ts";
import { createWebhookChannel, type WebhookShape } from "../../src/alerts/channels/webhook.ts";
import { type HttpSettings, readRetryAfter } from "../../src/alerts/http.ts";
import { proxyFor } from "../../src/alerts/proxy.ts";
import { createVirtualClock } from "../../src/clock.ts";
import { failureOf, HOSTILE, messageOf, settle } from "./examples.ts";

const servers: Server[] = [];
after(() => {
  for (const server of servers) {
    server.close();
    server.closeAllConnections();
  }
});

interface Seen {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

/** A real server on this machine that remembers what it got. */
async function serve(answer: RequestListener) {
  const seen: Seen[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { method, url, headers } = request;
      seen.push({ method, url, headers, body: Buffer.concat(chunks).toString("utf8") });
      answer(request, response);
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return { server, seen, url: new URL(`http://127.0.0.1:${port}/`) };
}

const clock = createVirtualClock(Date.UTC(2026, 10, 23, 14));
const http: HttpSettings = { timeoutMs: 15_000, proxy: undefined, environment: {}, clock };
const message = messageOf(failureOf(HOSTILE));
const never = new AbortController().signal;
const send = (channel: Channel) => channel.send(message, never);

function ntfyAt(url: URL, path = "secret-topic", token = "tk_secret") {
  return createNtfyChannel({ topicUrl: new URL(path, url), token: token === "" ? undefined : token, http });
}

function webhookAt(url: URL, shape: WebhookShape = "json", more: Partial<HttpSettings> = {}) {
  return createWebhookChannel({ url, shape, token: "s3cret", http: { ...http, ...more } });
}

test("ntfy gets topic, title, text and priority as JSON, and the token as a header", async () => {
  const { seen, url } = await serve((_, response) => response.end('{"id":"x1","event":"message"}'));
  assert.deepEqual(await send(ntfyAt(url)), { delivered: true });
  const [request] = seen;
  assert.equal(`${request?.method} ${request?.url}`, "POST /");
  assert.equal(request?.headers.authorization, "Bearer tk_secret");
  const body = JSON.parse(request?.body ?? "");
  assert.deepEqual(
    [body.topic, body.priority, body.title],
    ["secret-topic", 5, `tower: '${HOSTILE}' did not start`],
  );
});

test("an ntfy server below a path, with user and password, is reached", async () => {
  const { seen, url } = await serve((_, response) => response.end('{"id":"x1"}'));
  url.username = "joe";
  url.password = "p%40ss";
  assert.deepEqual(await send(ntfyAt(url, "push/topic", "")), { delivered: true });
  assert.equal(seen[0]?.url, "/push");
  assert.equal(seen[0]?.headers.authorization, `Basic ${Buffer.from("joe:p@ss").toString("base64")}`);
});

test("a server that answers 200 with garbage is no ntfy server, and no Gotify server", async () => {
  const { url } = await serve((_, response) => response.end("<html>Welcome to nginx \u0000"));
  for (const channel of [ntfyAt(url), webhookAt(url, "gotify")]) {
    const result = await send(channel);
    assert.equal(result.delivered, false);
    assert.match(
      "error" in result ? result.error : "",
      /answered 200, but not as an? (ntfy|Gotify) server does/,
    );
  }
});

test("each webhook shape is posted as its receiver wants it", async () => {
  const { seen, url } = await serve((_, response) => response.end('{"id":1}'));
  for (const shape of ["json", "discord", "slack", "gotify"] as const) {
    assert.deepEqual(await send(webhookAt(url, shape)), { delivered: true });
  }
  const bodies = seen.map(({ body }) => JSON.parse(body));
  assert.deepEqual(
    [bodies[0].version, bodies[0].incidentId, bodies[0].deliveryId, bodies[0].vm],
    [1, "0123abcdef", 7, HOSTILE],
  );
  assert.equal(bodies[1].embeds.length, 1);
  assert.equal(bodies[2].blocks[0].text.type, "plain_text");
  assert.equal(bodies[3].priority, 9);
  assert.deepEqual(
    seen.map(({ headers }) => headers["x-gotify-key"]),
    [undefined, undefined, undefined, "s3cret"],
  );
});

test("429 with Retry-After, 500 and 401 are told apart", async () => {
  const answers: [number, Record<string, string>][] = [
    [429, { "retry-after": "17.5" }],
    [503, { "retry-after": new Date(clock.now() + 90_000).toUTCString() }],
    [500, {}],
    [401, {}],
  ];
  const { url } = await serve((_, response) => {
    const [status, headers] = answers.shift() ?? [200, {}];
    response.writeHead(status, headers).end("nonsense tk_secret");
  });
  const results = [];
  for (let count = 0; count < 4; count++) results.push(await send(ntfyAt(url)));
  const host = url.host;
  assert.deepEqual(results, [
    { delivered: false, error: `${host} answered 429 (too many messages)`, retryAfterMs: 17_500 },
    { delivered: false, error: `${host} answered 503`, retryAfterMs: 90_000 },
    { delivered: false, error: `${host} answered 500` },
    { delivered: false, error: `${host} answered 401 (check the token)`, needsPerson: true },
  ]);
});

test("a server that never answers is left after the time limit", async () => {
  const { seen, url } = await serve(() => {});
  const result = send(webhookAt(url));
  await settle(() => seen.length === 1);
  clock.moveTo(clock.now() + 15_000);
  assert.deepEqual(await result, { delivered: false, error: `${url.host} did not answer within 15 s` });
});

test("a server that answers slowly, piece by piece, is waited for within the limit and left after it", async () => {
  let finish = () => {};
  const { seen, url } = await serve((_, response) => {
    response.write('{"id"');
    finish = () => response.end(":1}");
  });
  const slow = send(ntfyAt(url));
  await settle(() => seen.length === 1);
  clock.moveTo(clock.now() + 14_000);
  finish();
  assert.deepEqual(await slow, { delivered: true });
  const tooSlow = send(ntfyAt(url));
  await settle(() => seen.length === 2);
  clock.moveTo(clock.now() + 15_000);
  assert.equal((await tooSlow).delivered, false);
});

test("a service that ends does not wait for a server", async () => {
  const { seen, url } = await serve(() => {});
  const abort = new AbortController();
  const result = webhookAt(url).send(message, abort.signal);
  await settle(() => seen.length === 1);
  abort.abort();
  assert.deepEqual(await result, { delivered: false, error: `${url.host} was not waited for` });
});

test("an endless answer is read only as far as anyone looks", async () => {
  let written = 0;
  const { url } = await serve((_, response) => {
    const block = Buffer.alloc(16 * 1024, "x");
    const more = () => {
      while (!response.destroyed && written < 64 * 1024 * 1024) {
        written += block.length;
        if (!response.write(block)) return void response.once("drain", more);
      }
      response.end();
    };
    more();
  });
  assert.deepEqual(await send(webhookAt(url)), { delivered: true });
  assert.ok(written < 16 * 1024 * 1024, `the server could write ${written} bytes`);
});

test("a connection that is broken off, or refused, or not HTTP, is a failed try with a plain reason", async () => {
  const { server, url } = await serve((request) => request.socket.destroy());
  assert.deepEqual(await send(webhookAt(url)), {
    delivered: false,
    error: `${url.host} broke the connection off`,
  });
  server.removeAllListeners("request");
  server.removeAllListeners("connection");
  server.on(
    "connection",
    (socket: Socket) => void socket.end("SSH-2.0-OpenSSH_9.9\r\n", () => socket.destroy()),
  );
  const other = await send(webhookAt(url));
  assert.equal(other.delivered, false);
  await new Promise((resolve) => server.close(resolve));
  assert.deepEqual(await send(webhookAt(url)), {
    delivered: false,
    error: `${url.host} refused the connection`,
  });
});

test("a redirect is followed on the same server with the same method, and nowhere else", async () => {
  const { seen: elsewhere, url: other } = await serve((_, response) => response.end("{}"));
  let location = "/moved";
  let status = 308;
  const { seen, url } = await serve((request, response) => {
    if (request.url === "/moved") response.end("{}");
    else response.writeHead(status, { location }).end();
  });
  assert.deepEqual(await send(webhookAt(url)), { delivered: true });
  assert.equal(seen.at(-1)?.method, "POST");
  assert.equal(seen.at(-1)?.headers.authorization, "Bearer s3cret");
  for (const [code, to] of [
    [307, other.href],
    [307, "file:///etc/passwd"],
    [307, "https://127.0.0.1/x"],
    [302, "/moved"],
    [307, ""],
    [307, "/"],
  ] as const) {
    [status, location] = [code, to];
    const result = await send(webhookAt(url));
    assert.equal(result.delivered, false, `${code} ${to}`);
    assert.equal("needsPerson" in result && result.needsPerson, true);
  }
  assert.deepEqual(elsewhere, []);
});

test("no error holds a path, a token, a password or the server's own words", async () => {
  const { url } = await serve((_, response) => response.writeHead(403).end("s3cret tk_secret secret-topic"));
  url.username = "s3cret";
  const refused = new URL("http://s3cret:s3cret@127.0.0.1:1/s3cret");
  const results = [
    await send(webhookAt(new URL("s3cret-path", url))),
    await send(ntfyAt(url)),
    await send(webhookAt(refused)),
    await send(
      webhookAt(new URL("http://127.0.0.1/s3cret"), "json", { proxy: new URL("http://s3cret@127.0.0.1:1/") }),
    ),
  ];
  assert.doesNotMatch(JSON.stringify(results), /secret|s3cret/);
  assert.equal(
    results.every((result) => !result.delivered),
    true,
  );
});

test("through a proxy an http address is asked for whole, with the proxy's password for the proxy alone", async () => {
  const { seen, url: proxy } = await serve((_, response) => response.end('{"id":1}'));
  proxy.username = "me";
  proxy.password = "pw";
  const result = await send(webhookAt(new URL("http://alerts.invalid/hook?x=1"), "json", { proxy }));
  assert.deepEqual(result, { delivered: true });
  assert.equal(seen[0]?.url, "http://alerts.invalid/hook?x=1");
  assert.equal(seen[0]?.headers.host, "alerts.invalid");
  assert.equal(seen[0]?.headers["proxy-authorization"], `Basic ${Buffer.from("me:pw").toString("base64")}`);
  assert.equal(seen[0]?.headers.authorization, "Bearer s3cret");
});

test("through a proxy an https address gets a tunnel, in which the proxy sees neither alert nor token", async () => {
  const target = await serve((_, response) => response.end());
  const asked: string[] = [];
  const carried: Buffer[] = [];
  const { server, url: proxy } = await serve((_, response) => response.end());
  server.on("connect", (request: IncomingMessage, client: Socket) => {
    asked.push(request.url ?? "");
    const { port } = target.server.address() as AddressInfo;
    const upstream = connect(port, "127.0.0.1", () => client.write("HTTP/1.1 200 OK\r\n\r\n"));
    client.on("data", (chunk: Buffer) => carried.push(chunk));
    client.pipe(upstream).pipe(client);
    for (const socket of [client, upstream]) socket.on("error", () => client.destroy());
  });
  // The target speaks no TLS, so the handshake fails; what matters is where it goes and what it shows.
  const result = await send(webhookAt(new URL("https://alerts.invalid/hook"), "json", { proxy }));
  assert.equal(result.delivered, false);
  assert.deepEqual(asked, ["alerts.invalid:443"]);
  const shown = Buffer.concat(carried);
  assert.equal(shown[0], 22, "it begins with a TLS handshake");
  assert.doesNotMatch(shown.toString("latin1"), /s3cret|did not start/);
});

test("a proxy that refuses the way is said with its status", async () => {
  const { server, url: proxy } = await serve((_, response) => response.end());
  server.on("connect", (_: IncomingMessage, client: Socket) => void client.end("HTTP/1.1 407 No\r\n\r\n"));
  const result = await send(webhookAt(new URL("https://alerts.invalid/hook"), "json", { proxy }));
  assert.deepEqual(result, {
    delivered: false,
    error: "alerts.invalid cannot be reached, the proxy answered 407",
  });
});

test("the environment names the proxy, NO_PROXY the exceptions, and the settings beat both", () => {
  const environment = {
    HTTPS_PROXY: "http://p:1",
    http_proxy: "p2:2",
    NO_PROXY: "lan, .example.org,10.0.0.5:8080",
  };
  const by = (target: string, configured?: URL) => proxyFor(new URL(target), configured, environment)?.host;
  assert.equal(by("https://ntfy.sh/x"), "p:1");
  assert.equal(by("http://ntfy.sh/x"), "p2:2");
  assert.equal(by("https://server.lan/x"), undefined);
  assert.equal(by("https://notlan/x"), "p:1");
  assert.equal(by("https://a.example.org/x"), undefined);
  assert.equal(by("http://10.0.0.5:8080/x"), undefined);
  assert.equal(by("http://10.0.0.5/x"), "p2:2");
  assert.equal(by("http://localhost/x"), undefined);
  assert.equal(by("https://server.lan/x", new URL("http://mine:3")), "mine:3");
  assert.equal(proxyFor(new URL("http://x/"), undefined, { http_proxy: "ftp://nonsense" }), undefined);
});

test("Retry-After is read as seconds or as a date, and nonsense is no wait", () => {
  const now = Date.UTC(2026, 0, 1);
  assert.equal(readRetryAfter("120", now), 120_000);
  assert.equal(readRetryAfter("Thu, 01 Jan 2026 00:01:00 GMT", now), 60_000);
  assert.equal(readRetryAfter("Thu, 01 Jan 2020 00:01:00 GMT", now), 0);
  for (const nonsense of [undefined, "", "soon", "-5", "1e9", "99999999999"])
    assert.equal(readRetryAfter(nonsense, now), undefined);
});
