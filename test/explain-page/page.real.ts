import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { loadCatalogue } from "../../src/diagnosis/catalogue.ts";
import { createExplainer } from "../../src/diagnosis/explain/explain.ts";
import { explanationJson } from "../../src/diagnosis/explain/explanation-json.ts";
import { createLazyFinder } from "../../src/diagnosis/generated/unknown-causes.ts";
import { loadMessages } from "../../src/knowledge/load-messages.ts";
import { buildExplainPage } from "../../tools/explain-page.ts";
import { readCases, SHARED_CORPUS } from "../../tools/labelled.ts";
import { makeZip } from "../import/make-zip.ts";
import { noBrowser, openBrowser, type Page } from "../report/browser.ts";
import { drop, dropOnly, paste } from "./asked-page.ts";

const config = join(import.meta.dirname, "../../config");
const { catalogue } = loadCatalogue({ shippedDirectory: join(config, "signatures") });
const explain = createExplainer(
  catalogue,
  createLazyFinder(() => loadMessages(config)),
);
const byCommand = (text: string) => JSON.parse(JSON.stringify(explanationJson(null, explain(text))));

const FAILURE = `Nov 23 08:50:18 tower kernel: vfio-pci 0000:01:00.0: Firmware has requested this device have a 1:1 IOMMU mapping, rejecting configuring the device without a 1:1 mapping. Contact your platform vendor.
Nov 23 08:50:18 tower libvirtd[1749]: internal error: QEMU unexpectedly closed the monitor (vm='w11'): qemu-system-x86_64: -device vfio-pci,host=0000:01:00.0: vfio 0000:01:00.0: failed to setup container for group 14: Failed to set group container: Invalid argument`;

/** What no VM has to do with. */
function calm(lines: number): string {
  return Array.from(
    { length: lines },
    (_, index) =>
      `Nov 23 08:${String(index % 60).padStart(2, "0")}:01 tower CRON[${index}]: session opened for nobody`,
  ).join("\n");
}

