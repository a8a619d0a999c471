import assert from "node:assert/strict";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { needsPrograms } from "../helpers/needs.ts";
import { noBrowser, openBrowser } from "../report/browser.ts";
import { giveHistory, startWebHost } from "./web-host.ts";

/*
 * The pictures that unraid/community-applications.xml names, taken with Unraid's own style sheets (UNRAID_WEBGUI, a tag a
 * directory); LISTING_PICTURES is where they are put for a release.
 */
const SOURCE = process.env.UNRAID_WEBGUI ?? "";
const newest = SOURCE !== "" && existsSync(SOURCE) ? readdirSync(SOURCE).toSorted().at(-1) : undefined;
const skip =
  newest === undefined
    ? "needs UNRAID_WEBGUI=DIRECTORY with the source of Unraid's web interface, a tag a directory"
    : needsPrograms("php") || noBrowser;

test("the pictures for the listing show the answer, on a desktop and on a phone's first screen", {
  skip,
}, async () => {
  const host = await startWebHost();
  const browser = await openBrowser();
  const pictures = process.env.LISTING_PICTURES ?? mkdtempSync(join(tmpdir(), "vfio-watch-pictures-"));
  try {
    await giveHistory(host);
    const styles = host.at("/usr/local/emhttp/webGui/styles");
    cpSync(join(SOURCE, newest ?? "", "emhttp/plugins/dynamix/styles"), styles, { recursive: true });
    mkdirSync(pictures, { recursive: true });
    for (const [name, page, width] of [
      ["unraid-page", "/Tools/vfio-watch?theme=black", 1280],
      ["unraid-page-phone", "/Tools/vfio-watch?theme=black", 390],
      ["unraid-settings", "/Settings/vfio-watch-settings?theme=black", 1280],
    ] as const) {
      await browser.open(host.address + page, { width, dark: true });
      while (
        await browser.evaluate<boolean>(
          `document.querySelector('[aria-busy="true"], .vfio-watch-wait') !== null`,
        )
      )
        await delay(50);
      writeFileSync(join(pictures, `${name}.png`), await browser.screenshot());
      const [wide, todo] = await browser.evaluate<[number, number]>(
        `[document.documentElement.scrollWidth, document.querySelector(".vfw-todo")?.getBoundingClientRect().bottom ?? 0]`,
      );
      assert.ok(wide <= width, `${name}: ${wide} pixels wide`);
      // Unraid's own header takes the first 150.
      assert.ok(todo < 844 - 150, `${name}: what to do ends at ${todo}`);
    }
    assert.equal(readdirSync(pictures).filter((name) => name.startsWith("unraid-")).length, 3);
  } finally {
    await browser.close();
    await host.close();
    if (process.env.LISTING_PICTURES === undefined) rmSync(pictures, { recursive: true, force: true });
  }
});
