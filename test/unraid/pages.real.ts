import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, globSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { needsPrograms } from "../helpers/needs.ts";
import { noBrowser } from "../report/browser.ts";
import { drivePage, giveHistory, startWebHost, type WebHost } from "./web-host.ts";

const PLUGIN = join(import.meta.dirname, "../../unraid/plugin");
const needsPhp = { skip: needsPrograms("php") };
const needsChromium = { skip: needsPrograms("php") || noBrowser };
const TOOLS = "/plugins/vfio-watch/include/tools.php";
const REPORT = "/plugins/vfio-watch/include/report.php";

let host: WebHost;
before(async () => {
  if (needsPhp.skip !== false) return;
  host = await startWebHost();
  await giveHistory(host);
});
after(async () => {
  await host?.close();
});

/** A busy machine may need longer than the page's patience: then one asks again. */
const MOST_TRIES = 10;
const get = async (path: string) => {
  for (let tries = 1; ; tries++) {
    const answer = await fetch(host.address + path);
    const text = await answer.text();
    if (tries === MOST_TRIES || !text.includes("did not answer within")) return { answer, text };
  }
};

test("PHP understands every file of the plugin", needsPhp, () => {
  const files = globSync(join(PLUGIN, "**/*.{php,page}"));
  assert.ok(files.length >= 7);
  for (const file of files)
    assert.match(execFileSync("php", ["-l", file], { encoding: "utf8" }), /No syntax errors/);
});

test("Unraid can take the pages apart: a header in INI form, a line of three dashes, line feeds only", () => {
  for (const file of globSync(join(PLUGIN, "*.page"))) {
    const text = readFileSync(file, "utf8");
    assert.ok(!text.includes("\r"));
    const [header = ""] = text.split("\n---\n");
    for (const line of header.split("\n")) assert.match(line, /^[A-Z][A-Za-z]+="[^"]+"$/);
    // Without quotes PHP reads false as an empty text, and Unraid takes that for Markdown.
    assert.match(header, /^Markdown="false"$/m);
  }
});

