import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { TestContext } from "node:test";
import { createHostPaths, type HostPaths } from "../../src/host-paths.ts";

/** A host made of real files below a directory of its own, which goes when the test ends. */
export interface HostTree {
  readonly paths: HostPaths;
  /** Writes a file (host path) and the directories above it. */
  write(path: string, content: string | Uint8Array): void;
  /** Makes a symbolic link (host path) with the given text. */
  link(path: string, target: string): void;
  remove(path: string): void;
}

/** Makes a tree with these files, by host path. */
export function createHostTree(
  context: TestContext,
  files: Readonly<Record<string, string | Uint8Array>> = {},
): HostTree {
  const root = mkdtempSync(join(tmpdir(), "host-tree-"));
  context.after(() => rmSync(root, { recursive: true, force: true }));
  const paths = createHostPaths(root);
  const place = (path: string) => {
    mkdirSync(dirname(paths.at(path)), { recursive: true });
    return paths.at(path);
  };
  const tree: HostTree = {
    paths,
    write: (path, content) => writeFileSync(place(path), content),
    link: (path, target) => symlinkSync(target, place(path)),
    remove: (path) => rmSync(paths.at(path), { recursive: true, force: true }),
  };
  for (const [path, content] of Object.entries(files)) tree.write(path, content);
  return tree;
}
