import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import { effectiveSettings, shippedFile } from "../src/config/describe.ts";
import { KEY_NAMES, KEYS } from "../src/config/keys.ts";
import { configPaths, describeProblem, loadConfig } from "../src/config.ts";
import { createHostPaths } from "../src/host-paths.ts";
import { cronProblem } from "../src/settings/cron-expression.ts";
import { parseFlatFile, quoteValue } from "../src/settings/flat-file.ts";

const directory = mkdtempSync(join(tmpdir(), "vfio-watch-config-"));
after(() => rmSync(directory, { recursive: true }));
const SHIPPED = join(import.meta.dirname, "../config/vfio-watch.cfg");

let files = 0;
function load(content: string, environment: Record<string, string> = {}) {
  const overrideFile = join(directory, `${files++}.cfg`);
  writeFileSync(overrideFile, content);
  const paths = { shippedFile: SHIPPED, overrideFile, unraid: false };
  const loaded = loadConfig({ paths, environment });
  return { ...loaded, overrideFile, said: loaded.problems.map(describeProblem) };
}

test("the shipped file documents every key with its meaning and its default, and means exactly the defaults", () => {
  const content = readFileSync(SHIPPED, "utf8");
  assert.equal(content, shippedFile());
  const { assignments, problems } = parseFlatFile(content);
  assert.deepEqual(problems, []);
  assert.deepEqual(
    assignments.map(({ key, value }) => [key, value]),
    KEY_NAMES.map((key) => [key, KEYS[key].fallback]),
  );
  const built = loadConfig({
    paths: { shippedFile: undefined, overrideFile: "/nonexistent", unraid: false },
  });
  assert.deepEqual(load("").config, built.config);
  assert.deepEqual([...load("").problems, ...built.problems], []);
});

test("the shipped file survives Unraid's reader, which takes tags and entities out of it", () => {
  assert.doesNotMatch(readFileSync(SHIPPED, "utf8"), /[<>&\r\t]/);
});

test("a shell reads the same values out of the shipped file as the program does", () => {
  const { assignments } = parseFlatFile(readFileSync(SHIPPED, "utf8"));
  const script = `. "$1"; ${assignments.map(({ key }) => `printf '%s\\0' "$${key}"`).join("; ")}`;
  const read = execFileSync("/bin/sh", ["-euc", script, "sh", SHIPPED], { encoding: "utf8", env: {} });
  assert.deepEqual(
    read.split("\0").slice(0, -1),
    assignments.map(({ value }) => value),
  );
});

test("the owner's file counts over the shipped one, and the environment over both", () => {
  const { config, origins, overrideFile } = load('LOG_LEVEL="debug"\nSETTLING_SECONDS="60"\n', {
    VFIO_WATCH_LOG_LEVEL: "warn",
    LOG_FORMAT: "json",
  });
  assert.equal(config.LOG_LEVEL, "warn");
  assert.equal(config.SETTLING_SECONDS, 60);
  assert.equal(config.LOG_FORMAT, "text");
  assert.deepEqual(origins.LOG_LEVEL, { from: "environment", variable: "VFIO_WATCH_LOG_LEVEL" });
  assert.deepEqual(origins.SETTLING_SECONDS, { from: "override", file: overrideFile, line: 2 });
});

test("a file edited on Windows is read as it was meant", () => {
  const { config, said } = load('\uFEFF# mine\r\nLOG_LEVEL="debug"\r\nQUIET_HOURS="22:00-07:00"\r\n');
  assert.equal(config.LOG_LEVEL, "debug");
  assert.deepEqual(config.QUIET_HOURS, { from: 1320, to: 420 });
  assert.deepEqual(said, []);
});

test("unknown keys and bad values are reported by name and line with the default that is used", () => {
  const { config, said, overrideFile } = load(
    'SETLING_SECONDS="9"\nlog_level="debug"\nSETTLING_SECONDS="a while"\nPRUNE_SCHEDULE="17 25 * * *"\nnonsense\n',
  );
  assert.equal(config.SETTLING_SECONDS, 120);
  assert.deepEqual(said, [
    `${overrideFile}:5: This is not KEY="value"; the line is ignored.`,
    `${overrideFile}:1: SETLING_SECONDS: There is no setting of this name; it is ignored.`,
    `${overrideFile}:2: log_level: There is no setting of this name; it is ignored. Is LOG_LEVEL meant?`,
    `${overrideFile}:3: SETTLING_SECONDS: "a while" is not a whole number from 5 to 3600 (seconds); the default value "120" is used.`,
    `${overrideFile}:4: PRUNE_SCHEDULE: "17 25 * * *" has "25" for the hour; the default value "17 4 * * *" is used.`,
  ]);
});

