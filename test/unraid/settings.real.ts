import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import fc from "fast-check";
import { KEY_NAMES, KEYS } from "../../src/config/keys.ts";
import { settingsForm } from "../../src/config/settings-form.ts";
import { parseFlatFile } from "../../src/settings/flat-file.ts";
import { needsPrograms } from "../helpers/needs.ts";
import { noBrowser } from "../report/browser.ts";
import { drivePage, SETTINGS, startWebHost, TOKEN, type WebHost } from "./web-host.ts";

const PLUGIN = join(import.meta.dirname, "../../unraid/plugin");
const needsChromium = { skip: needsPrograms("php") || noBrowser };
const needsPhp = { skip: needsPrograms("php") };
const PAGE = "/Settings/vfio-watch-settings";

let host: WebHost;
before(async () => {
  if (needsPhp.skip === false) host = await startWebHost();
});
after(async () => {
  await host?.close();
});
beforeEach(() => {
  if (host !== undefined) rmSync(host.at(SETTINGS), { force: true });
});

/** What a browser would send for the form as it is shown, with some fields changed. */
async function submit(
  changes: Readonly<Record<string, string | readonly string[]>> = {},
  path = "/update.php",
) {
  const page = await (await fetch(host.address + PAGE)).text();
  const form = /<form[^>]*id="vfio-watch-settings"[\s\S]*?<\/form>/.exec(page)?.[0] ?? "";
  const fields = fieldsOf(form).filter(([name]) => !(name in changes));
  for (const [name, value] of Object.entries(changes))
    for (const one of [value].flat()) fields.push([name, one]);
  const answer = await host.post(path, fields);
  return { answer, text: await answer.text() };
}

function fieldsOf(form: string): [string, string][] {
  const fields: [string, string][] = [];
  const decode = (text = "") =>
    text
      .replaceAll("&quot;", '"')
      .replaceAll("&apos;", "'")
      .replaceAll("&#039;", "'")
      .replaceAll("&lt;", "<")
      .replaceAll("&gt;", ">")
      .replaceAll("&amp;", "&");
  for (const [tag] of form.matchAll(/<input\b[^>]*>/g)) {
    const name = /\bname="([^"]*)"/.exec(tag)?.[1];
    if (name === undefined || /type="(?:submit|button)"/.test(tag)) continue;
    if (/type="checkbox"/.test(tag) && !/ checked/.test(tag)) continue;
    fields.push([name, decode(/\bvalue="([^"]*)"/.exec(tag)?.[1])]);
  }
  for (const [, name = "", options = ""] of form.matchAll(
    /<select name="([^"]*)"[^>]*>([\s\S]*?)<\/select>/g,
  )) {
    fields.push([name, decode(/value="([^"]*)" selected/.exec(options)?.[1])]);
  }
  return fields;
}

const saved = () => parseFlatFile(host.readFile(SETTINGS));
const savedValues = () => Object.fromEntries(saved().assignments.map(({ key, value }) => [key, value]));

test("the data of the form is what the program says of its settings, and every setting is in it once", () => {
  const form = settingsForm();
  assert.deepEqual(
    form.flatMap(({ settings }) => settings.map(({ key }) => key)).toSorted(),
    [...KEY_NAMES].toSorted(),
  );
  const shipped: unknown = JSON.parse(readFileSync(join(PLUGIN, "settings.json"), "utf8"));
  assert.deepEqual(
    shipped,
    JSON.parse(JSON.stringify(form)),
    "renew it: vfio-watch page settings > unraid/plugin/settings.json",
  );
});

test("the page shows every setting with a field, its meaning and its value", needsPhp, async () => {
  host.writeFile(
    SETTINGS,
    '\uFEFF# by hand\r\nRETENTION_DAYS=\'77\'\r\nHOST_NAME="a \\"b\\" <c> \\$d"\r\nSOURCES=libvirt\r\n',
  );
  const page = await (await fetch(host.address + PAGE)).text();
  assert.doesNotMatch(page, /php-error|MARKDOWN/);
  for (const key of KEY_NAMES) {
    assert.ok(page.includes(`name="${key}"`) || page.includes(`name="${key}[]"`), key);
    assert.ok(page.includes(`id="vfw-meaning-${key}"`), key);
  }
  assert.match(page, /name="RETENTION_DAYS"[^>]*min="1" max="36500"[^>]*value="77"/);
  assert.match(page, /name="HOST_NAME"[^>]*value="a &quot;b&quot; &lt;c&gt; \$d"/);
  assert.match(page, /value="libvirt" checked/);
  assert.doesNotMatch(page, /value="kernel-log" checked/);
});

