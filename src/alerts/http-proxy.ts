import { type ClientRequest, type IncomingMessage, request as plainRequest } from "node:http";
import { request as secureRequest } from "node:https";
import { isIP, type Socket } from "node:net";
import { connect } from "node:tls";
import { basic, type HttpAnswer, LONGEST_ANSWER, ProxyRefusal, type Transport } from "./http-transport.ts";

/**
 * Travels through an http proxy: an https address through a tunnel that the proxy opens (CONNECT), so that it sees
 * neither alert nor token; an http address by asking the proxy for the whole address. The fetch of Node 22.18 can do
 * neither without a package.
 */
export function throughProxy(proxy: URL): Transport {
  return async ({ url, headers, body }, signal) => {
    const sized = { ...headers, "content-length": String(Buffer.byteLength(body)), connection: "close" };
    if (url.protocol === "http:") {
      const request = requestOf(proxy)({
        ...serverOf(proxy),
        method: "POST",
        path: url.href,
        headers: { ...sized, host: url.host, ...authorizationOf(proxy) },
        signal,
      });
      return answerOf(request, body);
    }
    const socket = await tunnel(proxy, url, signal);
    const request = secureRequest({
      method: "POST",
      host: url.hostname,
      path: `${url.pathname}${url.search}`,
      headers: { ...sized, host: url.host },
      // No agent, for one would make the connection itself.
      createConnection: () => connect({ socket, ...identityOf(url) }),
      signal,
    });
    return answerOf(request, body).finally(() => socket.destroy());
  };
}

function tunnel(proxy: URL, target: URL, signal: AbortSignal): Promise<Socket> {
  const authority = `${target.hostname}:${target.port || "443"}`;
  return new Promise((resolve, reject) => {
    const request = requestOf(proxy)({
      ...serverOf(proxy),
      method: "CONNECT",
      path: authority,
      headers: { host: authority, ...authorizationOf(proxy) },
      agent: false,
      signal,
    });
    request.once("connect", (response: IncomingMessage, socket: Socket) => {
      if (response.statusCode === 200) resolve(socket);
      else {
        socket.destroy();
        reject(new ProxyRefusal(response.statusCode ?? 0));
      }
    });
    request.once("response", (response) => {
      response.destroy();
      reject(new ProxyRefusal(response.statusCode ?? 0));
    });
    request.once("error", reject);
    request.end();
  });
}

function answerOf(request: ClientRequest, body: string): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    request.once("error", reject);
    request.once("response", (response) => {
      const chunks: Buffer[] = [];
      let length = 0;
      const end = () =>
        resolve({
          status: response.statusCode ?? 0,
          location: response.headers.location,
          retryAfter: response.headers["retry-after"],
          body: Buffer.concat(chunks).subarray(0, LONGEST_ANSWER).toString("utf8"),
        });
      response.on("data", (chunk: Buffer) => {
        chunks.push(chunk);
        length += chunk.length;
        if (length < LONGEST_ANSWER) return;
        end();
        response.destroy();
      });
      response.once("end", end);
      response.once("error", reject);
    });
    request.end(body);
  });
}

function requestOf(proxy: URL): typeof plainRequest {
  return proxy.protocol === "https:" ? secureRequest : plainRequest;
}

function serverOf(proxy: URL): {
  readonly host: string;
  readonly servername: string;
  readonly port: number;
} {
  const port = Number(proxy.port || (proxy.protocol === "https:" ? "443" : "80"));
  return { ...identityOf(proxy), port };
}

/**
 * Whose certificate it has to be. A name goes into `servername` too (SNI), which a literal address may not (RFC 6066),
 * and must be said in either case: Node would take "localhost" for the other end of a socket that is given, and what
 * the `host` header says, the target, for the proxy.
 */
function identityOf(url: URL): { readonly host: string; readonly servername: string } {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  return { host, servername: isIP(host) === 0 ? host : "" };
}

function authorizationOf(proxy: URL): Record<string, string> {
  return proxy.username === "" ? {} : { "proxy-authorization": basic(proxy) };
}
