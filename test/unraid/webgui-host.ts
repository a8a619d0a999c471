import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { needsPrograms } from "../helpers/needs.ts";
import { freePort, giveHistory, program, TOKEN, untilItAnswers, type WebHost } from "./web-host.ts";

const PROJECT = join(import.meta.dirname, "../..");
/** Where notifications are stored, which is the host's own. */
export const NOTIFICATIONS = "/boot/config/plugins/dynamix/notifications";
const NOTIFY = `[notify]\npath="${NOTIFICATIONS}"\n`;
const BROKEN = join(PROJECT, "test/fixtures/recordings/bios-update/boot2-ivmd-amd");
/** Names a directory with the files of Unraid's web interface, one version a directory: `7.2.8/emhttp/…`. */
const DIRECTORY = "UNRAID_WEBGUI";
export const VM = "Windows 11";
export const VM_UUID = "8c4731f1-a528-8444-bb25-10ff8d967cc3";

/** The versions of the real web interface that are there; none of it is part of this project. */
export function webguiVersions(): readonly string[] {
  const directory = process.env[DIRECTORY];
  if (directory === undefined || !existsSync(directory)) return [];
  return readdirSync(directory)
    .filter((name) => existsSync(join(directory, name, "emhttp/plugins/dynamix/template.php")))
    .toSorted();
}

/** Why the tests on the real web interface cannot run; false where they can. */
export function noWebgui(): string | false {
  if (webguiVersions().length === 0)
    return `needs ${DIRECTORY}=DIRECTORY with the source of Unraid's web interface (github.com/unraid/webgui), a tag a directory: DIRECTORY/7.2.8/emhttp`;
  const noProgram = needsPrograms("php", "unshare");
  if (noProgram !== false) return noProgram;
  const extensions = spawnSync("php", [
    "-r",
    "echo function_exists('simplexml_load_string') && function_exists('mb_strlen');",
  ]);
  if (extensions.stdout.toString() !== "1") return "needs PHP's extensions xml and mbstring";
  return spawnSync("unshare", ["--mount", "true"]).status === 0 ? false : "needs root, for mounts of its own";
}

/** A host whose web interface is the real one, with the plugin in it and a stand-in for libvirt behind. */
export interface WebguiHost extends WebHost {
  /** `white`, `black`, `azure` or `gray`. */
  theme(name: string): void;
  /** Starts the service, and waits until it has looked at the VMs. */
  startService(): Promise<void>;
  stopService(): Promise<void>;
  /** What PHP complained about in the plugin's own files. */
  complaints(): readonly string[];
}

/** Builds the host with the recorded BIOS update as its history and starts the web server. */
export async function startWebguiHost(version: string): Promise<WebguiHost> {
  const root = mkdtempSync(join(tmpdir(), "vfio-watch-webgui-"));
  const at = (path: string) => join(root, path);
  const writeFile = (path: string, content: string, mode = 0o644) => {
    mkdirSync(dirname(at(path)), { recursive: true });
    writeFileSync(at(path), content);
    chmodSync(at(path), mode);
  };
  const readFile = (path: string) => readFileSync(at(path), "utf8");
  const docroot = at("/usr/local/emhttp");
  cpSync(join(process.env[DIRECTORY] ?? "", version, "emhttp"), docroot, {
    recursive: true,
    verbatimSymlinks: true,
  });
  // What they start would run on for ever.
  for (const directory of globSync(join(docroot, "plugins/*/nchan"))) rmSync(directory, { recursive: true });
  cpSync(join(PROJECT, "unraid/plugin"), join(docroot, "plugins/vfio-watch"), { recursive: true });
  furnish(version, writeFile);
  writeFile("/usr/local/vfio-watch/bin/vfio-watch", program(root), 0o755);
  symlinkSync("/usr/share/zoneinfo/Europe/Berlin", at("/etc/localtime"));
  await giveHistory({ root, at, writeFile });

  const port = await freePort();
  const server = spawn(
    "unshare",
    ["--mount", join(import.meta.dirname, "webgui/serve.sh"), root, `${port}`],
    {
      stdio: "ignore",
      // A group of its own, because the server leaves its workers behind when only it is ended.
      detached: true,
    },
  );
  const address = `http://127.0.0.1:${port}`;
  await untilItAnswers(address, server);
  let service: ChildProcess | undefined;
  const host: WebguiHost = {
    ...{ root, address, at, writeFile, readFile },
    post: (path, fields) =>
      fetch(address + path, {
        method: "POST",
        body: new URLSearchParams([["csrf_token", TOKEN], ...fields]),
      }),
    theme: (name) =>
      writeFile(
        "/boot/config/plugins/dynamix/dynamix.cfg",
        `[display]\ntheme="${name}"\ndate="%d-%m-%Y"\ntime="%R"\n${NOTIFY}`,
      ),
    async startService() {
      // Where Unraid's notifier finds the rest of Unraid.
      service = spawn(
        "nsenter",
        ["--mount", "--target", `${server.pid}`, at("/usr/local/vfio-watch/bin/vfio-watch"), "run"],
        { stdio: "ignore" },
      );
      await untilThere(at("/run/vfio-watch/overview.json"));
    },
    async stopService() {
      if (service === undefined) return;
      const ended = new Promise((resolve) => service?.once("exit", resolve));
      service.kill("SIGTERM");
      await ended;
      service = undefined;
    },
    complaints: () =>
      existsSync(at("/run/php-errors"))
        ? readFile("/run/php-errors")
            .split("\n")
            .filter((line) => line.includes("vfio-watch"))
        : [],
    async close() {
      await host.stopService();
      const ended = new Promise((resolve) => server.once("exit", resolve));
      // The machine's own files show through links in it, which are not followed.
      if (server.pid !== undefined) process.kill(-server.pid, "SIGKILL");
      await ended;
      rmSync(root, { recursive: true, force: true });
    },
  };
  return host;
}

