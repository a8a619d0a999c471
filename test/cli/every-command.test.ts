import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { COMMAND_LOADERS, type CommandName } from "../../src/cli/commands.ts";
import { createProgressBar } from "../../src/cli/progress-bar.ts";
import { mayBeHidden } from "../../src/daemon/runtime-state.ts";
import { textWidth } from "../../src/text-columns.ts";
import { runProgram } from "../helpers/command-io.ts";
import { BIOS_A95, bad, good, hostFacts, storeHistory } from "../helpers/made-history.ts";
import { temporaryDirectory } from "../helpers/recorded-tree.ts";
import { opened } from "../store/samples.ts";

const directory = temporaryDirectory();
after(() => directory.remove());
const root = join(directory.path, "root");
mkdirSync(root);
const env = { VFIO_WATCH_ROOT: root, VFIO_WATCH_RUNTIME_DIRECTORY: join(directory.path, "run") };
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

/** Commands that read the history, as somebody asks them first. */
const ASKED: readonly (readonly [CommandName, ...string[]])[] = [
  ...(["status", "doctor", "starts", "show", "check", "advise", "blame", "history", "boots"] as const).map(
    (name) => [name] as const,
  ),
  ...(["diff", "facts", "report", "alerts"] as const).map((name) => [name] as const),
];

describe("every command that reads the history", () => {
  for (const [name, ...args] of ASKED) {
    it(`${name} prints one valid document from an empty and from a full one`, async () => {
      for (const database of [empty, full]) {
        const { code, out } = await runProgram([name, ...args, "--json", "--database", database], env);
        assert.ok([0, 1, 3, 4].includes(code), `${code}`);
        assert.equal(out.trimEnd().split(/^}$/m).length, 2, "one document, which the helper has validated");
        assert.doesNotMatch(out, /[^0-9]1[0-9]{12}[^0-9]/, "no time is a number");
      }
    });

    // The report is a document to hand in, in a form that no terminal wraps.
    if (name !== "report")
      it(`${name} fits a terminal of 60 columns`, async () => {
        const { out, err } = await runProgram([name, ...args, "--database", full], env, { columns: 60 });
        for (const line of out.split("\n"))
          if (!(name === "blame" && line.startsWith("BIOS E7E49AMSI")))
            assert.ok(textWidth(line) <= 60, `${line}\n${err}`);
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

  it("ends quietly where nobody reads on", () => {
    const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
    const line = `"${process.execPath}" "${main}" starts --database "${full}"; echo "code $?" >&2`;
    const { stderr } = spawnSync("bash", ["-c", `{ ${line}; } | true`], {
      encoding: "utf8",
      env: { ...process.env, ...env },
    });
    assert.match(stderr, /^code 0$/m);
    assert.doesNotMatch(stderr, /EPIPE|Error/);
  });
});

describe("what an ordinary user can see", () => {
  it("is not that no service runs, where there is one of root's", () => {
    assert.equal(mayBeHidden({}, 1000, directory.path), true);
    assert.equal(mayBeHidden({}, 0, directory.path), false);
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
      told(true, "[1/2] a", "storing boot 4 of 4"),
      "\r[##########..........] a\u001b[K\r[####################] storing boot 4…\u001b[K\r\u001b[K",
    );
  });
});
