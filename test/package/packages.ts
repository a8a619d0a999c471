import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { buildRelease } from "../../tools/build.ts";
import { packUnraidNode, packUnraidPlugin, writePluginDefinition } from "../../tools/package-unraid.ts";

/** A directory for packages that goes when the tests are over. */
export function temporaryDirectory(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), "vfio-watch-packages-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/**
 * A directory like the package of Node's binary. The real one takes a minute to pack; this one hands over to the Node
 * that runs the tests.
 */
export function smallNodePackage(directory: string): string {
  const path = join(directory, "small-node");
  mkdirSync(join(path, "bin"), { recursive: true });
  writeFileSync(join(path, "package.json"), '{"version":"v22.18.0"}');
  writeFileSync(join(path, "LICENSE"), "MIT\n");
  writeFileSync(join(path, "bin", "node"), `#!/bin/sh\nexec '${process.execPath}' "$@"\n`);
  chmodSync(join(path, "bin", "node"), 0o755);
  return path;
}

/** Builds Unraid's plugin in one or more versions below `directory`; gives the definition of each. */
export async function buildPlugins(
  directory: string,
  versions: readonly string[],
): Promise<readonly string[]> {
  const release = join(directory, "release");
  await buildRelease(release);
  const node = smallNodePackage(directory);
  return versions.map((version) => {
    const output = join(directory, version);
    mkdirSync(output);
    const common = { release, version, epoch: 1_790_000_000, output };
    const plugin = packUnraidPlugin(common);
    const nodePackage = packUnraidNode({ nodePackage: node, epoch: common.epoch, output });
    return writePluginDefinition({ ...common, plugin, nodePackage });
  });
}

/** Where the packages of a definition can be downloaded. */
export const releasesOf = (definition: string) => dirname(definition);