/** What the web interface finds on a host whose array and VM service run. */
function furnish(version: string, writeFile: WebHost["writeFile"]): void {
  const state = {
    var: `NAME="Tower"\nversion="${version}"\ncsrf_token="${TOKEN}"\nfsState="Started"\nmdState="STARTED"\nregTy="Pro"\nregBuildTime="1780000000"\nregGUID="0"\nstartMode="Normal"\n`,
    network: '[eth0]\nIPADDR:0="192.168.1.2"\n',
    nginx: "NGINX_PORT=80\n",
    ...{ disks: "", devs: "", sec: "", sec_nfs: "", shares: "", users: "", monitor: "", flashbackup: "" },
  };
  for (const [name, text] of Object.entries(state)) writeFile(`/var/local/emhttp/${name}.ini`, text);
  writeFile("/etc/unraid-version", `version="${version}"\n`);
  writeFile(
    "/boot/config/domain.cfg",
    'SERVICE="enable"\nMEDIADIR="/mnt/user/isos/"\nDOMAINDIR="/mnt/user/domains/"\n',
  );
  writeFile("/boot/config/plugins/dynamix/dynamix.cfg", `[display]\ntheme="white"\n${NOTIFY}`);
  for (const box of ["unread", "archive"]) writeFile(`${NOTIFICATIONS}/${box}/.keep`, "");
  writeFile("/boot/config/vfio-pci.cfg", "");
  writeFile("/run/libvirt/libvirtd.pid", `${process.pid}`);
  writeFile("/etc/rc.d/rc.libvirt", "#!/bin/sh\nexit 0\n", 0o755);
  writeFile("/etc/rc.d/rc.docker", "#!/bin/sh\nexit 1\n", 0o755);
  writeFile("/var/log/libvirt/qemu/.keep", "");
  writeFile("/proc/sys/kernel/random/boot_id", "00000004-0000-4000-8000-000000000000\n");
  writeFile("/proc/uptime", "600.00 500.00\n");
  const log = readFileSync(join(BROKEN, `libvirt/${VM}.log`), "utf8");
  writeFile(
    "/run/libvirt-stand-in/start.log",
    log.slice(log.lastIndexOf("\n", log.lastIndexOf("starting up")) + 1),
  );
  const said = /^error: Failed to start[^\n]*\nerror: (.*)$/m.exec(
    readFileSync(join(BROKEN, "virsh-1-start.txt"), "utf8"),
  );
  writeFile("/run/libvirt-stand-in/start.error", said?.[1] ?? "");
  // Of another repository (unraid/api).
  const servers = "/usr/local/emhttp/plugins/dynamix.my.servers/include";
  writeFile(`${servers}/myservers1.php`, "");
  writeFile(`${servers}/myservers2.php`, "");
  writeFile(
    `${servers}/state.php`,
    "<?php class ServerState { function getServerStateJsonForHtmlAttr() { return '{}'; } }",
  );
}

async function untilThere(path: string): Promise<void> {
  for (let tries = 0; tries < 600 && !existsSync(path); tries++) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  if (!existsSync(path)) throw new Error(`${path} did not come to be`);
}
