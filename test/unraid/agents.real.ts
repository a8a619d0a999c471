import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { promisify } from "node:util";
import type { AlertMessage } from "../../src/alerts/message.ts";
import { renderUnraid } from "../../src/alerts/render.ts";
import { unraidReader } from "../../src/alerts/unraid-text.ts";
import { createHostPaths } from "../../src/host-paths.ts";
import { failureOf, HOSTILE, messageOf } from "../alerts/examples.ts";
import { needsPrograms } from "../helpers/needs.ts";

/*
 * Unraid's own notifier and agents, which are no part of this project: UNRAID_WEBGUI names a directory with the source of
 * its web interface, a tag a directory (7.3.3/emhttp/…).
 */
const SOURCE = process.env.UNRAID_WEBGUI ?? "";
const versions =
  SOURCE !== "" && existsSync(SOURCE)
    ? readdirSync(SOURCE).filter((name) => existsSync(join(SOURCE, name, "emhttp/plugins/dynamix/agents")))
    : [];
const skip =
  versions.length === 0
    ? "needs UNRAID_WEBGUI=DIRECTORY with the source of Unraid's web interface, a tag a directory"
    : needsPrograms("php", "bash", "curl", "jq");

const AGENTS = ["Discord", "Gotify", "Pushover", "Telegram", "ntfy.sh", "Slack", "Pushbullet"];
const roots: string[] = [];
after(() => {
  for (const root of roots) rmSync(root, { recursive: true, force: true });
});

/** What one agent has sent, with the characters that only programs see taken out. */
interface Sent {
  readonly to: string;
  readonly text: string;
}

/** Runs the real notifier with the real agents, whose addresses all lead to a server of this test. */
async function notify(version: string, message: AlertMessage): Promise<readonly Sent[]> {
  const root = mkdtempSync(join(tmpdir(), "vfio-watch-agents-"));
  roots.push(root);
  const sent: Sent[] = [];
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      const title = Buffer.from(String(request.headers.title ?? ""), "latin1").toString("utf8");
      const address = decodeURIComponent((request.url ?? "").replaceAll("+", " "));
      const text = [title, Buffer.concat(parts).toString("utf8")].join("\n");
      sent.push({ to: address, text: `${address}\n${text}`.replaceAll("\u200b", "") });
      response.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const { program, environment } = lay(root, version, base);
    writeFileSync(join(root, "etc/unraid-version"), `version="${version}"\n`);
    const fields = renderUnraid(message, unraidReader(createHostPaths(root)));
    const { event, subject, description, importance, message: more } = fields;
    const words = [
      "-e",
      event,
      "-s",
      subject,
      "-d",
      description,
      "-i",
      importance,
      "-m",
      more,
      "-l",
      "/Tools/vfio-watch",
    ];
    await promisify(execFile)(
      "php",
      ["-d", "short_open_tag=1", "-d", "error_reporting=0", program, ...words],
      {
        env: environment,
        timeout: 120_000,
      },
    );
    return sent;
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

function lay(root: string, version: string, base: string) {
  const webGui = join(root, "webGui");
  const source = join(SOURCE, version, "emhttp/plugins/dynamix");
  const agents = join(root, "agents");
  const notifications = join(root, "notifications");
  const bin = join(root, "bin");
  for (const directory of [
    agents,
    bin,
    join(root, "etc"),
    join(root, "plugins"),
    join(root, "boot/telegram"),
  ])
    mkdirSync(directory, { recursive: true });
  for (const directory of ["unread", "archive"])
    mkdirSync(join(notifications, directory), { recursive: true });
  cpSync(source, webGui, { recursive: true, dereference: true });
  cpSync(webGui, join(root, "plugins/dynamix"), { recursive: true });
  for (const place of [webGui, join(root, "plugins/dynamix")]) {
    const settings = readFileSync(join(place, "default.cfg"), "utf8")
      .replace(/^path=.*$/m, `path="${notifications}"`)
      // Browser, mail and agents; there is nobody to get the mail.
      .replace(/^(normal|warning|alert)=.*$/gm, '$1="5"');
    writeFileSync(join(place, "default.cfg"), settings);
  }
  const program = join(root, "notify");
  writeFileSync(
    program,
    readFileSync(join(source, "scripts/notify"), "utf8")
      .replaceAll("/boot/config/plugins/dynamix/notifications/agents", agents)
      .replaceAll("'/usr/local/emhttp'", `'${root}'`),
  );
  for (const name of AGENTS) writeFileSync(join(agents, `${name}.sh`), agentScript(source, name, root));
  writeFileSync(join(root, "boot/telegram/token"), "T\n");
  writeFileSync(join(root, "boot/telegram/chatid"), "42\n");
  const tool = (name: string, text: string) => {
    writeFileSync(join(bin, name), `#!/bin/bash\n${text}\n`);
    chmodSync(join(bin, name), 0o755);
  };
  tool(
    "curl",
    `words=(); for word in "$@"; do case "$word" in http*://*) word="${base}/\${word#*://}" ;; esac; words+=("$word"); done; exec /usr/bin/curl "\${words[@]}"`,
  );
  tool("hostname", "echo tower");
  tool("logger", ":");
  return {
    program,
    environment: { ...process.env, PATH: `${bin}:${process.env.PATH ?? ""}`, DOCUMENT_ROOT: root },
  };
}

/** The agent as Unraid's page writes it for somebody who has left the defaults. */
function agentScript(source: string, name: string, root: string): string {
  const xml = readFileSync(join(source, `agents/${name}.xml`), "utf8");
  const [, script = ""] = /<!\[CDATA\[([\s\S]*?)\]\]>/.exec(xml) ?? [];
  const variables = [...xml.matchAll(/<Variable [^>]*Default="([^"]*)"[^>]*>(\w+)<\/Variable>/g)].map(
    ([, fallback, variable]) =>
      `${variable}="${/^(?:WEBH|SERVER)_URL$/.test(variable ?? "") ? "http://server.example" : variable === "BOT_TOKEN" ? "T" : fallback}"`,
  );
  return script
    .replace("{0}", variables.join("\n"))
    .replaceAll(/\/boot\/config(?:\/plugins\/dynamix)?\/telegram/g, `${root}/boot/telegram`)
    .replaceAll(/^ {6}/gm, "")
    .trim();
}

