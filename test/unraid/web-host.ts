import { type ChildProcess, spawn } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { loadCatalogue } from "../../src/diagnosis/catalogue.ts";
import { readRecordedSnapshot } from "../../src/replay/recorded-snapshot.ts";
import { buildHostTree } from "../../src/replay/recorded-tree.ts";
import { readRecordings } from "../../src/replay/recording.ts";
import { replay } from "../../src/replay/replay.ts";
import { openBrowser } from "../report/browser.ts";

const PROJECT = join(import.meta.dirname, "../..");
const RECORDING = join(PROJECT, "test/fixtures/recordings/bios-update");
export const TOKEN = "D0C0FFEE";
/** Where the settings lie on the host. */
export const SETTINGS = "/boot/config/plugins/vfio-watch/vfio-watch.cfg";

/** A tree laid out as Unraid's, whose web interface runs under PHP's own server. */
export interface WebHost {
  readonly root: string;
  /** `http://127.0.0.1:…` */
  readonly address: string;
  /** Path in the tree. */
  at(path: string): string;
  writeFile(path: string, content: string, mode?: number): void;
  readFile(path: string): string;
  /** Posts as a form does; the token is sent unless the fields have one of their own. */
  post(path: string, fields: readonly [string, string][]): Promise<Response>;
  close(): Promise<void>;
}

/** Builds the tree with the plugin in its place and starts the server. */
export async function startWebHost(): Promise<WebHost> {
  const root = mkdtempSync(join(tmpdir(), "vfio-watch-web-"));
  const at = (path: string) => join(root, path);
  const writeFile = (path: string, content: string, mode = 0o644) => {
    mkdirSync(dirname(at(path)), { recursive: true });
    writeFileSync(at(path), content);
    chmodSync(at(path), mode);
  };
  const docroot = at("/usr/local/emhttp");
  cpSync(join(PROJECT, "unraid/plugin"), join(docroot, "plugins/vfio-watch"), { recursive: true });
  writeFile("/usr/local/emhttp/state/var.ini", `NAME="Tower"\ncsrf_token="${TOKEN}"\n`);
  writeFile("/etc/unraid-version", 'version="7.2.3"\n');
  writeFile("/usr/local/vfio-watch/bin/vfio-watch", program(root), 0o755);
  mkdirSync(dirname(at(SETTINGS)), { recursive: true });

  const port = await freePort();
  const router = join(import.meta.dirname, "stand-in/router.php");
  const server = spawn("php", ["-S", `127.0.0.1:${port}`, "-t", docroot, router], {
    stdio: "ignore",
    // A group of its own, because the server leaves its workers behind when only it is ended.
    detached: true,
    env: { ...process.env, PHP_CLI_SERVER_WORKERS: "4" },
  });
  const address = `http://127.0.0.1:${port}`;
  await untilItAnswers(address, server);
  return {
    root,
    address,
    at,
    writeFile,
    readFile: (path) => readFileSync(at(path), "utf8"),
    post: (path, fields) =>
      fetch(address + path, {
        method: "POST",
        body: new URLSearchParams([["csrf_token", TOKEN], ...fields]),
      }),
    async close() {
      const ended = new Promise((resolve) => server.once("exit", resolve));
      if (server.pid !== undefined) process.kill(-server.pid, "SIGKILL");
      await ended;
      rmSync(root, { recursive: true, force: true });
    },
  };
}

/** The program as the package puts it: a script that finds its Node. Here it looks at the tree instead of this machine. */
export function program(root: string): string {
  return `#!/bin/sh
export VFIO_WATCH_ROOT='${root}' VFIO_WATCH_RUNTIME_DIRECTORY='${root}/run/vfio-watch'
export VFIO_WATCH_DATABASE='${root}/boot/config/plugins/vfio-watch/history.db'
exec '${process.execPath}' '${join(PROJECT, "src/main.ts")}' "$@"
`;
}

/** Puts the recorded BIOS update into the host's history, and makes the host look as it did after the broken boot. */
export async function giveHistory(host: Pick<WebHost, "root" | "at" | "writeFile">): Promise<void> {
  const boots = readRecordings(RECORDING);
  if ("problem" in boots) throw new Error(boots.problem);
  const { catalogue } = loadCatalogue({ shippedDirectory: join(PROJECT, "config/signatures") });
  await replay(boots, catalogue, {
    use(store) {
      for (const ending of ["", "-wal"]) {
        if (existsSync(store.path + ending))
          cpSync(store.path + ending, host.at(`/boot/config/plugins/vfio-watch/history.db${ending}`));
      }
    },
  });
  const broken = join(RECORDING, "boot2-ivmd-amd");
  buildHostTree(host.root, readRecordedSnapshot(join(broken, "snap-before")));
  host.writeFile(
    "/etc/libvirt/qemu/Windows 11.xml",
    readFileSync(join(broken, "libvirt/Windows 11.xml"), "utf8"),
  );
}

/** A page that is asked so often in vain never answers; a busy machine takes a tenth of it. */
const MOST_LOOKS = 2_400;

/**
 * Opens a page in a real browser, in a frame as wide as a phone, and gives what `drive` returns: the body of an
 * asynchronous function that gets the frame's `page` (its document) and may wait with `until(page => …)`.
 */
export async function drivePage(host: WebHost, page: string, drive: string): Promise<unknown> {
  const browser = await openBrowser();
  try {
    const query = new URLSearchParams({ width: "360", of: page, drive });
    await browser.open(`${host.address}/probe?${query}`, { width: 800, dark: false });
    for (let tries = 0; tries < MOST_LOOKS; tries++) {
      const result = await browser.evaluate<string>('document.getElementById("result").textContent');
      if (result !== "") return JSON.parse(result);
      await delay(50);
    }
    throw new Error(`${page} gave no result; the browser said: ${browser.complaints.join("; ")}`);
  } finally {
    await browser.close();
  }
}

/** A port of the loopback that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

/** Waits until the web server answers; throws where it has ended. */
export async function untilItAnswers(address: string, server: ChildProcess): Promise<void> {
  for (;;) {
    if (server.exitCode !== null) throw new Error(`php ended with code ${server.exitCode}`);
    const answer = await fetch(`${address}/nothing`).catch(() => undefined);
    if (answer !== undefined) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
