import { spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { withStrippedTypes } from "../keep-stripped.ts";

/** A copy of the project in which faults can be tried. */
export interface Copy {
  readonly path: string;
  /** Where its tests put what they make for a while. */
  readonly temporary: string;
  remove(): void;
}

export type TestEnd = "passed" | "failed" | "hung";

export function copyProject(project: string): Copy {
  // Short, as the sockets that tests make below it may have 108 letters.
  const directory = mkdtempSync(join(tmpdir(), "m-"));
  const path = join(directory, "p");
  const temporary = join(directory, "t");
  mkdirSync(path);
  mkdirSync(temporary);
  for (const name of readdirSync(project)) {
    if (name === "node_modules") symlinkSync(join(project, name), join(path, name));
    else if (name !== ".git" && name !== "dist")
      cpSync(join(project, name), join(path, name), { recursive: true });
  }
  return { path, temporary, remove: () => rmSync(directory, { recursive: true, force: true }) };
}

/**
 * Runs one file of tests. Its first failure ends it, and so do these milliseconds: then it hung. With `coverage` V8
 * leaves there what each process executed, and a failure does not end it sooner.
 */
export function runTest(copy: Copy, test: string, milliseconds: number, coverage?: string): Promise<TestEnd> {
  const { promise, resolve } = Promise.withResolvers<TestEnd>();
  const child = spawn(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", "--test-reporter=tap", test],
    {
      cwd: copy.path,
      stdio: ["ignore", "pipe", "ignore"],
      // Its own group: a test that hangs has children that hang.
      detached: true,
      env: {
        ...withStrippedTypes(process.env),
        TMPDIR: copy.temporary,
        ...(coverage === undefined ? {} : { NODE_V8_COVERAGE: coverage }),
      },
    },
  );
  const endGroup = () => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    } catch {
      // All of it has ended.
    }
  };
  let cut: TestEnd | undefined;
  const cutShort = (end: TestEnd) => {
    cut ??= end;
    endGroup();
  };
  const timer = setTimeout(() => cutShort("hung"), milliseconds);
  let rest = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    if (coverage === undefined && lines.some((line) => /^ *not ok (?!.* # (?:TODO|SKIP))/.test(line)))
      cutShort("failed");
  });
  child.on("exit", (code) => {
    clearTimeout(timer);
    endGroup();
    resolve(cut ?? (code === 0 ? "passed" : "failed"));
  });
  return promise;
}
