import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { COMMAND_LOADERS, COMMAND_SUMMARIES, type CommandName } from "../../src/cli/commands.ts";
import { writeManual } from "../../tools/manual.ts";
import { needsPrograms } from "../helpers/needs.ts";

const directory = mkdtempSync(join(tmpdir(), "manual-"));
after(() => rmSync(directory, { recursive: true }));
const { page, completion } = await writeManual("1.2.3");
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
});

/** What bash offers after these words, of which the last is being written. */
function offered(...words: readonly string[]): readonly string[] {
  const file = join(directory, "completion");
  writeFileSync(file, completion);
  const script = `. "$1"; shift; COMP_WORDS=(vfio-watch "$@"); COMP_CWORD=$#; _vfio_watch; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const said = execFileSync("bash", ["--norc", "-uec", script, "bash", file, ...words], { encoding: "utf8" });
  return said.split("\n").filter(Boolean);
}

test("bash completes commands, what some go on with, and the options of each", () => {
  assert.deepEqual(offered("st"), ["status", "starts"]);
  assert.deepEqual(offered("").slice(0, names.length), names);
  assert.deepEqual(offered("alerts", ""), ["list", "show", "ack", "silence", "test"]);
  assert.deepEqual(offered("service", "un"), ["uninstall"]);
  assert.deepEqual(offered("report", "--no"), ["--no-redact"]);
  assert.deepEqual(offered("starts", "--failed", "--ju"), []);
});

test("where a value or a file's name comes next bash is left to complete files", () => {
  assert.deepEqual(offered("starts", "--database", ""), []);
  assert.deepEqual(offered("explain", ""), []);
  assert.match(completion, /^complete -o default /m);
});
