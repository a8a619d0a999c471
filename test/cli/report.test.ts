import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { EXIT } from "../../src/cli/command.ts";
import { vmName } from "../../src/model/identifiers.ts";
import { runProgram } from "../helpers/command-io.ts";
import { withRecording } from "../report/replayed.ts";
import { sampleAttempt } from "../store/samples.ts";

const directory = mkdtempSync(join(tmpdir(), "vfio-watch-report-"));
after(() => rmSync(directory, { recursive: true, force: true }));

/** A host with nothing but a name and a kernel, so that no test depends on the machine it runs on. */
const root = join(directory, "root");
mkdirSync(join(root, "proc/sys/kernel"), { recursive: true });
mkdirSync(join(root, "home/frodo"), { recursive: true });
writeFileSync(join(root, "proc/sys/kernel/hostname"), "gondor\n");
writeFileSync(join(root, "proc/version"), "Linux version 6.12.54-Unraid (build@x) #1 SMP\n");
writeFileSync(join(root, "proc/cmdline"), "quiet ip=192.168.7.9 host=gondor\n");

const report = (...args: string[]) =>
  runProgram(["report", ...args], { VFIO_WATCH_ROOT: root }, { columns: 80, color: true });

describe("vfio-watch report", () => {
  it("reports the newest failed start as Markdown, without colours", () =>
    withRecording("bios-update", async (store) => {
      const { code, out, err } = await report("--database", store.path);
      assert.equal(code, EXIT.ok);
      assert.equal(err, "");
      assert.match(out, /^# 'Windows 11' did not start$/m);
      assert.doesNotMatch(out, /\u001b/);
    }));

  it("reports the start that was asked for, of whatever outcome", () =>
    withRecording("bios-update", async (store) => {
      const { code, out } = await report("#3", "--database", store.path, "--format", "text");
      assert.equal(code, EXIT.ok);
      assert.match(out, /^'Windows 11' started\n=+\n/);
      assert.match(out, /E7E49AMSI\.1A63/);
      assert.doesNotMatch(out, /Questions for the board's vendor/);
    }));

  it("takes --json as every other command does, also where nothing can be reported", () =>
    withRecording("bios-update", async (store) => {
      const asked = await report("--json", "--database", store.path);
      assert.equal(asked.code, EXIT.ok);
      assert.equal(JSON.parse(asked.out).outcome.word, "failed");
      const refused = await report("9999", "--json", "--database", store.path);
      assert.equal(refused.code, EXIT.failure);
      assert.match(JSON.parse(refused.out).error, /9999/);
      const torn = await report("--json", "--format", "html", "--database", store.path);
      assert.equal(torn.code, EXIT.usage);
    }));

  it("takes the form from the ending of the file, and says where it wrote", () =>
    withRecording("bios-update", async (store) => {
      for (const [ending, beginning] of [
        ["html", "<!DOCTYPE html>"],
        ["json", "{"],
        ["bbcode", "[b]"],
        ["txt", "'Windows 11'"],
        ["md", "# "],
        ["log", "# "],
      ]) {
        const file = join(directory, `report.${ending}`);
        const { code, out, err } = await report("--database", store.path, "--output", file);
        assert.equal(code, EXIT.ok);
        assert.equal(out, "");
        assert.equal(err, `Written to ${file}.\n`);
        assert.ok(readFileSync(file, "utf8").startsWith(beginning ?? ""), ending);
      }
    }));

  it("says why a file cannot be written", () =>
    withRecording("bios-update", async (store) => {
      const { code, err } = await report(
        "--database",
        store.path,
        "--output",
        join(directory, "none", "x.md"),
      );
      assert.equal(code, EXIT.failure);
      assert.match(err, /could not be written: ENOENT.* Name another place with --output\./);
    }));

  it("names what it does not know: a start, a VM, a format", () =>
    withRecording("bios-update", async (store) => {
      const none = await report("99", "--database", store.path);
      assert.equal(none.code, EXIT.failure);
      assert.match(none.err, /there is no start 99; 'vfio-watch starts' lists them/);
      const vm = await report("--vm", "Haiku\u001b[2J", "--database", store.path);
      assert.equal(vm.code, EXIT.failure);
      assert.match(vm.err, /there is no VM 'Haiku\\x1b\[2J' in the history; there is/);
      store.attempts.save(sampleAttempt({ id: "other", vm: vmName("Haiku") }), { origin: "imported" });
      const other = await report("2", "--vm", "haiku", "--database", store.path);
      assert.match(other.err, /start 2 is one of 'Windows 11', not of 'Haiku'/);
      const format = await report("--format", "pdf", "--database", store.path);
      assert.equal(format.code, EXIT.usage);
      assert.match(format.err, /--format takes markdown, bbcode, text, json, html, html-fragment, not 'pdf'/);
    }));

  it("reports the host as it is where no start has failed, with the names of its people masked", () =>
    withRecording("good-amd", async (store) => {
      const masked = await report("--database", store.path);
      assert.equal(masked.code, EXIT.ok);
      assert.match(masked.out, /^# Passthrough on this host\n\n\*\*No failed start is on record\.\*\*/);
      assert.match(masked.out, /`6\.12\.54-Unraid`/);
      assert.match(masked.out, /`quiet ip=IP-1 host=HOST-1`/);
      const plain = await report("--database", store.path, "--no-redact");
      assert.match(plain.out, /`quiet ip=192\.168\.7\.9 host=gondor`/);
      assert.match(plain.out, /Nothing is masked/);
    }));

  it("lists what is masked for the owner, and leaves what the owner names", () =>
    withRecording("good-amd", async (store) => {
      const listed = await report("--database", store.path, "--masked");
      assert.equal(listed.code, EXIT.ok);
      assert.match(listed.out, /^IP-1 {2,}\d+ places? {2,}192\.168\.7\.9$/m);
      assert.match(listed.out, /^HOST-1 {2,}\d+ places? {2,}gondor$/m);
      const json = await report("--database", store.path, "--masked", "--json");
      assert.ok(JSON.parse(json.out).masked.some(({ value }: { value: string }) => value === "gondor"));
      const shown = await report("--database", store.path, "--show", "ip-1");
      assert.match(shown.out, /`quiet ip=192\.168\.7\.9 host=HOST-1`/);
      assert.match(shown.out, /Left as it is, as asked for: IP 1/);
      const both = await report("--database", store.path, "--show", "IP,HOST");
      assert.match(both.out, /`quiet ip=192\.168\.7\.9 host=gondor`/);
      const none = await report("--database", store.path, "--show", "MAC-9");
      assert.match(none.err, /nothing in this report is MAC-9; --masked lists what is/);
      assert.equal((await report("--database", store.path, "--show", "MCA")).code, EXIT.usage);
      assert.equal((await report("--database", store.path, "--no-redact", "--masked")).code, EXIT.usage);
    }));

  it("says how a VM did that never failed", () =>
    withRecording("good-amd", async (store) => {
      const { out } = await report("--vm", "Windows 11", "--database", store.path);
      assert.match(out, /^# Passthrough of 'Windows 11'/);
      assert.match(out, /## What was tried/);
    }));

  it("reports the host even before anything is on record, but no start", async () => {
    const missing = join(directory, "nothing", "history.db");
    const host = await report("--database", missing, "--format", "json");
    assert.equal(host.code, EXIT.ok);
    const { title, notes } = JSON.parse(host.out);
    assert.equal(title, "Passthrough on this host");
    assert.ok(notes.some((note: string) => note.startsWith("There is no history: ")));
    const start = await report("1", "--database", missing);
    assert.equal(start.code, EXIT.failure);
    assert.match(start.err, /history\.db/);
  });

  it("gives an example of each use in its help", async () => {
    const { code, out } = await report("--help");
    assert.equal(code, EXIT.ok);
    assert.match(out, /Example: vfio-watch report --format bbcode/);
    assert.match(out, /Example: vfio-watch report 12 --output report\.html/);
  });
});