for (const version of versions.length > 0 ? versions : ["any version"])
  test(`${version}: each agent shows what to do and what changed before anything else`, {
    skip,
  }, async () => {
    const remedy = "Go back to BIOS E7E49AMSI.1A63, with which it last worked on 2026-11-20.";
    const content = {
      ...failureOf(),
      subject: "'Windows 11' did not start: BIOS demands 1:1 mapping",
      remedy,
      remedies: [remedy],
      changes: ["BIOS E7E49AMSI.1A63 (2025-08-01) → E7E49AMSI.1A95 (2026-03-12)"],
    };
    const sent = await notify(version, messageOf(content));
    assert.equal(sent.length, AGENTS.length, sent.map(({ to }) => to).join("\n"));
    for (const { text } of sent) {
      const begin = text.indexOf("'Windows 11' did not start: BIOS demands 1:1 mapping");
      assert.ok(begin >= 0, text);
      const said = text.slice(begin);
      const [todo, changed, why] = [remedy, "Changed: BIOS E7E49AMSI.1A63", "The firmware demands"].map(
        (one) => said.indexOf(one),
      );
      assert.ok(todo !== undefined && changed !== undefined && why !== undefined);
      assert.ok(todo > 0 && todo < changed && changed < why, said);
      assert.doesNotMatch(text, /&(?:amp|lt|quot|#\d+);/);
      assert.doesNotMatch(text, /incident[^\n]*did not start/);
    }
    assert.ok(
      sent.some(({ text }) => /"title": ?"VFIO Watch"/.test(text)),
      "Discord's headline",
    );
  });

for (const version of versions.length > 0 ? versions : ["any version"])
  test(`${version}: whatever a VM is called, no agent loses or misreads a part`, { skip }, async () => {
    const vm = `${HOSTILE}; "x" & &#60; @y`;
    const content = { ...failureOf(vm), subject: "'**<img src=x onerror=alert(1)>*…': device is in use" };
    const sent = await notify(version, messageOf({ ...content, remedies: [`(Stop; "it" & ${vm})`] }));
    assert.equal(sent.length, AGENTS.length);
    for (const { text } of sent) {
      assert.match(text, /img src.*device is in use/);
      assert.match(text, /Stop.*it.*img src/s);
      assert.match(text, /Changed: BIOS version/);
    }
  });
