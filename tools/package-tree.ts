import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  lstatSync,
  lutimesSync,
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
import { fileURLToPath } from "node:url";

/** The project's own directory. */
export const project = dirname(dirname(fileURLToPath(import.meta.url)));

/** The files of one package before they are packed. Every mode is said, so that the builder's umask has no say. */
export interface PackageTree {
  readonly root: string;
  /** Puts a content there. */
  write(path: string, content: string | Uint8Array, mode?: number): void;
  /** Copies a file of the project, or of anywhere by its full path. */
  copy(from: string, path: string, mode?: number): void;
  /** Copies a whole directory; `mode` says each file's, by its path within. */
  copyAll(from: string, path: string, mode?: (path: string) => number): void;
  link(path: string, target: string): void;
  /** Paths of all files and directories, sorted. */
  paths(): readonly string[];
  /** Size of the file at that path. */
  bytes(path: string): number;
  /** Gives everything one time (seconds since 1970). */
  setTimes(epoch: number): void;
  remove(): void;
}

/** Makes an empty tree in a temporary directory. */
export function createPackageTree(): PackageTree {
  const root = mkdtempSync(join(tmpdir(), "vfio-watch-package-"));
  chmodSync(root, 0o755);

  function directoryFor(path: string): string {
    let made = root;
    for (const part of dirname(path).split("/").filter(Boolean)) {
      made = join(made, part);
      mkdirSync(made, { recursive: true });
      chmodSync(made, 0o755);
    }
    return join(root, path);
  }
  function copy(from: string, path: string, mode = 0o644): void {
    const to = directoryFor(path);
    copyFileSync(from.startsWith("/") ? from : join(project, from), to);
    chmodSync(to, mode);
  }
  const paths = () => listBelow(root);
  return {
    root,
    write(path, content, mode = 0o644) {
      const to = directoryFor(path);
      writeFileSync(to, content);
      chmodSync(to, mode);
    },
    copy,
    copyAll(from, path, mode = () => 0o644) {
      const source = from.startsWith("/") ? from : join(project, from);
      for (const below of listBelow(source)) {
        if (lstatSync(join(source, below)).isFile())
          copy(join(source, below), join(path, below), mode(below));
      }
    },
    link(path, target) {
      symlinkSync(target, directoryFor(path));
    },
    paths,
    bytes: (path) => lstatSync(join(root, path)).size,
    setTimes(epoch) {
      for (const path of [...paths(), "."]) lutimesSync(join(root, path), epoch, epoch);
    },
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
}

/** Sorted by code units, which no locale changes. */
function listBelow(directory: string): readonly string[] {
  return readdirSync(directory, { recursive: true, encoding: "utf8" }).sort();
}

/**
 * The time that everything in a package gets (seconds since 1970): SOURCE_DATE_EPOCH, else the newest commit's, else
 * a fixed one, so that the same sources give the same bytes.
 */
export function packageTime(): number {
  const wanted = process.env.SOURCE_DATE_EPOCH;
  if (wanted !== undefined && /^\d{9,10}$/.test(wanted)) return Number(wanted);
  try {
    return Number(execFileSync("git", ["log", "-1", "--format=%ct"], { cwd: project, encoding: "utf8" }));
  } catch {
    return Date.UTC(2026, 0, 1) / 1000;
  }
}

/** The SHA-256 of a file, in hexadecimal digits. */
export function sha256(file: string): string {
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}

/** The version of the Node in a directory that has its package.json, e.g. `22.18.0`. */
export function nodeVersion(nodePackage: string): string {
  const { version } = JSON.parse(readFileSync(join(nodePackage, "package.json"), "utf8")) as {
    version: string;
  };
  return version.replace(/^v/, "");
}
