import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { packageAll } from "../../tools/package.ts";
import { project } from "../../tools/package-tree.ts";
import { needsPrograms } from "../helpers/needs.ts";
import { smallNodePackage, temporaryDirectory } from "./packages.ts";
import { readPluginDefinition } from "./plugin-definition.ts";

const temporary = temporaryDirectory();
const output = join(temporary.path, "first");
const again = join(temporary.path, "second");
const UNRAID = /^vfio-watch-\d.*\.txz$/;
const DEBIAN = /^vfio-watch_.*_amd64\.deb$/;
const NPM = /^vfio-watch-\d.*\.tgz$/;
const skip = needsPrograms("tar", "xz", "dpkg-deb", "npm");

before(async () => {
  if (skip) return;
  const node = smallNodePackage(temporary.path);
  process.env.SOURCE_DATE_EPOCH = "1790000000";
  await packageAll(output, node);
  await packageAll(again, node);
});
after(temporary.remove);

function file(pattern: RegExp): string {
  const name = readdirSync(output).find((entry) => pattern.test(entry));
  assert.ok(name, `a package like ${pattern}`);
  return join(output, name);
}

function unpacked(archive: string, name: string): string {
  const directory = join(temporary.path, name);
  mkdirSync(directory);
  execFileSync("tar", ["-xf", archive, "-C", directory]);
  return directory;
}

/** The text of a file of the .deb. */
function unpackedDebian(path: string): string {
  const directory = join(temporary.path, "debian-files");
  execFileSync("dpkg-deb", ["--extract", file(DEBIAN), directory]);
  return readFileSync(join(directory, path), "utf8");
}

test("the same sources give the same bytes", { skip }, () => {
  assert.ok(readdirSync(output).length >= 6);
  assert.deepEqual(readdirSync(again), readdirSync(output));
  for (const name of readdirSync(output)) {
    assert.ok(readFileSync(join(output, name)).equals(readFileSync(join(again, name))), name);
  }
});

test("Unraid's package belongs to root, writes for root alone, and runs what is to be run", { skip }, () => {
  const listing = execFileSync("tar", ["-tvf", file(UNRAID), "--numeric-owner"], {
    encoding: "utf8",
  });
  const entries = listing
    .trim()
    .split("\n")
    .map((line) => /^(\S+) (\S+) +\d+ \S+ \S+ (.*)$/.exec(line) ?? []);
  assert.ok(entries.length > 40);
  assert.equal(entries[0]?.[3], "./");
  const executable: string[] = [];
  for (const [line, mode = "", owner, path = ""] of entries) {
    assert.equal(owner, "0/0", line);
    assert.match(mode, /^(?:drwxr-xr-x|-rwxr-xr-x|-rw-r--r--)$/, line);
    if (mode === "-rwxr-xr-x") executable.push(path);
  }
  for (const path of ["etc/rc.d/rc.vfio-watch", "usr/local/vfio-watch/bin/vfio-watch", "install/doinst.sh"])
    assert.ok(executable.includes(path), path);
  for (const path of executable)
    assert.match(path, /^(?:etc\/rc\.d|install|.*\/(?:event|scripts|bin|sqlite))\//);
});

test("no package knows where it was built", { skip }, () => {
  const places = [project, temporary.path, homedir() === "/" ? project : `${homedir()}/`];
  const roots = [
    unpacked(file(UNRAID), "unraid"),
    unpacked(file(NPM), "npm"),
    join(temporary.path, "debian"),
  ];
  execFileSync("dpkg-deb", ["--raw-extract", file(DEBIAN), join(temporary.path, "debian")]);
  for (const root of roots) {
    for (const path of readdirSync(root, { recursive: true, encoding: "utf8" })) {
      // The binding is the package's own, built elsewhere.
      if (path.endsWith(".node")) continue;
      const isText = /\.(?:mjs|json|cfg|sh|page|php|css|js|md|service)$|rc\.|vfio-watch$/.test(path);
      if (!isText || !existsSync(join(root, path))) continue;
      const text = spawnSync("cat", [join(root, path)], { encoding: "utf8" }).stdout;
      for (const place of places) assert.ok(!text.includes(place), `${path} contains ${place}`);
    }
  }
});

test("the plugin's definition names the packages beside it by their checksums", { skip }, () => {
  const text = readFileSync(join(output, "vfio-watch.plg"), "utf8");
  assert.doesNotMatch(text, /@[A-Z_]+@/);
  assert.doesNotMatch(text, /\smax="/, "Unraid would disable the plugin at its next version");
  const files = readPluginDefinition(text);
  const sums = readFileSync(join(output, "SHA256SUMS"), "utf8");
  const downloads = files.filter(({ url }) => url !== undefined);
  // Before an update Unraid downloads every file with a checksum, needed or not; the script fetches Node where it is.
  assert.equal(downloads.length, 1);
  const node = /<!ENTITY node +"([^"]+)"/.exec(text)?.[1] ?? "";
  assert.ok(sums.includes(`${/<!ENTITY nodeSum +"([^"]+)"/.exec(text)?.[1]}  ${node}\n`), node);
  for (const { url = "", sha256 = "", name = "" } of downloads) {
    const base = url.slice(url.lastIndexOf("/") + 1);
    assert.ok(sums.includes(`${sha256}  ${base}\n`), base);
    assert.ok(name.endsWith(`/vfio-watch/${base}`), "cached on the flash stick under its own name");
  }
  for (const { inline = "" } of files.filter(({ run }) => run !== undefined))
    assert.match(inline, /exit 0\s*$/);
});

