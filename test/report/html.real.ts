import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { mapTexts } from "../../src/report/document.ts";
import { renderHtml, renderHtmlFragment } from "../../src/report/html.ts";
import { noBrowser, openBrowser, type Page } from "./browser.ts";
import { type Box, decodePng } from "./png.ts";
import { contentFor } from "./replayed.ts";

const REQUIRED = [
  "'Windows 11' did not start",
  "BIOS E7E49AMSI.1A95 broke passthrough",
  "Confirmed",
  "Firmware has requested this device have a 1:1 IOMMU mapping",
  "IVMD type 22h",
  "0x7fff0000-0x7fff7fff",
  "Go back to BIOS E7E49AMSI.1A63, with which it last worked on",
  "What does not matter here",
  "Questions for the board's vendor",
  "pc-q35-10.0",
  "amd_iommu=on",
];
const HOSTILE = `**<img src=x onerror=alert(1)>** $(id)"'<script>document.title='owned'</script></code></style>\`|\u001b[31m\u202e`;

describe("the report as a page", { skip: noBrowser }, () => {
  const directory = mkdtempSync(join(tmpdir(), "vfio-watch-html-"));
  const file = join(directory, "report.html");
  let page: Page;

  before(async () => {
    writeFileSync(file, renderHtml(await contentFor("bios-update")));
    page = await openBrowser();
  });
  after(async () => {
    await page.close();
    rmSync(directory, { recursive: true, force: true });
  });

  const rectangle = (selector: string) =>
    page.evaluate<Box>(
      `(() => { const r = document.querySelector(${JSON.stringify(selector)}).getBoundingClientRect(); return { x: Math.round(r.x), y: Math.round(r.y + scrollY), width: Math.round(r.width), height: Math.round(r.height) } })()`,
    );

  /** Elements that reach over the edge of the page, which nobody can read on a phone. */
  const sticksOut = () =>
    page.evaluate<string[]>(
      "[...document.querySelectorAll('body *')].filter((e) => { const r = e.getBoundingClientRect(); return r.width > 1 && (r.right > innerWidth + 1 || r.left < -1) }).map((e) => e.outerHTML.slice(0, 120))",
    );

  for (const width of [1280, 390]) {
    for (const dark of [false, true]) {
      it(`shows everything at ${width} pixels in ${dark ? "the dark" : "the light"}, and asks nobody for anything`, async () => {
        await page.open(`file://${file}`, { width, dark });
        const text = await page.evaluate<string>("document.body.innerText");
        for (const required of REQUIRED)
          assert.ok(text.includes(required), `'${required}' is not to be seen`);
        assert.ok((await page.evaluate<number>("document.documentElement.scrollWidth")) <= width);
        assert.deepEqual(await sticksOut(), []);
        assert.deepEqual(
          page.requests.filter((url) => url !== `file://${file}` && url !== "data:,"),
          [],
        );
        assert.deepEqual(page.complaints, []);

        const pixels = decodePng(await page.screenshot());
        const [red, green, blue] = pixels.at(width - 3, 3);
        assert.ok(
          dark ? red + green + blue < 120 : red + green + blue > 700,
          `paper is ${red},${green},${blue}`,
        );
        const picture = await rectangle(".vfw-picture svg");
        assert.ok(picture.width > width * 0.6, "the picture takes the width");
        const greens = pixels.count(picture, (r, g, b) => g > r + 50 && g > b + 30);
        const reds = pixels.count(picture, (r, g, b) => r > g + 100 && r > b + 100);
        // Two good runs and a failed one, each a disc with a radius of ten pixels.
        assert.ok(greens > 300 && greens < 700, `${greens} green pixels`);
        assert.ok(reds > 150 && reds < 350, `${reds} red pixels`);
        const answer = await rectangle(".vfw-answer");
        const ink = pixels.count(answer, (r, g, b) => Math.abs(r + g + b - (red + green + blue)) > 300);
        assert.ok(ink > 500, `${ink} pixels of ink in the answer`);
      });
    }
  }

  it("has enough contrast for every text, in the light and in the dark", async () => {
    for (const dark of [false, true]) {
      await page.open(`file://${file}`, { width: 1280, dark });
      assert.deepEqual(await page.evaluate<string[]>(LOW_CONTRAST), []);
    }
  });

  it("is a document that a reader without eyes can walk through", async () => {
    await page.open(`file://${file}`, { width: 1280, dark: false });
    const levels = await page.evaluate<number[]>(
      "[...document.querySelectorAll('h1,h2,h3,h4')].map((h) => Number(h.tagName[1]))",
    );
    assert.equal(levels.filter((level) => level === 1).length, 1);
    for (const [index, level] of levels.entries())
      assert.ok(level <= (levels[index - 1] ?? 0) + 1, `heading ${index} skips a level`);
    assert.match(
      await page.evaluate<string>("document.querySelector('svg desc').textContent"),
      /BIOS E7E49AMSI\.1A63, 1 of 1 starts worked.*BIOS E7E49AMSI\.1A95, 1 of 1 starts failed/,
    );
    assert.equal(await page.evaluate<number>("document.querySelectorAll('th:not([scope])').length"), 0);
    const ids = await page.evaluate<string[]>("[...document.querySelectorAll('[id]')].map((e) => e.id)");
    assert.equal(new Set(ids).size, ids.length);
  });

  it("stays itself whatever names and log lines hold", async () => {
    const hostile = mapTexts(await contentFor("bios-update"), (text) => text + HOSTILE);
    const place = join(directory, "hostile.html");
    writeFileSync(place, renderHtml(hostile));
    await page.open(`file://${place}`, { width: 390, dark: false });
    assert.equal(await page.evaluate<number>("document.querySelectorAll('img,script,iframe,a').length"), 0);
    assert.ok(
      (await page.evaluate<string>("document.body.innerText")).includes("<img src=x onerror=alert(1)>"),
    );
    assert.ok((await page.evaluate<string>("document.title")).startsWith("'Windows 11'"));
    assert.deepEqual(page.complaints, []);
    assert.deepEqual(await sticksOut(), []);
  });

  it("lives in another page as a fragment and leaves that page as it was", async () => {
    const around = (inside: string) =>
      `<!DOCTYPE html><meta name="viewport" content="width=device-width"><link rel="icon" href="data:,"><style>body{background:#1b1b1b;color:#f2f2f2;font:13px monospace}table{border:3px solid red}h2{color:lime}</style><h2 id="theirs">Tools</h2><p id="text">x</p><table id="table"><tr><td>a</td></tr></table><ul id="list"><li>b</li></ul>${inside}`;
    const style = `JSON.stringify(["theirs","text","table","list"].map((id) => { const s = getComputedStyle(document.getElementById(id)); return [...s].map((name) => s.getPropertyValue(name)).join() }))`;
    const place = join(directory, "around.html");
    writeFileSync(place, around(""));
    await page.open(`file://${place}`, { width: 390, dark: false });
    const alone = await page.evaluate<string>(style);
    writeFileSync(place, around(renderHtmlFragment(await contentFor("bios-update"))));
    await page.open(`file://${place}`, { width: 390, dark: false });
    assert.equal(await page.evaluate<string>(style), alone);
    assert.equal(await page.evaluate<number>("document.querySelectorAll('h1').length"), 0);
    assert.deepEqual(await sticksOut(), []);
    assert.deepEqual(await page.evaluate<string[]>(LOW_CONTRAST), []);
  });
});

/** Texts whose colour, with its transparency, is too near to what is behind it (WCAG AA: 4.5 to 1). */
const LOW_CONTRAST = `(() => {
  const parse = (text) => { const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number); return [r, g, b, a] };
  const over = ([r, g, b, a], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a), 1];
  const light = (colour) => colour.slice(0, 3).map((c) => { c /= 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4 })
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const found = [];
  const walker = document.createTreeWalker(document.querySelector('.vfio-watch-report'), NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const parent = walker.currentNode.parentElement;
    if (walker.currentNode.textContent.trim() === '' || parent.closest('svg,style') !== null || parent.getClientRects().length === 0) continue;
    const chain = [];
    for (let e = parent; e !== null; e = e.parentElement) chain.unshift(getComputedStyle(e));
    let back = [255, 255, 255, 1];
    let seen = 1;
    for (const style of chain) { back = over(parse(style.backgroundColor), back); seen *= Number(style.opacity) }
    const ink = over([...parse(chain.at(-1).color).slice(0, 3), seen], back);
    const [a, b] = [light(ink), light(back)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) found.push(ratio.toFixed(2) + ' ' + walker.currentNode.textContent.slice(0, 40));
  }
  return found;
})()`;
