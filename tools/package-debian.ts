import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Manual } from "./manual.ts";
import { createPackageTree, nodeVersion } from "./package-tree.ts";

const HOME = "usr/lib/vfio-watch";
const MAINTAINER = "vfio-watch <vfio-watch@users.noreply.github.com>";

/** Debian's name of a processor, and Node's. */
const ARCHITECTURES = [
  ["amd64", "linux-x64"],
  ["arm64", "linux-arm64"],
] as const;

export interface DebianOptions {
  readonly release: string;
  readonly version: string;
  readonly manual: Manual;
  /** Seconds since 1970. */
  readonly epoch: number;
  readonly output: string;
}

/** Packs one .deb for each processor. Returns the files. */
export function packDebian({ release, version, manual, epoch, output }: DebianOptions): readonly string[] {
  return ARCHITECTURES.map(([architecture, machine]) => {
    const tree = createPackageTree();
    try {
      tree.copy(join(release, "vfio-watch.mjs"), `${HOME}/vfio-watch.mjs`);
      tree.copyAll(join(release, "lib"), `${HOME}/lib`);
      tree.copyAll(join(release, "config"), `${HOME}/config`);
      tree.copy(join(release, "sqlite", `${machine}.node`), `${HOME}/sqlite/${machine}.node`);
      tree.copy("tools/launcher.sh", `${HOME}/bin/vfio-watch`, 0o755);
      tree.link("usr/bin/vfio-watch", "../lib/vfio-watch/bin/vfio-watch");
      tree.copy("systemd/vfio-watch.service", "usr/lib/systemd/system/vfio-watch.service");
      tree.write("usr/share/man/man1/vfio-watch.1.gz", gzipSync(manual.page, { level: 9 }));
      tree.write("usr/share/bash-completion/completions/vfio-watch", manual.completion);
      const license = readFileSync(join(release, "LICENSE"), "utf8");
      const others = readFileSync(join(release, "THIRD-PARTY-LICENSES"), "utf8");
      tree.write("usr/share/doc/vfio-watch/copyright", `${license}\n${others}`);
      tree.write(
        "DEBIAN/control",
        control({
          Package: "vfio-watch",
          Version: version,
          Architecture: architecture,
          Depends: "libc6 (>= 2.34), vfio-watch-node (>= 22.18) | nodejs (>= 22.18)",
          Recommends: "systemd, libvirt-daemon-system | libvirt-daemon | qemu-server",
          Description:
            "says why a VM with passed-through devices does not start\n" +
            " Watches the kernel log, VFIO and libvirt or Proxmox for VM starts that fail on the\n" +
            " IOMMU, explains them, keeps a history, and tells which change broke them.",
        }),
      );
      tree.write("DEBIAN/postinst", AFTER_INSTALL, 0o755);
      tree.write("DEBIAN/prerm", BEFORE_REMOVE, 0o755);
      tree.write("DEBIAN/postrm", AFTER_REMOVE, 0o755);
      return pack(tree, join(output, `vfio-watch_${version}_${architecture}.deb`), epoch);
    } finally {
      tree.remove();
    }
  });
}

/** Packs Node for hosts whose distribution has an older one; in a directory of its own, so that it is in nobody's way. */
export function packDebianNode(options: {
  readonly nodePackage: string;
  readonly epoch: number;
  readonly output: string;
}): string {
  const { nodePackage, epoch, output } = options;
  const version = nodeVersion(nodePackage);
  const tree = createPackageTree();
  try {
    tree.copy(join(nodePackage, "bin", "node"), `${HOME}/node/bin/node`, 0o755);
    tree.copy(join(nodePackage, "LICENSE"), "usr/share/doc/vfio-watch-node/copyright");
    tree.write(
      "DEBIAN/control",
      control({
        Package: "vfio-watch-node",
        Version: version,
        Architecture: "amd64",
        Depends: "libc6 (>= 2.28), libstdc++6",
        Description:
          "Node.js for vfio-watch alone\n For hosts whose own Node.js is older than 22.18, or that have none.",
      }),
    );
    return pack(tree, join(output, `vfio-watch-node_${version}_amd64.deb`), epoch);
  } finally {
    tree.remove();
  }
}

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
    ["--root-owner-group", "-Zxz", "-z9", "--threads-max=1", "--build", tree.root, file],
    {
      env: { ...process.env, SOURCE_DATE_EPOCH: String(epoch) },
      stdio: ["ignore", "ignore", "inherit"],
    },
  );
  return file;
}

const AFTER_INSTALL = `#!/bin/sh
set -e
if [ "$1" = configure ] && command -v systemctl >/dev/null; then
  # An upgrade leaves it as the owner has set it.
  [ -n "$2" ] || systemctl enable vfio-watch.service >/dev/null 2>&1 || true
  if [ -d /run/systemd/system ]; then
    systemctl daemon-reload || true
    if systemctl is-enabled --quiet vfio-watch.service; then
      systemctl restart vfio-watch.service || echo "vfio-watch did not start; 'systemctl status vfio-watch' says why." >&2
    fi
  fi
fi
`;

const BEFORE_REMOVE = `#!/bin/sh
set -e
# Also before an upgrade: what a running one loads later is gone then.
if [ -d /run/systemd/system ]; then
  systemctl stop vfio-watch.service || true
fi
if [ "$1" = remove ] && command -v systemctl >/dev/null; then
  systemctl disable vfio-watch.service >/dev/null 2>&1 || true
fi
`;

const AFTER_REMOVE = `#!/bin/sh
set -e
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload || true
fi
if [ "$1" = remove ] && [ -d /var/lib/vfio-watch ]; then
  echo "What vfio-watch has seen stays in /var/lib/vfio-watch until it is purged."
fi
if [ "$1" = purge ]; then
  rm -rf /var/lib/vfio-watch /etc/vfio-watch
fi
`;