test("an empty value, as settings pages write it, means the default and is no problem", () => {
  const { config, said } = load(KEY_NAMES.map((key) => `${key}=""`).join("\n"));
  assert.deepEqual(config, load("").config);
  assert.deepEqual(said, []);
});

test("a file that cannot be read, is a directory, or is no text at all leaves the defaults in force", () => {
  for (const overrideFile of [directory, "/dev/zero", "/dev/null/x"]) {
    const { config, problems } = loadConfig({ paths: { shippedFile: SHIPPED, overrideFile, unraid: false } });
    assert.equal(config.SETTLING_SECONDS, 120);
    assert.equal(problems.length, 1, overrideFile);
  }
  const garbage = load("\u0000\u0001 not\n".repeat(4_000));
  assert.equal(garbage.config.SETTLING_SECONDS, 120);
  assert.equal(garbage.problems.length, 51);
  assert.match(garbage.said.at(-1) ?? "", /3950 more problems/);
});

test("no text makes the reader throw, and every problem names a line of the file", () => {
  const line = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.constantFrom(...KEY_NAMES).chain((key) => fc.string().map((value) => `${key}="${value}"`)),
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 20 }), (lines) => {
      const content = lines.join("\n");
      const { problems, assignments } = parseFlatFile(content);
      const count = content.split(/\r\n|\n|\r/).length;
      for (const { line: number } of [...problems, ...assignments]) assert.ok(number >= 1 && number <= count);
      for (const { key, value } of assignments) {
        const definition = KEY_NAMES.find((name) => name === key);
        if (definition !== undefined) KEYS[definition].parse(value);
      }
    }),
  );
});

test("a value that is written comes back the same, from this reader and from a shell", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(..."aZ 09$`\\\"'=;#&<>ä") }), (value) => {
      const quoted = quoteValue(value);
      if (quoted === undefined) return;
      const { assignments, problems } = parseFlatFile(`K=${quoted}`);
      assert.deepEqual([assignments[0]?.value, problems], [value, []]);
    }),
  );
  const hard = '$(id) `id` \\ " ; # = &';
  const file = join(directory, "hard.cfg");
  writeFileSync(file, `K=${quoteValue(hard)}\n`);
  assert.equal(
    execFileSync("/bin/sh", ["-c", '. "$1"; printf %s "$K"', "sh", file], { encoding: "utf8" }),
    hard,
  );
});

test("secrets are never shown: not in the effective settings, not in a problem", () => {
  const loaded = load(
    [
      'NTFY_URL="https://joe:hunter2@ntfy.example/hunter2"',
      'NTFY_TOKEN="hunter2"',
      "WEBHOOK_URL='hunter2'",
      "WEBHOOK_TOKEN='hunter2 with blanks'",
      'HTTP_PROXY="ftp://hunter2/"',
      'WEBHOOK_URL_FILE="relative"',
    ].join("\n"),
  );
  const shown = effectiveSettings(loaded);
  assert.doesNotMatch(JSON.stringify([shown, loaded.said]), /hunter2/);
  const value = (key: string) => shown.find((setting) => setting.key === key)?.value;
  assert.equal(value("NTFY_URL"), "https://ntfy.example/…");
  assert.equal(value("NTFY_TOKEN"), "(set)");
  assert.equal(value("WEBHOOK_TOKEN"), "");
  assert.equal(loaded.config.NTFY_TOKEN, "hunter2");
  assert.equal(loaded.problems.length, 4);
});

