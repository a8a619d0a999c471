import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { COMMAND_LOADERS, type CommandName } from "../../src/cli/commands.ts";
import { createProgressBar } from "../../src/cli/progress-bar.ts";
import { mayBeHidden } from "../../src/daemon/runtime-state.ts";
import { textWidth } from "../../src/text-columns.ts";
import { type CommandOutcome, runProgram } from "../helpers/command-io.ts";
import { BIOS_A95, bad, good, hostFacts, storeHistory } from "../helpers/made-history.ts";
import { temporaryDirectory } from "../helpers/recorded-tree.ts";
import { opened } from "../store/samples.ts";

const directory = temporaryDirectory();
after(() => directory.remove());
const root = join(directory.path, "root");
mkdirSync(root);
const env = { VFIO_WATCH_ROOT: root, VFIO_WATCH_RUNTIME_DIRECTORY: join(directory.path, "run") };
// A host with another board: what it has must never be told as that of the history.
const other = join(directory.path, "other");
mkdirSync(join(other, "sys/class/dmi/id"), { recursive: true });
writeFileSync(join(other, "sys/class/dmi/id/board_name"), "PRIME B550-PLUS\n");
chmodSync(directory.path, 0o755);
const [full, empty] = ["full", "empty"].map((name) => join(directory.path, `${name}.db`)) as [string, string];
const store = opened(full);
storeHistory(store, [
  {
    facts: hostFacts(),
    starts: [good(), good(1, { vm: "视窗 with a name that is far too long for a small terminal" })],
  },
  { facts: hostFacts(BIOS_A95), starts: [bad(2)] },
]);
store.close();
opened(empty).close();

/** Commands that read the history, as somebody asks them first, and where they take a VM how. */
const ASKED: readonly (readonly [CommandName, ...string[]])[] = [
  ["status"],
  ["doctor"],
  ["starts", "--vm"],
  ["show"],
  ["check", ""],
  ["advise"],
  ["blame", "--vm"],
  ["history", "--vm"],
  ["boots"],
  ["diff", "--vm"],
  ["facts"],
  ["report", "--vm"],
  ["alerts"],
];
const RECORDING = fileURLToPath(new URL("../fixtures/recordings/bios-update", import.meta.url));
/** All other commands but `run`, which is the service, as somebody asks them first. */
const NOT_OF_THE_HISTORY: readonly (readonly [CommandName, ...string[]])[] = [
  ["watch"],
  ["import", RECORDING, "--database", join(directory.path, "imported.db")],
  ["config"],
  ["explain", join(RECORDING, "boot2-ivmd-amd/kmsg.txt")],
  ["fleet", "status", "--url", "postgresql://nobody@127.0.0.1:1/fleet"],
  ["replay", RECORDING],
  ["signatures"],
  ["service", "status"],
  ["page", "tools"],
];
const NOBODY = 65534;
/** What nobody should have to read: a stack, or an errno in place of a sentence. */
const UNEXPECTED = /EPIPE|unexpected error|^ {4}at /m;
const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

it("knows every command", () => {
  const known = [...ASKED, ...NOT_OF_THE_HISTORY].map(([name]) => name);
  assert.deepEqual(["run", ...known].toSorted(), Object.keys(COMMAND_LOADERS).toSorted());
});

describe("every command that does not", () => {
  it("is listed with the others in 60 columns", async () => {
    const { out } = await runProgram(["--help"], env, { columns: 60 });
    for (const line of out.split("\n")) assert.ok(textWidth(line) <= 60, line);
  });

  for (const [name, ...args] of NOT_OF_THE_HISTORY) {
    // A page is drawn by a browser.
    if (name !== "page")
      it(`${name} fits a terminal of 60 columns`, async () => {
        const { out, err } = await runProgram([name, ...args], env, { columns: 60 });
        // As above, the first line of blame.
        for (const line of out.split("\n").filter((text) => !/^BIOS \S+ broke passthrough/.test(text)))
          assert.ok(textWidth(line) <= 60, `${line}\n${err}`);
      });

    it(`${name} prints one valid document, where it prints any`, async () => {
      const { options } = await COMMAND_LOADERS[name]();
      if (!("json" in options)) return;
      const { code, out } = await runProgram([name, ...args, "--json"], env);
      assert.ok([0, 1, 3, 4].includes(code), `${code}`);
      assert.equal(out.trimEnd().split(/^}$/m).length, 2, "one document, which the helper has validated");
    });
  }
});