test(
  "each setting is a row of its own with Unraid's kind of help, and each channel can be tried",
  needsPhp,
  async () => {
    const page = await (await fetch(host.address + PAGE)).text();
    for (const key of KEY_NAMES)
      assert.match(
        page,
        new RegExp(
          `<dl><dt><label for="vfw-${key}">[^<]+</label></dt><dd>(?:(?!<dl>).)*</dd></dl><blockquote class="inline_help"><p id="vfw-meaning-${key}">`,
          "s",
        ),
      );
    const tried = [...page.matchAll(/data-do="test" data-value="(\w+)"/g)].map(([, channel]) => channel);
    assert.deepEqual(tried, ["unraid", "mail", "ntfy", "webhook", "mqtt", "command"]);
    assert.match(page, /The service is not running[\s\S]*data-do="service" data-value="start"/);
  },
);

test("applying an untouched form writes nothing but what was already different", needsPhp, async () => {
  await submit();
  assert.equal(host.readFile(SETTINGS), "");
  host.writeFile(SETTINGS, "LOG_LEVEL='debug'\nRETENTION_DAYS=\"3650\"\n");
  await submit();
  assert.deepEqual(savedValues(), { LOG_LEVEL: "debug" });
});

test("changed settings are saved, those set back to their default leave the file", needsPhp, async () => {
  await submit({
    LOG_LEVEL: "debug",
    RETENTION_DAYS: "30",
    "SOURCES[]": ["libvirt", "kernel-log"],
    QUIET_HOURS: "22:00-07:00",
  });
  assert.deepEqual(savedValues(), {
    RETENTION_DAYS: "30",
    LOG_LEVEL: "debug",
    SOURCES: "kernel-log,libvirt",
    QUIET_HOURS: "22:00-07:00",
  });
  await submit({ LOG_LEVEL: "info", RETENTION_DAYS: "", "QUIET_CHANNELS[]": [] });
  assert.deepEqual(savedValues(), {
    SOURCES: "kernel-log,libvirt",
    QUIET_HOURS: "22:00-07:00",
    QUIET_CHANNELS: "none",
  });
});

test("quotes, dollars and backslashes come back as they were, over several rounds", needsPhp, async () => {
  const command = `/usr/local/bin/tell 'it''s "$HOME" \${x} \`id\` C:\\dir\\' <b>&amp;`;
  await submit({ COMMAND: command });
  for (let round = 0; round < 3; round++) {
    assert.deepEqual(saved().problems, []);
    assert.equal(savedValues().COMMAND, command);
    await submit();
  }
});

test(
  "whatever a value is, it means the same between the quotes, for the program and for a shell",
  needsPhp,
  () => {
    const values = fc.sample(
      fc.string({ unit: fc.constantFrom(..."ab \"'\\$`{}#=;<>&|()\t\u00e9\u{1f600}"), maxLength: 40 }),
      300,
    );
    const code = `require ${JSON.stringify(join(PLUGIN, "include/settings.php"))};
    echo json_encode(array_map("vfio_watch_quotable", json_decode(stream_get_contents(STDIN), true)));`;
    const quoted: string[] = JSON.parse(
      execFileSync("php", ["-r", code], { input: JSON.stringify(values), encoding: "utf8" }),
    );
    const file = quoted.map((value, index) => `K${index}="${value}"`).join("\n");
    const { assignments, problems } = parseFlatFile(file);
    assert.deepEqual(problems, []);
    assert.deepEqual(
      assignments.map(({ value }) => value),
      values,
    );
    const shell = `${file}\nfor name in ${values.map((_, index) => `K${index}`).join(" ")}; do printf '%s\\0' "\${!name}"; done`;
    assert.deepEqual(
      execFileSync("bash", { input: shell, encoding: "utf8" }).split("\0").slice(0, -1),
      values,
    );
  },
);