test("a secret can stand in a file of its own, and a missing one is said", () => {
  const tokenFile = join(directory, "token");
  writeFileSync(tokenFile, "hunter2\n");
  const {
    config,
    said,
    files: watched,
  } = load(`NTFY_TOKEN_FILE="${tokenFile}"\nWEBHOOK_TOKEN_FILE="${directory}/missing"\n`);
  assert.equal(config.NTFY_TOKEN, "hunter2");
  assert.equal(config.WEBHOOK_TOKEN, undefined);
  assert.equal(said.length, 1);
  assert.match(
    said[0] ?? "",
    /:2: WEBHOOK_TOKEN_FILE: The file .*missing does not exist, so WEBHOOK_TOKEN is not set\./,
  );
  assert.ok(watched.includes(tokenFile));
});

test("effective settings read back as the settings they show, apart from secrets", () => {
  const loaded = load(
    `COMMAND="/usr/bin/tell 'the admin' ''"\nSOURCES="none"\nPRUNE_SCHEDULE="never"\nQUIET_HOURS="7:05-08:00"\nNOTIFY_COMMAND="on"\n`,
  );
  assert.deepEqual(loaded.config.COMMAND, ["/usr/bin/tell", "the admin", ""]);
  const again = load(
    effectiveSettings(loaded)
      .map(({ key, value }) => `${key}=${quoteValue(value)}`)
      .join("\n"),
  );
  // Of the command only the program is shown.
  assert.deepEqual({ ...again.config, COMMAND: loaded.config.COMMAND }, loaded.config);
  assert.deepEqual(again.said, []);
});

test("arguments of the command, which may be tokens, are neither shown nor repeated in a problem", () => {
  const shown = (text: string) => effectiveSettings(load(text)).find(({ key }) => key === "COMMAND")?.value;
  assert.equal(shown(`COMMAND="/usr/bin/tell --token hunter2"\n`), "/usr/bin/tell (2 arguments)");
  assert.equal(shown(`COMMAND="/usr/bin/tell"\n`), "/usr/bin/tell");
  assert.doesNotMatch(load(`COMMAND="tell 'hunter2"\n`).said.join(), /hunter2/);
});

test("a channel that is switched on without what it needs is said", () => {
  const { said } = load('NOTIFY_NTFY="yes"\nNOTIFY_COMMAND="yes"\n');
  assert.equal(said.length, 2);
  assert.match(said[0] ?? "", /NOTIFY_NTFY: It is yes, but NTFY_URL is not set/);
  const wrong = load(
    'NOTIFY_MAIL="yes"\nMAIL_SERVER="smtp://x"\nNOTIFY_MQTT="yes"\nMQTT_SERVER="broker"\n',
  ).said;
  assert.equal(wrong.length, 2);
  assert.match(wrong[0] ?? "", /NOTIFY_MAIL: It is yes, but MAIL_SERVER \(a server and its port/);
  assert.deepEqual(load('NOTIFY_MAIL="yes"\n').said, []);
});

test("on Unraid the settings and the history live on the flash stick", () => {
  const root = mkdtempSync(join(directory, "root-"));
  const elsewhere = configPaths(createHostPaths(root), undefined);
  assert.equal(elsewhere.overrideFile, join(root, "/etc/vfio-watch/vfio-watch.cfg"));
  execFileSync("mkdir", [join(root, "etc")]);
  writeFileSync(join(root, "etc/unraid-version"), 'version="7.2.3"\n');
  const paths = configPaths(createHostPaths(root), undefined);
  assert.equal(paths.overrideFile, join(root, "/boot/config/plugins/vfio-watch/vfio-watch.cfg"));
  assert.equal(loadConfig({ paths }).config.DATABASE, "/boot/config/plugins/vfio-watch/history.db");
  assert.equal(loadConfig({ paths: elsewhere }).config.DATABASE, "/var/lib/vfio-watch/history.db");
});

test("cron schedules are checked field by field", () => {
  for (const good of ["* * * * *", "*/5 0-6/2 1,15 jan-MAR sun", "0 0 * * 7"])
    assert.equal(cronProblem(good), undefined);
  for (const bad of [
    "* * * *",
    "60 * * * *",
    "*/0 * * * *",
    "5-1 * * * *",
    "5/2 * * * *",
    "* * * 13 *",
    "* * * * mond",
    "",
  ]) {
    assert.notEqual(cronProblem(bad), undefined, bad);
  }
});