describe("every command that reads the history", () => {
  for (const [name, option] of ASKED) {
    it(`${name} prints one valid document from an empty, a full and a foreign one`, async () => {
      for (const [database, itsRoot] of [[empty], [full], [full, other]]) {
        const args = [name, "--json", "--database", database ?? ""];
        const { code, out } = await runProgram(args, { ...env, VFIO_WATCH_ROOT: itsRoot ?? root });
        assert.ok([0, 1, 3, 4].includes(code), `${code}`);
        assert.equal(out.trimEnd().split(/^}$/m).length, 2, "one document, which the helper has validated");
        assert.doesNotMatch(out, /[^0-9]1[0-9]{12}[^0-9]/, "no time is a number");
        if (itsRoot !== undefined) assert.doesNotMatch(out, /B550/, "nothing of the host that it runs on");
      }
    });

    if (option !== undefined)
      it(`${name} refuses a VM that nobody knows, with those that there are`, async () => {
        // The host that the history is of, so that 'check' knows its VMs.
        const args = [name, ...(option === "" ? [] : [option]), "Windoze 11"];
        const at = { ...env, VFIO_WATCH_ROOT: other };
        const { code, out, err } = await runProgram([...args, "--database", full], at);
        assert.deepEqual({ code, out }, { code: 1, out: "" });
        assert.match(err, /there is no VM 'Windoze 11'.*'Windows 11'/);
        const json = await runProgram([...args, "--json", "--database", full], at);
        assert.equal(json.code, 1);
        assert.match(JSON.parse(json.out).error, /there is no VM 'Windoze 11'/);
      });

    // The report is a document to hand in, in a form that no terminal wraps.
    if (name !== "report")
      it(`${name} fits a terminal of 60 columns`, async () => {
        for (const itsRoot of [root, other]) {
          const at = { ...env, VFIO_WATCH_ROOT: itsRoot };
          const { out, err } = await runProgram([name, "--database", full], at, { columns: 60 });
          // The answer of blame is its first line, whatever the width, for who takes that line alone.
          for (const line of out.split("\n").slice(name === "blame" ? 1 : 0))
            assert.ok(textWidth(line) <= 60, `${line}\n${err}`);
        }
      });
  }

  it("has a schema for each that takes --json", async () => {
    for (const [name, load] of Object.entries(COMMAND_LOADERS)) {
      const { options } = await load();
      // The fleet's answers are described where they are made.
      if (!("json" in options) || name === "fleet") continue;
      const { out } = await runProgram([name, "--json", "--no-such-option"], env);
      assert.equal(typeof JSON.parse(out).error, "string", name);
    }
  });

  it("ends quietly where nobody reads on", async () => {
    const asked = [...ASKED.map(([name]) => [name, "--database", full]), ...NOT_OF_THE_HISTORY];
    const ends = asked.map(async (args) => {
      const child = spawn(process.execPath, [MAIN, ...args], {
        stdio: ["ignore", "pipe", "pipe"],
        env: { ...process.env, ...env },
      });
      child.stdout.destroy();
      let said = "";
      child.stderr.on("data", (text) => {
        said += text;
      });
      const [code] = await once(child, "close");
      assert.ok([0, 1, 3, 4].includes(code), `${args}: ${code} ${said}`);
      assert.doesNotMatch(said, UNEXPECTED, `${args}`);
    });
    await Promise.all(ends);
  });

  it("says to an ordinary user that root's history needs root", { skip: needsNobody() }, async () => {
    const helper = fileURLToPath(new URL("../helpers/run-programs.ts", import.meta.url));
    const runs = [...ASKED.map(([name]) => [name, "--json", "--database", full]), ...NOT_OF_THE_HISTORY];
    const { status, stdout, stderr } = spawnSync(process.execPath, [helper, JSON.stringify(runs)], {
      ...{ uid: NOBODY, gid: NOBODY, cwd: "/", encoding: "utf8" },
      env: { ...process.env, ...env, VFIO_WATCH_RUNTIME_DIRECTORY: "", HOME: "/nonexistent" },
    });
    assert.equal(status, 0, stderr);
    const outcomes = JSON.parse(stdout) as readonly CommandOutcome[];
    for (const [index, { code, out, err }] of outcomes.entries()) {
      assert.doesNotMatch(err, UNEXPECTED);
      const name = ASKED[index]?.[0];
      if (name === undefined) continue;
      assert.match(out, /full\.db may not be read by this user\. Run the command as root/, name);
      assert.equal(code, name === "doctor" ? 3 : 1, name);
    }
    assert.equal(outcomes.length, runs.length);
    const told = (name: string) => outcomes[runs.findIndex(([asked]) => asked === name)];
    // Root's, where it runs: nobody can tell its absence from its not being seen.
    const isHidden = existsSync("/run/vfio-watch");
    for (const name of ["doctor", "watch"])
      assert.equal(
        /root's service runs cannot be seen/.test(`${told(name)?.out}${told(name)?.err}`),
        isHidden,
      );
  });
});

/** Why nothing can be run here as a user without rights; false where it can. */
function needsNobody(): string | false {
  if (process.geteuid?.() !== 0) return "needs root, to become a user without rights";
  const user = { uid: NOBODY, gid: NOBODY };
  const files = [MAIN, process.execPath].map((file) => spawnSync("test", ["-r", file], user).status);
  return files.every((status) => status === 0) ? false : "needs a checkout that every user can read";
}

describe("what an ordinary user can see", () => {
  it("is not that no service runs, where there is one of root's", () => {
    assert.equal(mayBeHidden({}, 1000, directory.path), true);
    assert.equal(mayBeHidden({}, 0, directory.path), false);
    assert.equal(mayBeHidden({ VFIO_WATCH_RUNTIME_DIRECTORY: "/own" }, 1000, directory.path), false);
    assert.equal(mayBeHidden({}, 1000, "/nonexistent"), false);
  });
});

describe("the progress of an import", () => {
  const told = (errIsTerminal: boolean, ...texts: readonly string[]) => {
    let err = "";
    const io = { columns: 40, tableColumns: 40, color: false, env: {}, errIsTerminal, out: () => {} };
    const bar = createProgressBar({
      ...{ ...io, readInput: async () => undefined, async *input() {} },
      err: (text) => {
        err += text;
      },
    });
    for (const text of texts) bar.tell(text);
    bar.end();
    return err;
  };

  it("is one line on a terminal, and a line each elsewhere", () => {
    assert.equal(told(false, "[1/2] a", "[2/2] b"), "vfio-watch: [1/2] a\nvfio-watch: [2/2] b\n");
    assert.equal(
      told(true, "[1/2] a", "[2/2] /boot/logs: syslog.3, file 2 of 2", "storing boot 4 of 4"),
      [
        "[....................] a",
        "[###############.....] syslog.3, file…",
        "[###############.....] storing boot 4…",
      ]
        .map((line) => `\r${line}\u001b[K`)
        .join("")
        .concat("\r\u001b[K"),
    );
  });
});