test("the .deb has its unit, command and scripts, and the Node that runs them", { skip }, () => {
  const listing = execFileSync("dpkg-deb", ["--contents", file(DEBIAN)], { encoding: "utf8" });
  for (const path of [
    "./usr/lib/systemd/system/vfio-watch.service",
    "./usr/bin/vfio-watch -> ../lib/vfio-watch/bin/vfio-watch",
    "./usr/lib/vfio-watch/node/bin/node",
    "./usr/lib/vfio-watch/sqlite/linux-x64.node",
    "./usr/share/man/man1/vfio-watch.1.gz",
    "./usr/share/bash-completion/completions/vfio-watch",
    "./usr/share/zsh/vendor-completions/_vfio-watch",
    "./usr/share/fish/vendor_completions.d/vfio-watch.fish",
  ])
    assert.ok(listing.includes(path), path);
  const field = (name: string) =>
    execFileSync("dpkg-deb", ["--field", file(DEBIAN), name], { encoding: "utf8" });
  assert.doesNotMatch(field("Depends"), /node/);
  // Where an earlier version's second package had its Node, this one's is.
  for (const name of ["Conflicts", "Replaces"]) assert.match(field(name), /^vfio-watch-node$/m);
  const unit = unpackedDebian("usr/lib/systemd/system/vfio-watch.service");
  assert.match(unit, /^ExecStart=\/usr\/lib\/vfio-watch\/bin\/vfio-watch run$/m);
});

test("npm installs the tarball without asking a registry, and the command runs", { skip }, () => {
  const prefix = join(temporary.path, "prefix");
  const options = {
    encoding: "utf8",
    env: { ...process.env, npm_config_cache: join(temporary.path, "cache") },
  } as const;
  const install = [
    "install",
    "--global",
    "--offline",
    "--no-audit",
    "--no-fund",
    "--prefix",
    prefix,
    file(NPM),
  ];
  execFileSync("npm", install, options);
  const said = execFileSync(process.execPath, [join(prefix, "bin", "vfio-watch"), "--version"], options);
  assert.match(said, /^vfio-watch \d+\.\d+\.\d+ \(Node \d+.*, SQLite 3\./);
});

test("every shell script that is shipped passes shellcheck", {
  skip: needsPrograms("shellcheck"),
}, () => {
  const directories = ["unraid/plugin/event", "unraid/plugin/scripts", "unraid/install"];
  const scripts = [
    "rc.d/rc.vfio-watch",
    "tools/launcher.sh",
    ...directories.flatMap((directory) =>
      readdirSync(join(project, directory)).map((name) => join(directory, name)),
    ),
  ].filter((path) => readFileSync(join(project, path), "utf8").startsWith("#!"));
  assert.ok(scripts.length >= 6);
  const { status, stdout } = spawnSync("shellcheck", scripts, { cwd: project, encoding: "utf8" });
  assert.equal(status, 0, stdout);
  const definition = readPluginDefinition(readFileSync(join(project, "unraid", "vfio-watch.plg"), "utf8"));
  for (const { inline } of definition.filter(({ run }) => run === "/bin/bash")) {
    const checked = spawnSync("shellcheck", ["--shell=bash", "-"], {
      input: inline?.trim() ?? "",
      encoding: "utf8",
    });
    assert.equal(checked.status, 0, checked.stdout);
  }
});
