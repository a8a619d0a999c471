import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createPlain, type RequestListener, type Server } from "node:http";
import { createServer as createSecure } from "node:https";
import { type AddressInfo, connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { needsPrograms } from "../helpers/needs.ts";

const directory = mkdtempSync(join(tmpdir(), "vfio-watch-certificates-"));
const servers: Server[] = [];
const tunnels = new Set<Socket>();
after(() => {
  for (const server of servers) {
    server.close();
    server.closeAllConnections();
  }
  for (const socket of tunnels) socket.destroy();
  rmSync(directory, { recursive: true, force: true });
});

const at = (name: string) => join(directory, name);
const openssl = (...args: string[]) => execFileSync("openssl", args, { stdio: "pipe" });

/** A certificate for one name or address, signed by the authority that the sender is told to trust. */
function certify(subject: string) {
  const name = subject.replace(/[^a-z0-9]/gi, "-");
  openssl(
    "req",
    "-newkey",
    "rsa:2048",
    "-nodes",
    "-keyout",
    at(`${name}.key`),
    "-out",
    at(`${name}.csr`),
    "-subj",
    "/CN=x",
  );
  writeFileSync(at(`${name}.ext`), `subjectAltName=${subject}\n`);
  openssl(
    "x509",
    "-req",
    "-in",
    at(`${name}.csr`),
    "-CA",
    at("ca.pem"),
    "-CAkey",
    at("ca.key"),
    "-days",
    "2",
    "-extfile",
    at(`${name}.ext`),
    "-out",
    at(`${name}.pem`),
  );
  return { key: readFileSync(at(`${name}.key`)), cert: readFileSync(at(`${name}.pem`)) };
}

const answer: RequestListener = (request, response) => {
  request.resume();
  request.on("end", () => response.end("{}"));
};

async function listen(server: Server, host = "127.0.0.1"): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  return (server.address() as AddressInfo).port;
}

/** A proxy that opens every tunnel to this machine, for names have no server here. */
function tunnelling(server: Server): Server {
  return server.on("connect", (request, client: Socket) => {
    const [, host = "", port] = /^\[?(.*?)\]?:(\d+)$/.exec(request.url ?? "") ?? [];
    const upstream = connect(Number(port), host === "::1" ? "::1" : "127.0.0.1", () => {
      client.write("HTTP/1.1 200 Connection established\r\n\r\n");
      upstream.pipe(client).pipe(upstream);
    });
    for (const socket of [client, upstream]) {
      tunnels.add(socket);
      socket.on("error", () => socket.destroy());
    }
  });
}

const SENDER = `
  import { postJson } from ${JSON.stringify(new URL("../../src/alerts/http.ts", import.meta.url).href)};
  import { systemClock } from ${JSON.stringify(new URL("../../src/clock.ts", import.meta.url).href)};
  const [url, proxy] = process.argv.slice(1);
  const settings = { timeoutMs: 20000, clock: systemClock, proxy: proxy ? new URL(proxy) : undefined, environment: {} };
  console.log(JSON.stringify(await postJson({ url: new URL(url), body: {} }, settings, new AbortController().signal)));
`;

/** Sends from a process of its own: whom to trust is read when Node starts. */
async function send(
  url: string,
  proxy = "",
): Promise<{ readonly delivered: boolean; readonly error?: string }> {
  const child = spawn(process.execPath, ["--input-type=module", "--eval", SENDER, url, proxy], {
    env: { ...process.env, NODE_EXTRA_CA_CERTS: at("ca.pem") },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let out = "";
  child.stdout.on("data", (chunk: Buffer) => {
    out += chunk.toString();
  });
  await new Promise((resolve) => child.on("close", resolve));
  return JSON.parse(out);
}

describe("the certificate of a server", { skip: needsPrograms("openssl") }, () => {
  let plainProxy = "";
  const ports = new Map<string, number>();
  const portOf = (subject: string) => ports.get(subject) ?? 0;

  before(async () => {
    openssl(
      "req",
      "-x509",
      "-newkey",
      "rsa:2048",
      "-nodes",
      "-days",
      "2",
      "-subj",
      "/CN=ca",
      "-keyout",
      at("ca.key"),
      "-out",
      at("ca.pem"),
    );
    plainProxy = `http://127.0.0.1:${await listen(tunnelling(createPlain()))}`;
    for (const subject of ["IP:127.0.0.1", "DNS:localhost", "DNS:alerts.example", "DNS:127.0.0.1"])
      ports.set(subject, await listen(createSecure(certify(subject), answer)));
    ports.set("IP:::1", await listen(createSecure(certify("IP:::1"), answer), "::1"));
  });

  const cases = [
    ["an address", "127.0.0.1", "IP:127.0.0.1", true],
    ["an address, where it is for localhost", "127.0.0.1", "DNS:localhost", false],
    ["an address, where it is for another name", "127.0.0.1", "DNS:alerts.example", false],
    ["an address, where it only has a name that looks like it", "127.0.0.1", "DNS:127.0.0.1", false],
    ["an address of IPv6", "[::1]", "IP:::1", true],
    ["a name", "alerts.example", "DNS:alerts.example", true],
    ["a name, where it is for another", "alerts.example", "DNS:localhost", false],
    ["a name, where it is for the address behind it", "alerts.example", "IP:127.0.0.1", false],
  ] as const;
  for (const [what, host, subject, isRight] of cases) {
    it(`through a proxy is ${isRight ? "taken" : "refused"} for ${what}`, async () => {
      const result = await send(`https://${host}:${portOf(subject)}/hook`, plainProxy);
      if (isRight) assert.deepEqual(result, { delivered: true });
      else assert.match(result.error ?? "", /has a certificate for another name/);
    });
  }

  it("without a proxy is held to the target too", async () => {
    assert.deepEqual(await send(`https://127.0.0.1:${portOf("IP:127.0.0.1")}/`), { delivered: true });
    const wrong = await send(`https://127.0.0.1:${portOf("DNS:alerts.example")}/`);
    assert.match(wrong.error ?? "", /has a certificate for another name/);
  });

  it("that is a proxy has to be the proxy's, whatever lies behind it", async () => {
    const right = await listen(tunnelling(createSecure(certify("IP:127.0.0.1"), answer)));
    const wrong = await listen(tunnelling(createSecure(certify("DNS:alerts.example"), answer)));
    for (const target of [
      `https://alerts.example:${portOf("DNS:alerts.example")}/`,
      "http://alerts.example/",
    ]) {
      assert.deepEqual(await send(target, `https://127.0.0.1:${right}`), { delivered: true }, target);
      const result = await send(target, `https://127.0.0.1:${wrong}`);
      assert.match(result.error ?? "", /certificate for another name/, target);
    }
    const named = await listen(tunnelling(createSecure(certify("DNS:localhost"), answer)));
    const result = await send(
      `https://alerts.example:${portOf("DNS:alerts.example")}/`,
      `https://localhost:${named}`,
    );
    assert.deepEqual(result, { delivered: true });
  });
});
