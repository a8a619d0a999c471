import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createPackageTree, nodeVersion, type PackageTree, project, sha256 } from "./package-tree.ts";

/** Where the program lies: outside of the web interface's document root. */
const HOME = "usr/local/vfio-watch";
const PLUGIN = "usr/local/emhttp/plugins/vfio-watch";

export interface UnraidOptions {
  /** A built release. */
  readonly release: string;
  readonly version: string;
  /** Seconds since 1970. */
  readonly epoch: number;
  readonly output: string;
}

/** Packs the plugin: the program, its binding for x86-64, rc script, web interface and events. Returns the file. */
export function packUnraidPlugin(options: UnraidOptions): string {
  const { release, version, epoch, output } = options;
  const tree = createPackageTree();
  try {
    tree.copy(join(release, "vfio-watch.mjs"), `${HOME}/vfio-watch.mjs`);
    tree.copyAll(join(release, "lib"), `${HOME}/lib`);
    tree.copyAll(join(release, "config"), `${HOME}/config`);
    tree.copy(join(release, "sqlite", "linux-x64.node"), `${HOME}/sqlite/linux-x64.node`, 0o755);
    tree.copy("tools/launcher.sh", `${HOME}/bin/vfio-watch`, 0o755);
    for (const file of ["LICENSE", "THIRD-PARTY-LICENSES"]) tree.copy(join(release, file), `${HOME}/${file}`);
    // By this the installation sees that all of it was unpacked; the last file of its directory.
    tree.write(`${HOME}/VERSION`, `${version}\n`);
    tree.copyAll("unraid/plugin", PLUGIN, (path) => (/^(?:event|scripts)\//.test(path) ? 0o755 : 0o644));
    tree.copy("config/vfio-watch.cfg", `${PLUGIN}/default.cfg`);
    tree.copy("rc.d/rc.vfio-watch", "etc/rc.d/rc.vfio-watch", 0o755);
    tree.copy("unraid/install/K10vfio-watch", "etc/rc.d/rc6.d/K10vfio-watch", 0o755);
    tree.copy("unraid/install/doinst.sh", "install/doinst.sh", 0o755);
    tree.copy("unraid/install/slack-desc", "install/slack-desc");
    return packSlackware(tree, join(output, `vfio-watch-${version}-x86_64-1.txz`), epoch);
  } finally {
    tree.remove();
  }
}

/** Packs a Node of the plugin's own, for Unraid 7.0 and 7.1, which have none. Returns the file. */
export function packUnraidNode(options: {
  readonly nodePackage: string;
  readonly epoch: number;
  readonly output: string;
}): string {
  const { nodePackage, epoch, output } = options;
  const version = nodeVersion(nodePackage);
  const tree = createPackageTree();
  try {
    tree.copy(join(nodePackage, "bin", "node"), `${HOME}/node/bin/node`, 0o755);
    tree.copy(join(nodePackage, "LICENSE"), `${HOME}/node/LICENSE`);
    return packSlackware(tree, join(output, `vfio-watch-node-${version}-x86_64-1.txz`), epoch);
  } finally {
    tree.remove();
  }
}

/** Fills in the plugin's definition. Without a Node package that entry names one that is not there yet. */
export function writePluginDefinition(
  options: UnraidOptions & { readonly plugin: string; readonly nodePackage: string },
): string {
  const { version, epoch, output, plugin, nodePackage } = options;
  const name = (path: string) => path.slice(path.lastIndexOf("/") + 1);
  const values: Readonly<Record<string, string>> = {
    PLUGIN_VERSION: pluginVersion(epoch),
    CHANGES: escapeXml(newestChanges(readFileSync(join(project, "CHANGELOG.md"), "utf8"), version)),
    VERSION: version,
    PACKAGE: name(plugin),
    PACKAGE_SHA256: sha256(plugin),
    NODE_PACKAGE: name(nodePackage),
    NODE_PACKAGE_SHA256: sha256(nodePackage),
  };
  const fill = (source: string, target: string) => {
    const text = readFileSync(join(project, source), "utf8").replace(
      /@([A-Z0-9_]+)@/g,
      (mark, key: string) => {
        const value = values[key];
        if (value === undefined) throw new Error(`${source} asks for ${mark}, which nobody knows`);
        return value;
      },
    );
    const file = join(output, target);
    writeFileSync(file, text);
    return file;
  };
  fill("unraid/community-applications.xml", "community-applications.xml");
  fill("unraid/ca_profile.xml", "ca_profile.xml");
  return fill("unraid/vfio-watch.plg", "vfio-watch.plg");
}

/** The plugin manager compares versions as text; with the minute, two releases of a day are both offered. */
export function pluginVersion(epoch: number): string {
  const [day = "", time = ""] = new Date(epoch * 1000).toISOString().split("T");
  return `${day.replaceAll("-", ".")}.${time.slice(0, 5).replace(":", "")}`;
}

/** What a user notices of the newest version, in the plugin manager's Markdown. */
export function newestChanges(changelog: string, version: string): string {
  const [, newest = ""] = changelog.split(/^## /m);
  const [, ...lines] = newest.trim().split("\n");
  // The page shows these in a narrow column: a line each.
  const items = lines
    .join("\n")
    .trim()
    .replace(/\n {2,}/g, " ");
  return `###${version}\n${items}`;
}

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** A Slackware package: `./` first and the rest without it, as makepkg writes them and removepkg expects them. */
function packSlackware(tree: PackageTree, file: string, epoch: number): string {
  const names = ["./", ...tree.paths()].join("\0");
  const archive = execFileSync(
    "tar",
    [
      "--create",
      "--no-recursion",
      "--null",
      "--files-from=-",
      "--format=gnu",
      `--mtime=@${epoch}`,
      "--owner=root:0",
      "--group=root:0",
      "--numeric-owner",
    ],
    { cwd: tree.root, input: names, maxBuffer: 2 ** 30, env: { ...process.env, LC_ALL: "C" } },
  );
  // Blocks of a set size, so that the bytes are the same on any number of processors.
  const packed = execFileSync(
    "xz",
    ["-9", "--threads=2", "--block-size=64MiB", "--check=crc32", "--stdout"],
    {
      input: archive,
      maxBuffer: 2 ** 30,
    },
  );
  writeFileSync(file, packed);
  return file;
}
