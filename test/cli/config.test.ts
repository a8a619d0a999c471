import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { type TestContext, test } from "node:test";
import { EXIT } from "../../src/cli/command.ts";
import { main } from "../../src/cli/main.ts";

function createRig(
  context: TestContext,
  settings: string,
  environment: Readonly<Record<string, string>> = {},
) {
  const directory = mkdtempSync(join(tmpdir(), "vfio-watch-config-"));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  const file = join(directory, "vfio-watch.cfg");
  writeFileSync(file, settings);
  const run = async (...args: string[]) => {
    const said = { out: "", err: "" };
    const code = await main(["config", ...args], {
      out: (text) => {
        said.out += text;
      },
      err: (text) => {
        said.err += text;
      },
      ...{
        color: false,
        columns: 400,
        tableColumns: 400,
        readInput: async () => Buffer.alloc(0),
        input: () => Readable.from([]),
      },
      env: { VFIO_WATCH_CONFIG: file, VFIO_WATCH_ROOT: directory, ...environment },
    });
    return { code, ...said };
  };
  return { file, run };
}

test("every setting is shown with where it comes from, and secrets are not", async (context) => {
  const { file, run } = createRig(
    context,
    'NTFY_URL="https://ntfy.example/very-secret-topic"\r\nNTFY_TOKEN="tk_secret"\r\n',
    {
      VFIO_WATCH_LOG_LEVEL: "debug",
      VFIO_WATCH_RUNTIME_DIRECTORY: "/run/x",
      VFIO_WATCH_DATABASE: "/tmp/h.db",
    },
  );
  const { code, out, err } = await run();
  assert.deepEqual([code, err], [EXIT.ok, ""]);
  assert.match(out, /^LOG_LEVEL="debug" +\$VFIO_WATCH_LOG_LEVEL$/m);
  assert.match(out, /^DATABASE="\/tmp\/h\.db" +\$VFIO_WATCH_DATABASE$/m);
  assert.ok(out.includes(`NTFY_TOKEN="(set)"`) && out.includes(`${file}:2`));
  assert.match(out, /^NTFY_URL="https:\/\/ntfy\.example\/…" /m);
  assert.doesNotMatch(out, /secret/);
  assert.doesNotMatch((await run("--json")).out, /very-secret|tk_secret/);
});

test("what is wrong is named by file and line with what is used instead, and the exit code says so", async (context) => {
  const { file, run } = createRig(context, 'ALERT_BURST="many"\nALERT_BURTS="7"\n');
  const { code, err } = await run("--changed");
  assert.equal(code, EXIT.findings);
  assert.ok(err.includes(`${file}:1: ALERT_BURST: "many" `), err);
  assert.match(err, /the default value "5" is used/);
  assert.ok(err.includes(`${file}:2: ALERT_BURTS: `), err);
  const { problems, settings } = JSON.parse((await run("--json", "alert_burst")).out);
  assert.deepEqual([problems.length, problems[0].line, settings.length, settings[0].value], [2, 1, 1, "5"]);
});

test("a setting that does not exist is refused", async (context) => {
  const { run } = createRig(context, "");
  const { code, err } = await run("COLOUR");
  assert.equal(code, EXIT.usage);
  assert.match(err, /no setting 'COLOUR'/);
  assert.match((await run("--changed")).out, /Everything is as shipped; put what you want/);
});

test("a history that nobody named is shown where it lies for whoever asks", async (context) => {
  const { run } = createRig(context, "", { STATE_DIRECTORY: "/var/lib/private/vfio-watch" });
  assert.match(
    (await run("DATABASE")).out,
    /^DATABASE="\/var\/lib\/private\/vfio-watch\/history\.db" +default$/m,
  );
});
