import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { needsPrograms } from "../helpers/needs.ts";

const needsPhp = { skip: needsPrograms("php") };
const INCLUDE = join(import.meta.dirname, "../../unraid/plugin/include");
const root = mkdtempSync(join(tmpdir(), "vfio-watch-php-"));
after(() => rmSync(root, { recursive: true }));
mkdirSync(join(root, "usr/local/vfio-watch/bin"), { recursive: true });

/** A process that has ended and that nobody has asked after yet (a zombie) is dead. */
function isAlive(pid: string): boolean {
  try {
    return !/^State:\s*[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

/** Runs the plugin's own PHP with this in the program's place. */
function run(program: string, args: readonly string[], input = ""): { output: string; problem: string } {
  const file = join(root, "usr/local/vfio-watch/bin/vfio-watch");
  writeFileSync(file, `#!/bin/bash\n${program}\n`);
  chmodSync(file, 0o755);
  const code = `
    define("VFIO_WATCH_PATIENCE", 1);
    $_SERVER["DOCUMENT_ROOT"] = ${JSON.stringify(`${root}/usr/local/emhttp`)};
    require ${JSON.stringify(join(INCLUDE, "program.php"))};
    [$arguments, $input] = json_decode(stream_get_contents(STDIN), true);
    echo json_encode(vfio_watch_run($arguments, $input));`;
  return JSON.parse(
    execFileSync("php", ["-r", code], { input: JSON.stringify([args, input]), encoding: "utf8" }),
  );
}

test("arguments arrive as they are, whatever a shell would make of them", needsPhp, () => {
  const hostile = ["$(touch x)", "`id`", "a b", "'", '"', ";", "*", "--", "ä\\n"];
  assert.deepEqual(run('printf "%s\\n" "$@"', hostile).output.trimEnd().split("\n"), hostile);
});

test(
  "a program that finds something is no failure; one that fails is told by its own words",
  needsPhp,
  () => {
    assert.deepEqual(run("echo found; exit 3", []), { output: "found\n", problem: "" });
    assert.deepEqual(run("echo half; echo 'why not' >&2; exit 1", []), { output: "", problem: "why not" });
    assert.match(run("exit 7", []).problem, /ended with code 7 and said nothing/);
  },
);

test("a program that hangs is given up and ended with all that it has started", needsPhp, async () => {
  const { output, problem } = run(
    `echo $$ > '${root}/pid'; sleep 100 & echo $! > '${root}/child'; echo begun; wait`,
    [],
  );
  assert.equal(output, "");
  assert.match(problem, /did not answer within 1 seconds/);
  for (const name of ["pid", "child"]) {
    const pid = readFileSync(join(root, name), "utf8").trim();
    // The signal is sent when PHP is done; that the process is gone takes the kernel a moment on a busy machine.
    for (let round = 0; isAlive(pid); round++) {
      assert.ok(round < 500, `${name} lives on`);
      await pause(20);
    }
  }
});

test("much input and much output at once do not lock each other", needsPhp, () => {
  const input = "x".repeat(300_000);
  assert.equal(run("cat", [], input).output, input);
  assert.equal(run("exec 0<&-; echo done", [], input).output, "done\n");
});

test("a program that never stops talking is stopped", needsPhp, () => {
  assert.match(run("exec yes", []).problem, /did not answer/);
});
