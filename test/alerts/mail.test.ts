import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { SMTPServer, type SMTPServerOptions } from "smtp-server";
import { type MailJob, sendMail } from "../../src/alerts/channels/mail-child.ts";
import { parseServer } from "../../src/alerts/channels/server-address.ts";
import { alertPolicy } from "../../src/alerts/policy.ts";
import { renderMail } from "../../src/alerts/render.ts";
import { loadConfig } from "../../src/config.ts";
import { failureOf, HOSTILE, messageOf } from "./examples.ts";

const main = join(import.meta.dirname, "../../src/main.ts");
const directory = mkdtempSync(join(tmpdir(), "vfio-watch-mail-"));
const servers: SMTPServer[] = [];
after(async () => {
  for (const server of servers) await new Promise<void>((resolve) => server.close(() => resolve()));
  rmSync(directory, { recursive: true });
});

interface Received {
  readonly from: string;
  readonly to: readonly string[];
  readonly isSecure: boolean;
  readonly text: string;
}

/** A real SMTP server on this machine that remembers what it got; it offers STARTTLS with a certificate of its own. */
async function serve(options: SMTPServerOptions = {}) {
  const received: Received[] = [];
  const server = new SMTPServer({
    authOptional: true,
    onData(stream, session, done) {
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("end", () => {
        const { mailFrom, rcptTo } = session.envelope;
        received.push({
          from: mailFrom === false ? "" : mailFrom.address,
          to: rcptTo.map(({ address }) => address),
          isSecure: session.secure,
          text: Buffer.concat(chunks).toString("utf8"),
        });
        done();
      });
    },
    ...options,
  });
  servers.push(server);
  server.on("error", () => {});
  server.listen(0, "127.0.0.1");
  await once(server.server, "listening");
  return { received, port: (server.server.address() as AddressInfo).port };
}

function job(port: number, more: Partial<MailJob> = {}): MailJob {
  return {
    ...{ server: { host: "127.0.0.1", port }, security: "auto", timeLimitMs: 5_000 },
    ...{ from: "vfio-watch@tower", to: ["root@localhost"], messageId: "<a.7@tower>" },
    ...renderMail(messageOf(failureOf())),
    ...more,
  };
}

test("a mail says in its subject which machine and what, and carries the same id in a second try", async () => {
  const { received, port } = await serve();
  assert.deepEqual(await sendMail(job(port)), { delivered: true });
  const [mail] = received;
  assert.deepEqual(mail?.to, ["root@localhost"]);
  assert.equal(
    mail?.isSecure,
    true,
    "encryption is used where it is offered, also with a machine's own certificate",
  );
  assert.match(mail?.text ?? "", /^Subject: \[tower\] 'Windows 11' did not start/m);
  assert.match(mail?.text ?? "", /^Message-ID: <a\.7@tower>/m);
  assert.match(mail?.text ?? "", /^Auto-Submitted: auto-generated/m);
});

test("no name of a VM becomes a header or a recipient of its own", async () => {
  const { received, port } = await serve();
  const content = failureOf(`x\r\nBcc: victim@example.org\r\n\r\n${HOSTILE}`);
  assert.deepEqual(await sendMail(job(port, renderMail(messageOf(content)))), { delivered: true });
  const [mail] = received;
  assert.deepEqual(mail?.to, ["root@localhost"]);
  const [head = ""] = (mail?.text ?? "").split("\r\n\r\n", 1);
  assert.doesNotMatch(head, /^Bcc:/m);
});

test("a wrong password, a refused recipient and a server that is not there each say what a person can do", async () => {
  const { port } = await serve({
    authOptional: false,
    onAuth: ({ password }, _session, done) =>
      password === "right" ? done(null, { user: "me" }) : done(new Error("no")),
    onRcptTo: ({ address }, _session, done) =>
      address === "nobody@localhost"
        ? done(Object.assign(new Error("No such user here"), { responseCode: 550 }))
        : done(),
  });
  const credentials = { user: "me", password: "right" };
  assert.deepEqual(await sendMail(job(port, { credentials })), { delivered: true });
  const wrong = await sendMail(job(port, { credentials: { user: "me", password: "hunter2" } }));
  assert.deepEqual(wrong, {
    delivered: false,
    error: `127.0.0.1:${port} refuses the user or the password`,
    needsPerson: true,
  });
  const refused = await sendMail(job(port, { credentials, to: ["nobody@localhost"] }));
  assert.ok(!refused.delivered && refused.needsPerson === true);
  assert.match(refused.error, /No such user here/);
  const nobody = await sendMail(job(1));
  assert.ok(!nobody.delivered && nobody.needsPerson !== true, "it may be there again in a minute");
  assert.match(nobody.error, /^127\.0\.0\.1:1: .*ECONNREFUSED/);
});

test("STARTTLS that is demanded and not offered sends nothing", async () => {
  const { received, port } = await serve({ hideSTARTTLS: true, disabledCommands: ["STARTTLS"] });
  const result = await sendMail(job(port, { security: "starttls" }));
  assert.equal(result.delivered, false);
  assert.deepEqual(received, []);
});

test("the command sends a test as the settings say, with the password in a file and in no argument", async () => {
  const { received, port } = await serve({
    authOptional: false,
    onAuth: ({ password }, _session, done) =>
      password === "it is a secret" ? done(null, { user: "me" }) : done(new Error("no")),
  });
  writeFileSync(join(directory, "password"), "it is a secret\n");
  const file = join(directory, "vfio-watch.cfg");
  writeFileSync(
    file,
    [
      `MAIL_SERVER="localhost:${port}"`,
      'MAIL_TO="me@example.org, you@example.org"',
      'MAIL_USER="me"',
      `MAIL_PASSWORD_FILE="${directory}/password"`,
      'HOST_NAME="My Tower"',
      "",
    ].join("\n"),
  );
  const env = { ...process.env, VFIO_WATCH_CONFIG: file, VFIO_WATCH_RUNTIME_DIRECTORY: directory };
  const child = spawn(process.execPath, [main, "alerts", "test", "mail"], { env });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text: Buffer) => (said += text));
  const [code] = await once(child, "close");
  assert.equal(code, 0, said);
  assert.match(said, /delivered through mail by this command/);
  assert.deepEqual(received[0]?.to, ["me@example.org", "you@example.org"]);
  assert.equal(received[0]?.from, "vfio-watch@my-tower");
});

test("mail is on by itself on Proxmox VE alone", () => {
  const { config } = loadConfig({
    paths: { shippedFile: undefined, overrideFile: "/nonexistent", unraid: false },
  });
  const names = (proxmox: boolean) =>
    alertPolicy(config, { unraid: false, proxmox }).channels.map(({ name }) => name);
  assert.deepEqual(names(true), ["log", "mail"]);
  assert.deepEqual(names(false), ["log"]);
});

test("a server is read with and without a port, also by its address", () => {
  assert.deepEqual(parseServer("localhost", 25), { host: "localhost", port: 25 });
  assert.deepEqual(parseServer("mail.example.org:587", 25), { host: "mail.example.org", port: 587 });
  assert.deepEqual(parseServer("[::1]:2525", 25), { host: "::1", port: 2525 });
  for (const wrong of ["", "smtp://x", "a b", "x:0", "x:99999", "user@x", "::1"])
    assert.equal(parseServer(wrong, 25), undefined, wrong);
});