describe("the page that explains", { skip: noBrowser }, () => {
  const directory = mkdtempSync(join(tmpdir(), "vfio-watch-explain-page-"));
  const file = join(directory, "explain.html");
  let page: Page;

  before(async () => {
    await buildExplainPage(file);
    page = await openBrowser();
    await page.open(`file://${file}`, { width: 1280, dark: false });
  });
  after(async () => {
    await page.close();
    rmSync(directory, { recursive: true, force: true });
  });

  it("answers every message that the catalogue has an example of as the command does", async () => {
    for (const example of catalogue.signatures.flatMap(({ examples }) => examples.slice(0, 1)))
      assert.deepEqual(await paste(page, example), byCommand(example), example);
  });

  it("answers what only the programs' sources explain as the command does", async () => {
    const quoted = [
      "SPICE GL support is local-only for now and incompatible with -spice port/tls-port",
      "Missing or inconsistent resctrl info for memory bandwidth allocation",
      "device 00.00.0 requires iommu notifier which is not currently supported",
    ].map(
      (words) => `error: Failed to start domain 'w3'\nerror: internal error: qemu-system-x86_64: ${words}`,
    );
    // Signatures may come to know some of them.
    const unknown = quoted.filter((text) => byCommand(text).causes[0]?.signature.startsWith("generated."));
    assert.notDeepEqual(unknown, []);
    for (const text of unknown) assert.deepEqual(await paste(page, text), byCommand(text), text);
  });

  const corpus = join(SHARED_CORPUS, "dev.jsonl");
  it("answers the labelled texts that real users posted as the command does", {
    skip: existsSync(corpus) ? false : `there is no ${corpus}`,
  }, async () => {
    for (const { id, log } of readCases(corpus)) assert.deepEqual(await paste(page, log), byCommand(log), id);
  });

  const report = join(SHARED_CORPUS, "../reference/forum-report.txt");
  it("answers the forum report that started the project as the command does", {
    skip: existsSync(report) ? false : `there is no ${report}`,
  }, async () => {
    const text = readFileSync(report, "utf8");
    const found = (await paste(page, text)) as ReturnType<typeof byCommand>;
    assert.equal(found.causes[0]?.class, "iommu-direct-mapping-required");
    assert.deepEqual(found, byCommand(text));
  });

  const healthy = join(SHARED_CORPUS, "healthy");
  it("finds a failure in the middle of long healthy logs, and none in them alone", {
    skip: existsSync(healthy) ? false : `there is no ${healthy}`,
  }, async () => {
    for (const name of readdirSync(healthy).filter((one) => one.endsWith(".txt") && one !== "README.txt")) {
      const lines = readFileSync(join(healthy, name), "utf8").split("\n");
      const middle = lines.length >> 1;
      const hay = [...lines.slice(0, middle), FAILURE, ...lines.slice(middle)].join("\n");
      const found = (await paste(page, hay)) as ReturnType<typeof byCommand>;
      assert.equal(found.causes[0]?.class, "iommu-direct-mapping-required", name);
      assert.deepEqual(found, byCommand(hay), name);
      assert.deepEqual(((await paste(page, lines.join("\n"))) as typeof found).causes, [], name);
    }
  });

  it("explains a dropped log of 5 000 lines, also packed, and marks where it says so", async () => {
    const text = `${calm(2500)}\n${FAILURE}\n${calm(2500)}\n`;
    assert.deepEqual(await drop(page, "syslog", Buffer.from(text)), byCommand(text));
    assert.deepEqual(await drop(page, "syslog.gz", gzipSync(text)), byCommand(text));
    const marked = await page.evaluate<string[]>(
      "[...document.querySelectorAll('.row.marked')].map((row) => row.dataset.line + ' ' + row.innerText.slice(0, 200))",
    );
    assert.match(marked[0] ?? "", /^2501 .*Firmware has requested/);
    assert.match(await page.evaluate<string>("document.querySelector('dl').innerText"), /5,002 lines/);
  });

  it("explains a diagnostics archive, and says which files it is from", async () => {
    const zip = makeZip([
      { name: "tower-diagnostics-20261123-1422/logs/syslog.txt", content: `${calm(50)}\n${FAILURE}\n` },
      { name: "tower-diagnostics-20261123-1422/system/lspci.txt", content: "01:00.0 VGA" },
    ]);
    const found = (await drop(page, "tower-diagnostics-20261123-1422.zip", zip)) as ReturnType<
      typeof byCommand
    >;
    assert.equal(found.causes[0].class, "iommu-direct-mapping-required");
    assert.match(
      await page.evaluate<string>("document.querySelector('dl').innerText"),
      /of logs\/syslog\.txt/,
    );
    assert.match(
      String(await drop(page, "photo.zip", makeZip([{ name: "a.jpg", content: "x" }]))),
      /without any log/,
    );
    assert.match(
      String(await drop(page, "log.xz", Buffer.from("fd377a585a000000", "hex"))),
      /packed with xz/,
    );
  });

  it("goes on answering its reader while it reads 50 MB, tells how far it is, and can be stopped", async () => {
    const line = `${calm(1000)}\n`;
    const bytes = Buffer.from(
      `${line.repeat(Math.ceil(25_000_000 / line.length))}${FAILURE}\n${line.repeat(Math.ceil(25_000_000 / line.length))}`,
    );
    await page.evaluate("void (window.beats = 0, window.seen = new Set())");
    await page.evaluate(`void (() => {
      const beat = () => { beats++; const bar = document.getElementById("progress");
        if (!bar.hidden && bar.hasAttribute("value")) seen.add(bar.value); requestAnimationFrame(beat); };
      beat();
    })()`);
    const found = (await drop(page, "long.log", bytes)) as ReturnType<typeof byCommand>;
    assert.equal(found.causes[0].class, "iommu-direct-mapping-required");
    const { beats, seen } = await page.evaluate<{ beats: number; seen: number }>(
      "({ beats, seen: seen.size })",
    );
    assert.ok(beats > 20, `the page was drawn ${beats} times`);
    assert.ok(seen > 3, `progress was shown at ${seen} places`);
    assert.match(
      await page.evaluate<string>("document.querySelector('.row.marked').innerText"),
      /Firmware has requested/,
    );

    await dropOnly(page, "long.log", bytes);
    await page.evaluate(
      `new Promise((resolve) => { const look = () => document.getElementById("progress").hidden ? setTimeout(look, 5) : resolve(); look(); })`,
    );
    assert.deepEqual(await paste(page, FAILURE), byCommand(FAILURE));
  });

  it("lets nothing out: no request but for itself, and what tries is stopped by its policy", async () => {
    await page.open(`file://${file}`, { width: 1280, dark: false });
    await paste(page, FAILURE);
    const outside = page.requests.filter((url) => !url.startsWith("blob:") && url !== `file://${file}`);
    assert.deepEqual(outside, []);
    assert.deepEqual(page.complaints, []);
    const refused = await page.evaluate<string>(
      `fetch("http://127.0.0.1:9/").then(() => "went out", (error) => error.name)`,
    );
    assert.equal(refused, "TypeError");
    const inWorker = await page.evaluate<string>(`new Promise((resolve) => {
      const code = 'fetch("http://127.0.0.1:9/").then(() => postMessage("went out"), () => {});' +
        'addEventListener("securitypolicyviolation", (event) => postMessage(event.violatedDirective));';
      new Worker(URL.createObjectURL(new Blob([code]))).onmessage = ({ data }) => resolve(data);
    })`);
    assert.equal(inWorker, "connect-src");
    assert.match(page.complaints.join("\n"), /Content Security Policy/);
    assert.equal(
      page.requests
        .filter((url) => url.startsWith("http"))
        .every((url) => url.startsWith("http://127.0.0.1:9/")),
      true,
    );
  });

  for (const width of [1280, 390]) {
    for (const dark of [false, true]) {
      it(`can be read at ${width} pixels in ${dark ? "the dark" : "the light"}, with keys and by a screen reader`, async () => {
        await page.open(`file://${file}`, { width, dark });
        await paste(page, FAILURE);
        assert.ok((await page.evaluate<number>("document.documentElement.scrollWidth")) <= width);
        assert.deepEqual(await page.evaluate<string[]>(STICKS_OUT), []);
        assert.deepEqual(await page.evaluate<string[]>(WITHOUT_NAME), []);
        assert.deepEqual(await page.evaluate<string[]>(PALE), []);
        assert.equal(await page.evaluate<string>("document.activeElement.id"), "answer-title");
        assert.equal(await page.evaluate<string>("document.documentElement.lang"), "en");
      });
    }
  }

  it("is asked with keys alone", async () => {
    await page.open(`file://${file}`, { width: 1280, dark: false });
    const summary = await page.evaluate<string>(`new Promise((resolve) => {
      document.addEventListener("answered", () => setTimeout(() => resolve(document.querySelector(".sentence").innerText)), { once: true });
      const log = document.getElementById("log");
      log.focus();
      log.value = ${JSON.stringify(FAILURE)};
      log.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", ctrlKey: true, bubbles: true }));
    })`);
    assert.match(summary, /1:1 memory mapping/);
  });

  it("gives what is copied for a forum, private names masked", async () => {
    const texts = await page.evaluate<string[]>(`(async () => {
      const texts = [];
      for (const button of [...document.querySelectorAll("#answer button")]) {
        button.click();
        texts.push(document.querySelector("textarea.forum").value);
      }
      const told = document.querySelector("#answer p[role=status]");
      for (let turn = 0; turn < 100 && told.textContent === ""; turn++) await new Promise((next) => setTimeout(next, 20));
      return [...texts, told.textContent];
    })()`);
    assert.match(texts[0] ?? "", /^\[b\].*1:1 memory mapping/);
    assert.match(texts[1] ?? "", /^\*\*.*1:1 memory mapping/);
    assert.match(texts[2] ?? "", /^Copied\./);
  });
});

