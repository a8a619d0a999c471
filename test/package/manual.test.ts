import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { COMMAND_LOADERS, COMMAND_SUMMARIES, type CommandName } from "../../src/cli/commands.ts";
import { vmName } from "../../src/model/identifiers.ts";
import { COMPLETIONS } from "../../tools/completion.ts";
import { writeManual } from "../../tools/manual.ts";
import { needsPrograms } from "../helpers/needs.ts";
import { opened, sampleAttempt } from "../store/samples.ts";

const directory = mkdtempSync(join(tmpdir(), "manual-"));
after(() => rmSync(directory, { recursive: true }));
const page = await writeManual("1.2.3");
const names = Object.keys(COMMAND_SUMMARIES) as CommandName[];

test("the manual page shows every command as --help does, and roff has nothing to complain about", {
  skip: needsPrograms("groff"),
}, async () => {
  const file = join(directory, "vfio-watch.1");
  writeFileSync(file, page);
  const made = spawnSync("groff", ["-man", "-Tutf8", "-ww", "-rLL=200n", "-P-c", file], {
    encoding: "utf8",
    env: { ...process.env, GROFF_NO_SGR: "1" },
  });
  assert.equal(made.stderr, "");
  // Overstruck letters are how a terminal of old was told to print bold.
  const text = made.stdout.replace(/.\u0008/g, "");
  for (const name of names) {
    const { help } = await COMMAND_LOADERS[name]();
    for (const line of help.trim().split("\n")) assert.ok(text.includes(line.trim()), `${name}: ${line}`);
  }
  assert.match(text, /vfio-watch 1\.2\.3/);
  for (const section of ["EXIT STATUS", "FILES", "EXAMPLES"])
    assert.match(text, new RegExp(`^${section}$`, "m"));
});

/** A command `vfio-watch` that is this checkout, with a history to take values from. */
function shellPlace() {
  const bin = join(directory, "bin");
  mkdirSync(bin, { recursive: true });
  const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
  writeFileSync(join(bin, "vfio-watch"), `#!/bin/sh\nexec "${process.execPath}" "${main}" "$@"\n`, {
    mode: 0o755,
  });
  const history = join(directory, "history.db");
  const store = opened(history);
  for (const [id, vm] of Object.entries({ a: "Windows 11", b: "Windows 10", c: "it's 视窗" }))
    store.attempts.save(sampleAttempt({ id, vm: vmName(vm) }), { origin: "live" });
  store.close();
  return {
    PATH: `${bin}:${process.env.PATH}`,
    VFIO_WATCH_DATABASE: history,
    LC_ALL: "C.UTF-8",
    HOME: directory,
  };
}
const env = shellPlace();

/** What bash offers after these words, of which the last is being written. */
function bash(...words: readonly string[]): readonly string[] {
  const file = join(directory, "bash");
  writeFileSync(file, COMPLETIONS.bash);
  const script = `. "$1"; shift; COMP_WORDS=(vfio-watch "$@"); COMP_CWORD=$#; _vfio_watch; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const said = execFileSync("bash", ["--norc", "-uec", script, "bash", file, ...words], {
    encoding: "utf8",
    env,
  });
  return said.split("\n").filter(Boolean);
}

test("bash completes commands, what they go on with, options and values, and leaves files to itself", () => {
  assert.deepEqual(bash("st"), ["status", "starts"]);
  assert.deepEqual(bash("").slice(0, names.length), names);
  assert.deepEqual(bash("alerts", ""), ["list", "show", "ack", "silence", "test"]);
  assert.deepEqual(bash("report", "--no"), ["--no-redact"]);
  assert.deepEqual(bash("blame", "--vm", "Windows\\ 1"), ["Windows\\ 11", "Windows\\ 10"]);
  assert.deepEqual(bash("blame", "--vm", "win"), ["Windows\\ 11", "Windows\\ 10"], "as the commands take it");
  assert.deepEqual(bash("starts", "--database", ""), []);
  assert.deepEqual(bash("explain", ""), []);
  assert.match(COMPLETIONS.bash, /^complete -o default /m);
});

test("fish is offered the same, each with what it is", { skip: needsPrograms("fish") }, () => {
  const file = join(directory, "vfio-watch.fish");
  writeFileSync(file, COMPLETIONS.fish);
  const ask = (line: string) =>
    execFileSync("fish", ["--no-config", "-c", `source ${file}; complete -C ${JSON.stringify(line)}`], {
      ...{ encoding: "utf8", env },
    }).split("\n");
  assert.ok(ask("vfio-watch bla").some((line) => /^blame\twhich BIOS version/.test(line)));
  const starts = ask("vfio-watch show ").filter(Boolean);
  assert.ok(starts.some((line) => /^1\tWindows 11, failed, /.test(line)));
  assert.ok(
    starts.every((line) => /^\d+\t/.test(line)),
    "no files beside them",
  );
  assert.ok(ask(`vfio-watch explain ${file.slice(0, -5)}`).some((line) => line.endsWith("vfio-watch.fish")));
  assert.ok(
    ask("vfio-watch blame --vm it").some(
      (line) => line.startsWith("it\\'s\\ 视窗") || line.startsWith("it's 视窗"),
    ),
  );
});

test("zsh is offered the same through its own completion", { skip: needsPrograms("zsh") }, () => {
  const file = join(directory, "_vfio-watch");
  writeFileSync(file, COMPLETIONS.zsh);
  // What zsh calls a completion with, and what it would take: a terminal is not needed for that.
  const script = `compadd() { while [[ $1 == -* ]]; do [[ $1 == -d || $1 == -M ]] && shift; shift; done; print -rl -- "\${(@P)1}" }
_files() { print -r -- FILES }; compdef() { }
source "$1"; shift; words=(vfio-watch "$@"); CURRENT=$#words; PREFIX=$words[-1]; _vfio_watch`;
  const ask = (...words: readonly string[]) =>
    execFileSync("zsh", ["-f", "-c", script, "zsh", file, ...words], { encoding: "utf8", env })
      .split("\n")
      .filter(Boolean);
  assert.deepEqual(ask("st"), ["status", "starts"]);
  assert.deepEqual(ask("blame", "--vm", "Windows\\ 1"), ["Windows 11", "Windows 10"]);
  assert.deepEqual(ask("explain", ""), ["FILES"]);
});