test(
  "a value that the program does not understand is not saved, and the page names it",
  needsPhp,
  async () => {
    host.writeFile(SETTINGS, 'LOG_LEVEL="debug"\n');
    const { text } = await submit({ PRUNE_SCHEDULE: "99 99 * * *", RETENTION_DAYS: "30" });
    assert.match(text, /search = "\?refused=PRUNE_SCHEDULE"/);
    assert.doesNotMatch(text, /settings are saved/);
    assert.equal(host.readFile(SETTINGS), 'LOG_LEVEL="debug"\n');
    const page = await (await fetch(`${host.address}${PAGE}?refused=PRUNE_SCHEDULE,%3Cscript%3E`)).text();
    assert.match(page, /are not understood: PRUNE_SCHEDULE</);
    assert.doesNotMatch(page, /%3Cscript|understood: [^<]*script/);
  },
);

test("the program is asked before the form is sent, and answers by setting", needsPhp, async () => {
  const { text } = await submit({ PRUNE_SCHEDULE: "99 99 * * *" }, "/plugins/vfio-watch/include/check.php");
  const { problems } = JSON.parse(text);
  assert.equal(problems.length, 1);
  assert.equal(problems[0].key, "PRUNE_SCHEDULE");
  assert.equal(existsSync(host.at(SETTINGS)), false);
});

test("what is wrong in the settings in force is told with its line", needsPhp, async () => {
  host.writeFile(SETTINGS, '# mine\nLOG_LEVEL="loud"\nLOG_LEVLE="debug"\n');
  const answer = await fetch(`${host.address}/plugins/vfio-watch/include/check.php`);
  const { problems } = JSON.parse(await answer.text());
  assert.deepEqual(
    problems.map((problem: { line: number; key: string }) => [problem.line, problem.key]),
    [
      [2, "LOG_LEVEL"],
      [3, "LOG_LEVLE"],
    ],
  );
});

test("without the token nothing is saved and nothing is checked", needsPhp, async () => {
  for (const path of ["/update.php", "/plugins/vfio-watch/include/check.php"]) {
    const { answer } = await submit({ csrf_token: "wrong", LOG_LEVEL: "debug" }, path);
    assert.equal(answer.status, 403);
  }
  assert.equal(existsSync(host.at(SETTINGS)), false);
  const page = await (await fetch(host.address + PAGE)).text();
  assert.equal(page.split(`name="csrf_token" value="${TOKEN}"`).length, 3);
});

test(
  "a secret never comes back into the page; it stays while its field is empty and goes when asked",
  needsPhp,
  async () => {
    const secrets = { NTFY_TOKEN: "tk_geheim", WEBHOOK_URL: "https://discord.com/api/webhooks/geheim" };
    await submit(secrets);
    assert.deepEqual(savedValues(), secrets);
    const page = await (await fetch(host.address + PAGE)).text();
    assert.doesNotMatch(page, /geheim/);
    assert.match(page, /placeholder="set https:\/\/discord\.com\/…; leave empty to keep it"/);
    await submit({ LOG_LEVEL: "debug" });
    assert.deepEqual(savedValues(), { LOG_LEVEL: "debug", ...secrets });
    await submit({ "#clear[NTFY_TOKEN]": "1", WEBHOOK_URL: "https://example.org/new" });
    assert.deepEqual(savedValues(), { LOG_LEVEL: "debug", WEBHOOK_URL: "https://example.org/new" });
  },
);

test("a post of a few settings leaves the others as they are", needsPhp, async () => {
  host.writeFile(SETTINGS, 'LOG_LEVEL="debug"\nSOURCES="libvirt"\nNTFY_TOKEN="x"\n');
  await host.post("/update.php", [
    ["#file", "vfio-watch/vfio-watch.cfg"],
    ["#include", "plugins/vfio-watch/include/save.php"],
    ["#cleanup", "true"],
    ["RETENTION_DAYS", "30"],
  ]);
  assert.deepEqual(savedValues(), {
    LOG_LEVEL: "debug",
    SOURCES: "libvirt",
    NTFY_TOKEN: "x",
    RETENTION_DAYS: "30",
  });
});

