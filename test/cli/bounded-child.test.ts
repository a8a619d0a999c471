import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { needsChild } from "../../src/cli/bounded-child.ts";

const directory = mkdtempSync(join(tmpdir(), "vfio-watch-bounded-"));
after(() => rmSync(directory, { recursive: true, force: true }));
const [paste, log] = ["paste.txt", "syslog.txt"].map((name) => join(directory, name)) as [string, string];
writeFileSync(paste, "x".repeat(1024 ** 2));
writeFileSync(log, "x".repeat(1024 ** 2 + 1));

test("what others wrote is read in a child with bounded memory where it is, or may be, long", () => {
  const cases: readonly (readonly [readonly string[], boolean, boolean])[] = [
    [["import", "anything.zip"], true, true],
    [["explain", log], true, true],
    [["explain", "--json", log], true, true],
    [["explain", paste], false, false],
    [["explain", join(directory, "missing.txt")], false, false],
    // A pipe of the shell's is open in this process alone.
    [["explain", "/dev/null"], false, false],
    [["explain", "--batch", log], false, false],
    [["explain", "--help"], false, false],
    [["explain"], false, true],
    [["explain", "--json", "-"], false, true],
    [["blame"], false, false],
    [[], false, false],
  ];
  for (const [args, onTerminal, piped] of cases) {
    assert.equal(needsChild(args, {}, true), onTerminal, `${args.join(" ")}, on a terminal`);
    assert.equal(needsChild(args, {}, false), piped, `${args.join(" ")}, piped`);
    assert.equal(
      needsChild(args, { VFIO_WATCH_BOUNDED: "1" }, false),
      false,
      `${args.join(" ")}, in the child`,
    );
  }
});
