import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { COMPLETIONS } from "./completion.ts";
import { createPackageTree, nodeVersion, project } from "./package-tree.ts";

const HOME = "usr/lib/vfio-watch";
const DOC = "usr/share/doc/vfio-watch";
const MAINTAINER = "vfio-watch <vfio-watch@users.noreply.github.com>";

export interface DebianOptions {
  readonly release: string;
  readonly version: string;
  /** A directory with Node's binary and licence. */
  readonly node: string;
  readonly manual: string;
  /** Seconds since 1970. */
  readonly epoch: number;
  readonly output: string;
}

/**
 * Packs the .deb: the program with the Node that it runs under, in a directory of its own, because no Debian up to 13
 * has one that is new enough and the host's own, where there is one, belongs to somebody else. For amd64 alone: there
 * is no passthrough host on another processor that anybody has tried it on. Returns the file.
 */
export function packDebian(options: DebianOptions): string {
  const { release, version, node, manual, epoch, output } = options;
  const tree = createPackageTree();
  try {
    tree.copy(join(release, "vfio-watch.mjs"), `${HOME}/vfio-watch.mjs`);
    tree.copyAll(join(release, "lib"), `${HOME}/lib`);
    tree.copyAll(join(release, "config"), `${HOME}/config`);
    tree.copy(join(release, "sqlite", "linux-x64.node"), `${HOME}/sqlite/linux-x64.node`);
    tree.copy(join(node, "bin", "node"), `${HOME}/node/bin/node`, 0o755);
    tree.copy("tools/launcher.sh", `${HOME}/bin/vfio-watch`, 0o755);
    tree.link("usr/bin/vfio-watch", "../lib/vfio-watch/bin/vfio-watch");
    tree.write("usr/lib/systemd/system/vfio-watch.service", unitWithLauncher());
    tree.write("usr/share/man/man1/vfio-watch.1.gz", gzipSync(manual, { level: 9 }));
    tree.write("usr/share/bash-completion/completions/vfio-watch", COMPLETIONS.bash);
    tree.write("usr/share/zsh/vendor-completions/_vfio-watch", COMPLETIONS.zsh);
    tree.write("usr/share/fish/vendor_completions.d/vfio-watch.fish", COMPLETIONS.fish);
    tree.write(`${DOC}/copyright`, copyright(release, node));
    tree.write(`${DOC}/changelog.gz`, gzipSync(debianChangelog(version, epoch), { level: 9 }));
    tree.copy("CHANGELOG.md", `${DOC}/CHANGELOG.md`);
    tree.copy("config/vfio-watch.cfg", `${DOC}/examples/vfio-watch.cfg`);
    tree.write("usr/share/lintian/overrides/vfio-watch", LINTIAN);
    const kilobytes = tree.paths().reduce((sum, path) => sum + Math.ceil(tree.bytes(path) / 1024), 0);
    tree.write(
      "DEBIAN/control",
      control({
        Package: "vfio-watch",
        Version: version,
        Architecture: "amd64",
        "Installed-Size": String(kilobytes),
        // What Node's binary is linked against.
        Depends: "libc6 (>= 2.34), libgcc-s1, libstdc++6",
        // Earlier versions had Node in a package of its own, at the same place.
        Conflicts: "vfio-watch-node",
        Replaces: "vfio-watch-node",
        Recommends: "systemd, libvirt-daemon-system | libvirt-daemon | qemu-server",
        Description:
          "says why a VM with passed-through devices does not start\n" +
          " Watches the kernel log, VFIO and libvirt or Proxmox for VM starts that fail\n" +
          " on the IOMMU, explains them, keeps a history, and tells which change broke\n" +
          " them.\n" +
          " .\n" +
          " Brings the Node.js that it runs under, for itself alone.",
      }),
    );
    tree.write("DEBIAN/postinst", AFTER_INSTALL, 0o755);
    tree.write("DEBIAN/prerm", BEFORE_REMOVE, 0o755);
    tree.write("DEBIAN/postrm", AFTER_REMOVE, 0o755);
    return pack(tree, join(output, `vfio-watch_${version}_amd64.deb`), epoch);
  } finally {
    tree.remove();
  }
}

/** The shipped unit names Node by its usual place; here the launcher knows which one to take. */
function unitWithLauncher(): string {
  const shipped = readFileSync(join(project, "systemd", "vfio-watch.service"), "utf8");
  const unit = shipped.replace(/^ExecStart=.*$/m, `ExecStart=/${HOME}/bin/vfio-watch run`);
  if (unit === shipped) throw new Error("systemd/vfio-watch.service has no ExecStart line to replace");
  return unit;
}