const STICKS_OUT =
  "[...document.querySelectorAll('body *')].filter((e) => { const r = e.getBoundingClientRect(); return r.width > 1 && !e.matches('.skip') && (r.right > innerWidth + 1 || r.left < -1) }).map((e) => e.outerHTML.slice(0, 120))";
/** What can be used and has no name for somebody who does not see it. */
const WITHOUT_NAME =
  "[...document.querySelectorAll('button, input, textarea, [tabindex=\"0\"]')].filter((e) => !(e.innerText || e.ariaLabel || e.labels?.length)).map((e) => e.outerHTML.slice(0, 120))";
/** Text that stands out from its background by less than 4.5 to 1. */
const PALE = `(() => {
  const light = (color) => {
    const [r, g, b] = color.match(/[\\d.]+/g).map(Number).map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (e) => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (!/, 0\\)$|transparent/.test(c)) return c; } return "rgb(255, 255, 255)"; };
  return [...document.querySelectorAll("body *")]
    .filter((e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim() !== "") && e.getClientRects().length > 0 && e.tagName !== "SCRIPT")
    .filter((e) => { const [a, b] = [light(getComputedStyle(e).color), light(behind(e))].sort((x, y) => y - x); return (a + 0.05) / (b + 0.05) < 4.5; })
    .map((e) => e.outerHTML.slice(0, 120));
})()`;
