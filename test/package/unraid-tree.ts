import { execFileSync, spawnSync } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { readPluginDefinition } from "./plugin-definition.ts";

/** A directory that is laid out like a running Unraid, with stand-ins for its package commands. */
export interface UnraidTree {
  readonly root: string;
  /** What programs of the tree are started with. */
  readonly environment: NodeJS.ProcessEnv;
  /** Full path of a file in the tree. */
  at(path: string): string;
  /** As Unraid's plugin manager does it: downloads from `releases` where nothing is cached, runs what is to be run. */
  installPlugin(definition: string, releases: string): string;
  removePlugin(): string;
  /** Runs the service script; never throws for an exit code. */
  control(verb: string): { readonly code: number | null; readonly said: string };
  /** Runs any program in the tree as Unraid would. */
  run(path: string, ...args: string[]): { readonly code: number | null; readonly said: string };
  /** Pid of the daemon as its file says it. */
  pid(): number;
  supervisorPid(): number;
  /** What went to the system log. */
  log(): string;
  /** There is no room for what packages hold. */
  breakUnpacking(): void;
  /** Power is gone: everything that runs dies, and all but the flash stick is new. */
  powerCut(): void;
  remove(): void;
}

/** `node` is the Node of the system, empty for a system that has none. */
export function createUnraidTree(version: string, node: string | undefined = process.execPath): UnraidTree {
  const outside = mkdtempSync(join(tmpdir(), "vfio-watch-unraid-"));
  const root = join(outside, "tree");
  const tools = join(outside, "tools");
  const systemLog = join(outside, "syslog");
  const at = (path: string) => join(root, path);
  writeTools(tools, systemLog);
  lay(root, version);

  const environment = {
    PATH: `${tools}:${process.env.PATH ?? ""}`,
    VFIO_WATCH_ROOT: root,
    ...(node !== "" && { VFIO_WATCH_NODE: node }),
  };
  function run(path: string, ...args: string[]) {
    // Output is read to its end, as Unraid does it: a daemon that keeps it open would never let this return.
    const options = { env: environment, encoding: "utf8", cwd: "/", timeout: 60_000 } as const;
    const { status, stdout, stderr, error } = spawnSync(path, args, options);
    if (error !== undefined) throw error;
    return { code: status, said: stdout + stderr };
  }
  function numberIn(path: string): number {
    return existsSync(at(path)) ? Number(readFileSync(at(path), "utf8")) : 0;
  }
  function runFiles(definition: string, method: "install" | "remove", releases: string): string {
    let said = "";
    writeCurl(tools, releases);
    const files = readPluginDefinition(readFileSync(definition, "utf8"));
    for (const file of files.filter((entry) => entry.methods.includes(method))) {
      if (file.min !== undefined && version < file.min) continue;
      if (file.max !== undefined && version > file.max) continue;
      if (file.url !== undefined && file.name !== undefined) {
        const target = at(file.name);
        const fits = () => existsSync(target) && checksum(target) === file.sha256;
        if (!fits()) {
          mkdirSync(dirname(target), { recursive: true });
          cpSync(join(releases, basename(file.url)), target);
          if (!fits()) throw new Error(`${basename(file.url)} has another checksum than ${definition} says`);
        }
      }
      if (file.run !== undefined && file.inline !== undefined) {
        const script = join(outside, "inline.sh");
        writeFileSync(script, file.inline);
        const { code, said: here } = run(file.run, script);
        said += here;
        if (code !== 0) throw new Error(`Unraid takes it for not installed: ${code}: ${here}`);
      }
    }
    return said;
  }
  function killAll(): void {
    // Everything that came out of this tree carries its root in its environment.
    for (const entry of readdirSync("/proc")) {
      if (!/^\d+$/.test(entry) || Number(entry) === process.pid) continue;
      try {
        const carries = readFileSync(`/proc/${entry}/environ`, "latin1").includes(`VFIO_WATCH_ROOT=${root}`);
        if (carries) process.kill(Number(entry), "SIGKILL");
      } catch {
        // It is gone.
      }
    }
  }

  return {
    root,
    environment,
    at,
    installPlugin(definition, releases) {
      const kept = at(`/boot/config/plugins/${basename(definition)}`);
      if (definition !== kept) cpSync(definition, kept);
      return runFiles(kept, "install", releases);
    },
    removePlugin() {
      const kept = at("/boot/config/plugins/vfio-watch.plg");
      const said = runFiles(kept, "remove", "/nonexistent");
      rmSync(kept);
      return said;
    },
    control: (verb) => run(at("/etc/rc.d/rc.vfio-watch"), verb),
    run,
    pid: () => numberIn("/var/run/vfio-watch.pid"),
    supervisorPid: () => numberIn("/run/vfio-watch/supervisor.pid"),
    log: () => (existsSync(systemLog) ? readFileSync(systemLog, "utf8") : ""),
    breakUnpacking() {
      writeFileSync(join(tools, "upgradepkg"), "#!/bin/bash\nexit 1\n");
    },
    powerCut() {
      killAll();
      for (const entry of readdirSync(root)) {
        if (entry !== "boot") rmSync(join(root, entry), { recursive: true, force: true });
      }
      lay(root, version);
    },
    remove() {
      killAll();
      rmSync(outside, { recursive: true, force: true });
    },
  };
}