function copyright(release: string, node: string): string {
  const parts = [
    ["vfio-watch", join(release, "LICENSE")],
    ["Packages that are inside vfio-watch", join(release, "THIRD-PARTY-LICENSES")],
    [`Node.js ${nodeVersion(node)}, in /${HOME}/node`, join(node, "LICENSE")],
  ] as const;
  return parts
    .map(([name, file]) => `${name}\n\n${readFileSync(file, "utf8").trim()}\n`)
    .join(`\n${"=".repeat(80)}\n\n`);
}

/** In Debian's form, because its tools read it; the changes themselves stand in the project's own file beside it. */
function debianChangelog(version: string, epoch: number): string {
  const date = new Date(epoch * 1000).toUTCString().replace("GMT", "+0000");
  return `vfio-watch (${version}) unstable; urgency=medium\n\n  * See CHANGELOG.md beside this file.\n\n -- ${MAINTAINER}  ${date}\n`;
}

/** What lintian finds that is meant to be so, with the reason. */
const LINTIAN = `# Node's binary and SQLite's binding are those that their projects built, byte for byte, and have their libraries inside.
vfio-watch: unstripped-binary-or-object *
vfio-watch: embedded-library *
vfio-watch: hardening-no-pie *
# The licences of all that is inside stand there whole, as their owners ask.
vfio-watch: copyright-file-contains-full-apache-2-license
vfio-watch: copyright-not-using-common-license-for-gpl
vfio-watch: old-fsf-address-in-copyright-file
# A package of the project itself, outside of Debian, closes no bug there.
vfio-watch: initial-upload-closes-no-bugs
# Started by the launcher, never by itself: it has to be told which Node.
vfio-watch: script-not-executable [usr/lib/vfio-watch/vfio-watch.mjs]
`;

function control(fields: Readonly<Record<string, string>>): string {
  const all = {
    ...fields,
    Maintainer: MAINTAINER,
    Section: "admin",
    Priority: "optional",
    Homepage: "https://github.com/vfio-watch/vfio-watch",
  };
  return Object.entries(all)
    .map(([key, value]) => `${key}: ${value}\n`)
    .join("");
}

function pack(tree: ReturnType<typeof createPackageTree>, file: string, epoch: number): string {
  tree.setTimes(epoch);
  execFileSync(
    "dpkg-deb",
    // More than one thread gives the same bytes whatever their number; one alone gives others.
    ["--root-owner-group", "-Zxz", "-z6", "--threads-max=2", "--build", tree.root, file],
    {
      env: { ...process.env, SOURCE_DATE_EPOCH: String(epoch) },
      stdio: ["ignore", "ignore", "inherit"],
    },
  );
  return file;
}

// deb-systemd-helper and -invoke (init-system-helpers, on every Debian) keep what the owner has enabled, disabled or
// masked, and ask policy-rc.d, as Debian's own packages do.
const AFTER_INSTALL = `#!/bin/sh
set -e
if [ "$1" = configure ]; then
  deb-systemd-helper unmask vfio-watch.service >/dev/null || true
  if deb-systemd-helper --quiet was-enabled vfio-watch.service; then
    deb-systemd-helper enable vfio-watch.service >/dev/null || true
  else
    deb-systemd-helper update-state vfio-watch.service >/dev/null || true
  fi
  if [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload >/dev/null || true
    deb-systemd-invoke restart vfio-watch.service ||
      echo "vfio-watch did not start; 'systemctl status vfio-watch' says why." >&2
  fi
fi
`;

const BEFORE_REMOVE = `#!/bin/sh
set -e
# Also before an upgrade: what a running one loads later is gone then.
if [ -d /run/systemd/system ]; then
  deb-systemd-invoke stop vfio-watch.service || true
fi
`;

const AFTER_REMOVE = `#!/bin/sh
set -e
if [ "$1" = remove ]; then
  if [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload >/dev/null || true
  fi
  deb-systemd-helper mask vfio-watch.service >/dev/null || true
  if [ -d /var/lib/vfio-watch ]; then
    echo "What vfio-watch has seen stays in /var/lib/vfio-watch until it is purged."
  fi
fi
if [ "$1" = purge ]; then
  deb-systemd-helper purge vfio-watch.service >/dev/null || true
  deb-systemd-helper unmask vfio-watch.service >/dev/null || true
  rm -rf /var/lib/vfio-watch /etc/vfio-watch
fi
`;
