import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { realpathSync } from "node:fs";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { EXIT } from "../../src/cli/command.ts";
import { COMMAND_LOADERS, COMMAND_SUMMARIES } from "../../src/cli/commands.ts";
import { runProgram } from "../helpers/command-io.ts";

const run = (...args: string[]) => runProgram(args, {}, { columns: 100 });

/** As a user starts the program from a checkout. */
const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

describe("from a checkout", () => {
  it("is plain JavaScript behind its name, by which an older Node goes", () => {
    assert.match(realpathSync(MAIN), /\/src\/main\.js$/);
  });

  it("turns an older Node away with one sentence and no stack", (context) => {
    const old = ["/usr/bin/node", "/usr/local/bin/node"].find((path) =>
      /^v(?:1\d|2[01])\./.test(spawnSync(path, ["--version"], { encoding: "utf8" }).stdout ?? ""),
    );
    if (old === undefined) return context.skip("this machine has no Node older than 22");
    const { status, stdout, stderr } = spawnSync(old, [MAIN, "status"], { encoding: "utf8" });
    assert.deepEqual({ status, stdout }, { status: 1, stdout: "" });
    assert.match(stderr, /^vfio-watch: this is Node \d+\S+ it needs Node 22\.18 or newer\. [^\n]*\n$/);
  });
});

describe("the command line", () => {
  it("lists every command when asked for help, and on standard error when asked for nothing", async () => {
    const asked = await run("--help");
    assert.equal(asked.code, EXIT.ok);
    for (const name of Object.keys(COMMAND_SUMMARIES))
      assert.match(asked.out, new RegExp(`^  ${name} `, "m"));
    const nothing = await run();
    assert.equal(nothing.code, EXIT.usage);
    assert.equal(nothing.err, asked.out);
  });

  it("suggests the command that was meant", async () => {
    const { code, err } = await run("stats");
    assert.equal(code, EXIT.usage);
    assert.match(err, /no command 'stats'\. Did you mean 'status'/);
  });

  it("names a wrong option and the right usage", async () => {
    const { code, err } = await run("starts", "--colour");
    assert.equal(code, EXIT.usage);
    assert.match(err, /--colour/);
    assert.match(err, /Usage: vfio-watch starts/);
  });

  it("answers wrong arguments of a program with a document too", async () => {
    for (const args of [
      ["starts", "--json", "--limit", "x"],
      ["facts", "nonsense", "--json"],
    ]) {
      const { code, out, err } = await run(...args);
      assert.equal(code, EXIT.usage);
      const { error } = JSON.parse(out);
      assert.ok(err.includes(error), err);
    }
  });

  it("does not pretend to know a command that it is asked about", async () => {
    const { code, out, err } = await run("help", "nonsense");
    assert.equal(code, EXIT.usage);
    assert.equal(out, "");
    assert.match(err, /no command 'nonsense'/);
    assert.equal((await run("help", "starts")).out, (await run("starts", "--help")).out);
  });

  it("refuses a time that is none, with an example of what is", async () => {
    const { code, err } = await run("starts", "--since", "yesteryear");
    assert.equal(code, EXIT.usage);
    assert.match(err, /'yesteryear' is no time; use a span back \(7d/);
  });

  it("says what to do where there is no history", async () => {
    const { code, out, err } = await run("starts", "--database", "/nonexistent/history.db");
    assert.equal(code, EXIT.failure);
    assert.equal(out, "");
    assert.match(err, /\/nonexistent\/history\.db/);
  });

  for (const name of ["starts", "show", "blame", "history", "boots", "diff", "alerts", "explain"]) {
    it(`${name} --json is one document with the reason where nothing could be done`, async () => {
      const missing =
        name === "explain" ? ["/nonexistent/log.txt"] : ["--database", "/nonexistent/history.db"];
      const { code, out, err } = await run(name, "--json", ...missing);
      assert.equal(code, EXIT.failure);
      const { error } = JSON.parse(out);
      assert.match(error, /\/nonexistent\//);
      assert.equal(err, `vfio-watch: ${error}\n`);
    });
  }

  for (const name of ["run", "status", "starts", "history", "boots"]) {
    it(`${name} refuses a word that it would have to ignore`, async () => {
      const { code, err } = await run(name, "tower");
      assert.equal(code, EXIT.usage);
      assert.match(err, /takes options only.*, not 'tower'\nUsage: /);
    });
  }

  it("says in one line of its own that an option lacks its value", async () => {
    const { code, err } = await run("starts", "--limit", "-1");
    assert.equal(code, EXIT.usage);
    assert.equal(err.split("\n").length, 3);
    assert.doesNotMatch(err, /\\x/);
  });

  it("says of a file and of a directory that cannot be explained what to name instead", async () => {
    assert.match(
      (await run("explain", "/nonexistent/log.txt")).err,
      /log\.txt does not exist; name the file/,
    );
    assert.match((await run("explain", import.meta.dirname)).err, /is a directory; name one file in it/);
  });

  for (const name of Object.keys(COMMAND_LOADERS)) {
    it(`${name} --help shows its usage and an example`, async () => {
      const { code, out } = await run(name, "--help");
      assert.equal(code, EXIT.ok);
      assert.match(out, new RegExp(`Usage: vfio-watch ${name}`));
      assert.match(out, new RegExp(`Example: (?:sudo )?vfio-watch ${name}`));
    });
  }
});