test("only known settings of one line get into the file, and only into this file", needsPhp, async () => {
  await submit({ EVIL: "x", HOST_NAME: 'a"\nEVIL="1' });
  assert.deepEqual(savedValues(), { HOST_NAME: 'a" EVIL="1' });
  await submit({ "#file": "vfio-watch/other.cfg" });
  assert.equal(existsSync(host.at("/boot/config/plugins/vfio-watch/other.cfg")), false);
});

test(
  "a line of the file that nobody knows stays, to be reported until somebody corrects it",
  needsPhp,
  async () => {
    host.writeFile(SETTINGS, 'LOG_LEVLE="deb\\"ug"\nLOG_LEVEL="debug"\n');
    await submit({ RETENTION_DAYS: "30" });
    assert.deepEqual(savedValues(), { LOG_LEVLE: 'deb"ug', RETENTION_DAYS: "30", LOG_LEVEL: "debug" });
  },
);

test("the defaults come back with one button", needsPhp, async () => {
  host.writeFile(SETTINGS, 'LOG_LEVEL="debug"\nNTFY_TOKEN="x"\n');
  const page = await (await fetch(host.address + PAGE)).text();
  const form = /<form[^>]*id="vfio-watch-default"[\s\S]*?<\/form>/.exec(page)?.[0] ?? "";
  await host.post("/update.php", fieldsOf(form));
  assert.equal(host.readFile(SETTINGS), "");
});

test(
  "the service is told to read its settings, and the web interface does not wait for it",
  needsPhp,
  async () => {
    // It ends only after the answer is there: who waits for it, waits for ever.
    host.writeFile(
      "/etc/rc.d/rc.vfio-watch",
      `#!/bin/bash\nuntil [[ -e '${host.root}/answered' ]]; do sleep 0.05; done\necho "$1" > '${host.root}/told.new'\nmv '${host.root}/told.new' '${host.root}/told'\n`,
      0o755,
    );
    const { text } = await submit({ LOG_LEVEL: "debug" });
    assert.match(text, /The settings are saved\./);
    host.writeFile("/answered", "");
    while (!existsSync(host.at("/told"))) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(host.readFile("/told").trim(), "reload");
  },
);

test(
  "settings can be saved while the program cannot run; the service reports them when it reads them",
  needsPhp,
  async () => {
    const program = "/usr/local/vfio-watch/bin/vfio-watch";
    const whole = host.readFile(program);
    rmSync(host.at(program));
    await submit({ LOG_LEVEL: "debug" });
    host.writeFile(program, whole, 0o755);
    assert.deepEqual(savedValues(), { LOG_LEVEL: "debug" });
  },
);

test(
  "in a browser a wrong value is named beside its field and not sent; a right one is saved",
  needsChromium,
  async () => {
    const told = (await drivePage(
      host,
      PAGE,
      `const apply = () => page.querySelector("#vfio-watch-settings input[type=submit]").click();
     const field = page.querySelector("[name=PRUNE_SCHEDULE]");
     const days = page.querySelector("[name=RETENTION_DAYS]");
     field.value = "99 99 * * *";
     apply();
     const problem = await until(() => page.getElementById("vfw-problem-PRUNE_SCHEDULE").textContent);
     const isOpen = field.closest("details").open;
     field.value = "";
     field.closest("details").open = false;
     days.value = "0";
     apply();
     const isRefused = !days.checkValidity() && days.closest("details").open;
     days.value = "30";
     apply();
     const answer = await until(() => page.getElementById("progressFrame").contentDocument?.body?.textContent);
     return { problem, isOpen, isRefused, answer };`,
    )) as Readonly<Record<string, unknown>>;
    assert.match(String(told.problem), /99 99/);
    assert.equal(told.isOpen, true);
    assert.equal(told.isRefused, true);
    assert.match(String(told.answer), /settings are saved/);
    assert.deepEqual(savedValues(), { RETENTION_DAYS: "30" });
  },
);

test("every default is one that its own setting takes", () => {
  for (const key of KEY_NAMES) {
    const { fallback, field, parse } = KEYS[key];
    assert.ok("value" in parse(fallback), key);
    if (field.kind === "one-of")
      assert.ok(
        field.options.some((option) => option === fallback),
        key,
      );
  }
});