test("no text of a page is evaluated that came from the host", () => {
  for (const file of globSync(join(PLUGIN, "**/*.{php,page}"))) {
    assert.doesNotMatch(
      readFileSync(file, "utf8"),
      /\b(?:eval|exec|shell_exec|system|passthru|popen)\s*\(/,
      file,
    );
  }
});

test("the page under Tools is there at once and asks for its content", needsPhp, async () => {
  const { answer, text } = await get("/Tools/vfio-watch?start=2");
  assert.equal(answer.status, 200);
  assert.doesNotMatch(text, /php-error|MARKDOWN/);
  assert.match(text, /data-source="\/plugins\/vfio-watch\/include\/tools\.php\?start=2"/);
});

test("a start number that is none never reaches the page or the program", needsPhp, async () => {
  const { text } = await get(`/Tools/vfio-watch?start=${encodeURIComponent('2"><script>alert(1)</script>')}`);
  assert.match(text, /data-source="\/plugins\/vfio-watch\/include\/tools\.php"/);
  assert.doesNotMatch(text, /alert\(1\)/);
});

test(
  "it shows the failed start with its diagnosis, the picture, what changed, and what would fail now",
  needsPhp,
  async () => {
    const { answer, text } = await get(TOOLS);
    assert.equal(answer.status, 200);
    assert.match(text, /The service is not running: nothing is watched\./);
    assert.match(text, /Windows 11<\/span> <span class="vfw-mark vfw-bad">will not start/);
    assert.match(text, /demands a fixed 1:1 memory mapping for 0000:01:00\.0 \(IOMMU group 8\)/);
    assert.match(text, /<svg [^>]*role="img"/);
    assert.match(
      text,
      /BIOS<div class="vfw-diff"><del>E7E49AMSI\.1A63 \(2026-02-10\)<\/del><ins>E7E49AMSI\.1A95 \(2026-06-18\)<\/ins>/,
    );
    // It has started since under the other BIOS: what is so now is said.
    assert.match(text, /It failed before, .*, then started \(start #3, .*\), and would not start now\./);
    assert.doesNotMatch(text, /works again/);
    assert.match(text, /include\/report\.php\?start=2&#38;format=bbcode/);
  },
);

test("names of VMs that are HTML stay text", needsPhp, async () => {
  const name = "/etc/libvirt/qemu/hostile.xml";
  const definition = host.readFile("/etc/libvirt/qemu/Windows 11.xml");
  host.writeFile(
    name,
    definition.replace(/<name>[^<]*</, "<name>&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x&gt;'\"<"),
  );
  const { text } = await get(TOOLS);
  assert.match(text, /&#60;script&#62;alert\(1\)/);
  assert.doesNotMatch(text, /<script|<img/);
  rmSync(host.at(name));
});

test("a service that runs is shown with its sources and with what is missing", needsPhp, async () => {
  const now = Date.now();
  const source = { since: now, seen: 7, lastSeenAt: now, lost: 0, skipped: 0 };
  const state = {
    version: "0.1.0",
    pid: process.pid,
    startedAt: now - 60_000,
    writtenAt: now,
    database: host.at("/boot/config/plugins/vfio-watch/history.db"),
    sources: [
      { ...source, name: "kernel-log", state: { state: "live", detail: "following /dev/kmsg" }, lost: 312 },
      {
        ...source,
        name: "libvirt",
        state: { state: "waiting", why: "no <socket>", remedy: "start the VM service" },
      },
      {
        ...source,
        name: "libvirtd-log",
        state: { state: "waiting", why: "no file", remedy: "start the VM service" },
      },
    ],
    problems: ["vfio-watch.cfg:3: LOG_LEVEL: not understood"],
    memory: { rssBytes: 50_000_000, heapBytes: 1 },
  };
  host.writeFile("/run/vfio-watch/state.json", JSON.stringify(state));
  const { text } = await get(TOOLS);
  assert.match(text, /watching, 2 sources waiting/);
  // Once, however many wait for it.
  assert.match(text, /libvirt, libvirtd-log: start the VM service</);
  assert.match(text, /312 records lost/);
  assert.match(text, /no &#60;socket&#62;: start the VM service/);
  assert.match(text, /vfio-watch\.cfg:3: LOG_LEVEL/);
  host.writeFile("/run/vfio-watch/state.json", JSON.stringify({ ...state, writtenAt: now - 600_000 }));
  assert.match((await get(TOOLS)).text, /stuck/);
  rmSync(host.at("/run/vfio-watch/state.json"));
});

test("the report is a download with a harmless name and type, in each of its forms", needsPhp, async () => {
  for (const [format, ending, begin] of [
    ["markdown", "md", /^# /],
    ["bbcode", "bbcode.txt", /^\[/],
    ["html", "html", /^<!DOCTYPE html>/],
  ] as const) {
    const { answer, text } = await get(`${REPORT}?start=2&format=${format}`);
    assert.equal(
      answer.headers.get("content-disposition"),
      `attachment; filename="vfio-watch-start-2.${ending}"`,
    );
    assert.equal(answer.headers.get("x-content-type-options"), "nosniff");
    assert.match(text, begin);
    assert.match(text, /1:1/);
  }
});

test("a report of an unknown form or start is refused", needsPhp, async () => {
  for (const query of [
    "",
    "?start=2&format=json;id",
    "?start=2%20--output%20x&format=html",
    "?start=-1&format=html",
  ]) {
    assert.equal((await get(REPORT + query)).answer.status, 400, query);
  }
  const { answer, text } = await get(`${REPORT}?start=999&format=html`);
  assert.equal(answer.status, 503);
  assert.match(text, /there is no start 999/);
});

test("a program that is missing or finds no Node says so on the page", needsPhp, async () => {
  const program = "/usr/local/vfio-watch/bin/vfio-watch";
  const whole = host.readFile(program);
  rmSync(host.at(program));
  assert.match((await get(TOOLS)).text, /The program is not there .*Install the plugin again/);
  host.writeFile(program, "#!/bin/sh\necho 'vfio-watch needs Node 22.18 <or newer>' >&2\nexit 127\n", 0o755);
  assert.match((await get(TOOLS)).text, /vfio-watch needs Node 22\.18 &lt;or newer&gt;/);
  host.writeFile(program, whole, 0o755);
});

const THEMES = ["white", "black", "azure", "gray"];
const LOOK = `
  const { scrollWidth } = page.documentElement;
  return { wide: scrollWidth - frame.clientWidth, text: page.querySelector("#displaybox").innerText };`;
for (const [page, expected] of [
  ["/Tools/vfio-watch", /will not start[\s\S]*What to do:[\s\S]*Which change broke it/],
  ["/Settings/vfio-watch-settings", /What you are told[\s\S]*Quiet hours/],
] as const) {
  test(`${page} fits a phone in a real browser, with everything on it`, needsChromium, async () => {
    const theme = THEMES[page.length % THEMES.length];
    const result = (await drivePage(host, `${page}?theme=${theme}`, LOOK)) as { wide: number; text: string };
    assert.match(result.text, expected);
    assert.ok(result.wide <= 0, `${result.wide} pixels stick out`);
  });
}

test("the files that the pages name are there", () => {
  for (const file of globSync(join(PLUGIN, "*.page"))) {
    for (const [, path = ""] of readFileSync(file, "utf8").matchAll(
      /plugins\/vfio-watch\/([\w./-]+\.\w+)/g,
    )) {
      assert.ok(path.endsWith(".cfg") || existsSync(join(PLUGIN, path)), path);
    }
  }
});