function lay(root: string, version: string): void {
  const text = (path: string, content: string) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  };
  for (const directory of [
    "boot/config/plugins",
    "usr/local/etc/rc.d/rc6.d",
    "usr/local/emhttp/plugins",
    "usr/local/bin",
    "run",
    "var/lib/pkgtools",
    "var/log/libvirt/qemu",
    "mnt/user/system",
    "etc/libvirt/qemu",
    "dev/vfio",
    "sys/kernel/iommu_groups",
  ])
    mkdirSync(join(root, directory), { recursive: true });
  symlinkSync("../usr/local/etc/rc.d", join(root, "etc/rc.d"));
  symlinkSync("../run", join(root, "var/run"));
  text("etc/unraid-version", `version="${version}"\n`);
  text("etc/libvirt/qemu/Windows 11.xml", "<domain type='kvm'><name>Windows 11</name></domain>\n");
  text("mnt/user/system/libvirt.img", "");
  text("proc/sys/kernel/random/boot_id", `${randomUUID()}\n`);
  text("proc/uptime", "100.00 100.00\n");
  text("proc/cmdline", "BOOT_IMAGE=/bzimage initrd=/bzroot\n");
  text("proc/sys/kernel/osrelease", "6.12.54-Unraid\n");
}

/** What Unraid has and a test machine has not: Slackware's package commands, and a syslog. */
function writeTools(directory: string, systemLog: string): void {
  mkdirSync(directory);
  const script = (name: string, text: string) => {
    writeFileSync(join(directory, name), `#!/bin/bash\n${text}`);
    chmodSync(join(directory, name), 0o755);
  };
  script(
    "upgradepkg",
    `set -e
file=\${!#}
name=$(basename "$file" .txz)
base=\${name%-*-*-*}
for old in "$ROOT"/var/lib/pkgtools/"$base"-*; do
  [[ -e $old && \${old##*/} =~ ^$base-[^-]*-[^-]*-[^-]*$ ]] && removepkg "$base"
done
tar -xpf "$file" -C "$ROOT/" --keep-directory-symlink
if [[ -f $ROOT/install/doinst.sh ]]; then (cd "$ROOT/" && bash install/doinst.sh); fi
tar -tf "$file" >"$ROOT/var/lib/pkgtools/$name"
rm -rf "$ROOT/install"
echo "Package $name installed."
`,
  );
  script(
    "removepkg",
    `for list in "$ROOT"/var/lib/pkgtools/"$1"-*; do
  [[ \${list##*/} =~ ^$1-[^-]*-[^-]*-[^-]*$ ]] || continue
  sort -r "$list" | while read -r path; do
    [[ $path == ./ || $path == install/* ]] && continue
    if [[ $path == */ ]]; then
      [[ -L $ROOT/\${path%/} ]] || rmdir "$ROOT/$path" 2>/dev/null
    else
      rm -f "$ROOT/$path"
    fi
  done
  rm -f "$list"
done
`,
  );
  script(
    "logger",
    `while (($# > 0)); do [[ $1 == -- ]] && { shift; echo "$*" >>'${systemLog}'; exit; }; shift; done
exec cat >>'${systemLog}'
`,
  );
}

/** Downloads what lies in `releases`; everything else is out of reach. */
function writeCurl(tools: string, releases: string): void {
  writeFileSync(
    join(tools, "curl"),
    `#!/bin/bash
while (($# > 1)); do [[ $1 == -o ]] && target=$2; shift; done
cp '${releases}'/"$(basename "$1")" "$target" 2>/dev/null || exit 22
`,
  );
  chmodSync(join(tools, "curl"), 0o755);
}

function checksum(file: string): string {
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}

/** Every path that a process holds: its descriptors, its working directory and what it has mapped. */
export function pathsHeldBy(pid: number): readonly string[] {
  const held: string[] = [];
  const follow = (link: string) => {
    try {
      held.push(readlinkSync(link));
    } catch {
      // Closed meanwhile.
    }
  };
  follow(`/proc/${pid}/cwd`);
  follow(`/proc/${pid}/root`);
  for (const descriptor of readdirSync(`/proc/${pid}/fd`)) follow(`/proc/${pid}/fd/${descriptor}`);
  for (const line of readFileSync(`/proc/${pid}/maps`, "utf8").split("\n")) {
    const path = line.split(/ +/).slice(5).join(" ");
    if (path.startsWith("/")) held.push(path);
  }
  return held;
}

/** A process and everything below it. */
export function withDescendants(pid: number): readonly number[] {
  const listed = execFileSync("ps", ["-e", "-o", "pid=,ppid="], { encoding: "utf8" });
  const pairs = listed
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number));
  const found = [pid];
  for (const parent of found) {
    for (const [child = 0, itsParent] of pairs) if (itsParent === parent) found.push(child);
  }
  return found;
}
