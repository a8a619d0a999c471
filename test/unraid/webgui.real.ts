import assert from "node:assert/strict";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { noBrowser, openBrowser, type Page } from "../report/browser.ts";
import {
  NOTIFICATIONS,
  noWebgui,
  startWebguiHost,
  VM_UUID,
  type WebguiHost,
  webguiVersions,
} from "./webgui-host.ts";

/** Where to leave pictures of what was tested, to be looked at. */
const PICTURES = process.env.UNRAID_SCREENSHOTS;
const skip = noBrowser || noWebgui();
const THEMES = ["white", "black", "azure", "gray"];
const SCREENS = [1280, 390];
const LOOKS = THEMES.flatMap((theme) => SCREENS.map((width) => ({ theme, width })));
/** What the pages of Unraid complain about by themselves: there is no nginx with its channels here. Chromium gives advice. */
const NOT_OURS = /WebSocket|404|net::ERR|NchanSubscriber|cpuPowerSubscription|^\[DOM\]/;
const IS_MARKED = `document.querySelector(".vfio-watch-mark") !== null || document.getElementById("vfio-watch-off")`;
/** A busy machine may not answer within the page's patience: then one asks again. */
const IS_TOOLS_THERE = `(document.querySelector('[aria-busy="true"]') === null && (document.querySelector("#vfio-watch-content .vfio-watch-page") !== null || document.getElementById("vfio-watch-refresh").click()))`;
const BANNER = `document.querySelector(".upgrade_notice .vfio-watch-banner")`;
const START = {
  icon: `document.getElementById("vm-${VM_UUID}")`,
  entry: `[...document.querySelectorAll(".dropdown-menu a")].find((entry) => entry.textContent.trim() === "Start")`,
};

test("the real web interface is tested where its source is", { skip }, () => {
  assert.ok(webguiVersions().length > 0);
});

for (const version of skip === false ? webguiVersions() : []) {
  describe(`Unraid ${version}`, () => {
    let host: WebguiHost;
    let page: Page;
    before(async () => {
      host = await startWebguiHost(version);
      await host.startService();
      page = await openBrowser();
    });
    after(async () => {
      await page?.close();
      await host?.close();
    });

    const open = async (
      path: string,
      { theme, width }: { readonly theme: string; readonly width: number },
    ) => {
      host.theme(theme);
      await page.open(host.address + path, { width, dark: false });
    };
    const until = async <T>(expression: string): Promise<T> => {
      for (let tries = 0; tries < 2_400; tries++) {
        const value = await page.evaluate<T | null>(expression);
        if (value) return value;
        await delay(50);
      }
      throw new Error(`it never came to be: ${expression}`);
    };
    const picture = async (
      name: string,
      { theme, width }: { readonly theme: string; readonly width: number },
    ) => {
      if (PICTURES === undefined) return;
      mkdirSync(PICTURES, { recursive: true });
      // What moves comes to rest.
      await delay(600);
      writeFileSync(join(PICTURES, `${version}-${name}-${theme}-${width}.png`), await page.screenshot());
    };
    /** In the tile, or where that lies further down in Unraid's banner, in front of nothing and behind nothing. */
    const theAnswerIsOnTheFirstScreen = async () => {
      const tile = `document.querySelector("#vfio-watch-tile > p")`;
      const isHere = `(${BANNER} ?? ${tile}).getBoundingClientRect().bottom <= innerHeight`;
      await until(isHere);
      const [text, isInFront] = await page.evaluate<[string, boolean]>(
        `(() => { const at = ${BANNER} ?? ${tile}; const [box] = at.getClientRects(); return [at.innerText, at.contains(document.elementFromPoint(box.left + 2, box.top + 2))] })()`,
      );
      assert.match(text, /Windows 11 will not start[\s\S]*What to do first: Go back to BIOS E7E49AMSI\.1A63/);
      assert.ok(isInFront, "nothing lies before its beginning");
    };
    const nothingBroke = () => {
      assert.deepEqual(host.complaints(), []);
      assert.deepEqual(
        page.complaints.filter((complaint) => !NOT_OURS.test(complaint)),
        [],
      );
    };
    /** As a person does it: a click on the VM's picture, one on Start. */
    const start = async (isReady = IS_MARKED) => {
      await until(isReady);
      await page.evaluate(`${START.icon}.click()`);
      await until(`${START.entry} !== undefined`);
      await page.evaluate(`${START.entry}.click()`);
      await until(`document.querySelector(".sweet-alert.visible") !== null`);
    };

    test("a mark stands at the VM that will not start, and says why and what to do", async () => {
      for (const look of LOOKS) {
        await open("/VMs", look);
        await until(`document.querySelector(".vfio-watch-mark .fa-ban") !== null`);
        await page.evaluate(`document.querySelector(".vfio-watch-mark").click()`);
        const tip = await until<string>(
          `document.querySelector(".tooltipster-content .vfio-watch-tip")?.innerText`,
        );
        assert.match(tip, /will not start[\s\S]*1:1[\s\S]*What to do first[\s\S]*BIOS E7E49AMSI\.1A63/);
        // By these texts Unraid stores the order of the VMs.
        assert.equal(
          await page.evaluate(
            `[...document.querySelectorAll("td.vm-name a")].map((a) => a.textContent).join()`,
          ),
          "Windows 11",
        );
        await picture("tab", look);
      }
      nothingBroke();
    });

    test("the message about a failed start gets why, what to do first, what changed, and a link", async () => {
      for (const look of [
        { theme: "white", width: 1280 },
        { theme: "black", width: 390 },
        { theme: "azure", width: 390 },
        { theme: "gray", width: 1280 },
      ]) {
        await open("/VMs", look);
        await start();
        const told = await until<string>(
          `document.querySelector(".sweet-alert .vfw-why")?.parentElement.innerText`,
        );
        assert.match(told, /demands a fixed 1:1 memory mapping for 0000:01:00\.0/);
        assert.match(
          told,
          /What to do first\s+Go back to BIOS E7E49AMSI\.1A63, with which it last worked on 23-11-2026/,
        );
        assert.match(
          told,
          /Changed since it last started \([^)]+\)\s+BIOS E7E49AMSI\.1A63 \(10-02-2026\) → E7E49AMSI\.1A95/,
        );
        assert.match(
          await page.evaluate<string>(`document.querySelector(".vfio-watch-answer a").getAttribute("href")`),
          /^\/Tools\/vfio-watch\?start=\d+#vfw-chosen$/,
        );
        await delay(600);
        const [top, bottom, left, right] = await page.evaluate<number[]>(
          `(({ top, bottom, left, right }) => [top, bottom - innerHeight, left, right - innerWidth])(document.querySelector(".sweet-alert").getBoundingClientRect())`,
        );
        assert.ok(
          (top ?? -1) >= 0 && (bottom ?? 1) <= 0 && (left ?? -1) >= 0 && (right ?? 1) <= 0,
          "it fits",
        );
        await picture("popup", look);
        // Unraid's message keeps the keyboard to its own buttons.
        assert.match(
          await page.evaluate<string>(
            `(() => { const button = document.querySelector(".sweet-alert button.confirm"); button.focus(); button.dispatchEvent(new KeyboardEvent("keydown", { key: "Tab", keyCode: 9, bubbles: true, cancelable: true })); return document.activeElement.textContent })()`,
          ),
          /^All about start #\d+$/,
        );
        await page.evaluate(`document.querySelector(".sweet-alert button.confirm").click()`);
        await until(`document.querySelector(".vfio-watch-mark .fa-ban") !== null`);
      }
      nothingBroke();
    });

    test("a start from the Dashboard is explained in Unraid's message there", async () => {
      for (const look of [
        { theme: "white", width: 1280 },
        { theme: "black", width: 390 },
      ]) {
        await open("/Dashboard", look);
        await start(`${START.icon} !== null`);
        const told = await until<string>(
          `document.querySelector(".sweet-alert .vfw-why")?.parentElement.innerText`,
        );
        assert.match(told, /1:1[\s\S]*What to do first\s+Go back to BIOS E7E49AMSI\.1A63/);
        await picture("popup-dashboard", look);
        await page.evaluate(`document.querySelector(".sweet-alert button.confirm").click()`);
      }
      nothingBroke();
    });

    test("a message about something else is left alone, and the next one begins without ours", async () => {
      await open("/VMs", { theme: "white", width: 1280 });
      await start();
      await until(`document.querySelector(".sweet-alert .vfw-why") !== null`);
      await page.evaluate(`document.querySelector(".sweet-alert button.confirm").click()`);
      await page.evaluate(`swal({title: "Execution error", text: "something else", type: "error"})`);
      await until(`document.querySelector(".sweet-alert.visible > p")?.textContent === "something else"`);
      assert.equal(await page.evaluate(`document.querySelectorAll(".vfio-watch-answer").length`), 0);
      // A message that is not what the request was answered with.
      await page.evaluate(`swal.close()`);
      await page.evaluate(
        `void jQuery(document).on("ajaxSuccess", (_event, _request, { url }) => url.includes("VMajax") && swal({title: "Execution error", text: "changed", type: "error"}))`,
      );
      const asked = page.requests.filter((url) => url.includes("answer.php")).length;
      await start();
      await until(`document.querySelector(".sweet-alert.visible > p")?.textContent === "changed"`);
      assert.equal(
        page.requests.filter((url) => url.includes("answer.php")).length,
        asked,
        "nobody is asked",
      );
      assert.equal(await page.evaluate(`document.querySelectorAll(".vfio-watch-answer").length`), 0);
    });

    test("the tile stands among Unraid's own, with its buttons, and says what will not start", async () => {
      for (const look of LOOKS) {
        await open("/Dashboard", look);
        const tile = `document.getElementById("vfio-watch-tile").closest("tbody")`;
        await until(`document.querySelector("#vfio-watch-tile")?.closest("tbody").getAttribute("sort")`);
        const text = await page.evaluate<string>(`${tile}.innerText`);
        assert.match(text, /vfio watch\s+watching: 1 VM will not start/i);
        assert.match(text, /What to do first: Go back to BIOS E7E49AMSI\.1A63/);
        assert.match(text, /Last failure/);
        assert.match(text, /Last update BIOS E7E49AMSI\.1A63 → E7E49AMSI\.1A95/);
        assert.equal(await page.evaluate(`${tile}.querySelectorAll("svg[role=img]").length`), 1);
        assert.equal(await page.evaluate(`${tile}.querySelectorAll(".openclose, .fa-cog").length`), 2);
        const width = await page.evaluate<number>(
          `(() => { const { left, right } = ${tile}.getBoundingClientRect(); return Math.max(...[...${tile}.querySelectorAll("p, svg")].map((part) => part.getBoundingClientRect().right)) - right })()`,
        );
        assert.ok(width <= 0, "nothing sticks out of it");
        await picture("tile", look);
        if (look.width < 600) await theAnswerIsOnTheFirstScreen();
      }
      // Dismissed, it does not come back for this failure.
      if (await page.evaluate(`${BANNER} !== null`)) {
        await page.evaluate(`document.querySelector(".upgrade_notice .bannerDismiss").click()`);
        await open("/Dashboard", { theme: "white", width: 390 });
        await until(`document.querySelector("#vfio-watch-tile")?.closest("tbody").getAttribute("sort")`);
        await delay(500);
        assert.equal(await page.evaluate(`${BANNER} !== null`), false);
      }
      nothingBroke();
    });

    for (const [path, isThere, expected] of [
      ["/Tools/vfio-watch", IS_TOOLS_THERE, /Windows 11[\s\S]*Go back to BIOS E7E49AMSI\.1A63/],
      [
        "/Settings/vfio-watch-settings",
        `document.getElementById("vfio-watch-settings") !== null`,
        /What you are told[\s\S]*Quiet hours/,
      ],
    ] as const) {
      test(`the page ${path} has all that it says within its place`, async () => {
        for (const look of LOOKS) {
          await open(path, look);
          await until(isThere);
          assert.match(
            await page.evaluate<string>(`document.getElementById("displaybox").innerText`),
            expected,
          );
          // 7.1 is never narrower than 1280 pixels, whatever the screen.
          const out = await page.evaluate<string[]>(
            `(() => { const { right } = document.querySelector("#displaybox .content").getBoundingClientRect(); return [...document.querySelectorAll("[class*=vfio-watch] *")].filter((part) => part.checkVisibility() && part.getBoundingClientRect().right > Math.max(right, innerWidth) + 1).map((part) => part.outerHTML.slice(0, 120)) })()`,
          );
          assert.deepEqual(out, [], `${look.theme} ${look.width}`);
          await picture(path.slice(1).replace("/", "-"), look);
        }
        nothingBroke();
      });
    }

    test("an alert is acknowledged and silenced on the page, and a test arrives in Unraid's own notifications", async () => {
      const look = { theme: "black", width: 390 };
      await open("/Tools/vfio-watch", look);
      await until(IS_TOOLS_THERE);
      const pressed = async (what: string, said: string) => {
        await until(
          `(document.querySelector('[data-do="${what}"]')?.click(), document.querySelector('[data-do="${what}"]') !== null)`,
        );
        // Reloaded by itself; a busy machine may not answer within the page's patience, then one asks again.
        await until(
          `${IS_TOOLS_THERE} && document.querySelector(".vfw-alerts").textContent.includes("${said}")`,
        );
        await picture(what, look);
      };
      await pressed("acknowledge", "you know: no reminders until it is over");
      await pressed("silence", "silent until ");
      await open("/Settings/vfio-watch-settings", look);
      const button = `document.querySelector('[data-do="test"][data-value="unraid"]')`;
      await page.evaluate(`(${button}.closest("details").open = true, ${button}.click())`);
      const said = await until<string>(
        `/Sending/.test(${button}.nextElementSibling?.textContent ?? "Sending") ? null : ${button}.nextElementSibling.textContent`,
      );
      await picture("test", look);
      const stored = readdirSync(host.at(`${NOTIFICATIONS}/unread`)).map((name) =>
        host.readFile(`${NOTIFICATIONS}/unread/${name}`),
      );
      assert.ok(
        stored.some((text) => /event="?VFIO Watch"?\n[\s\S]*test/i.test(text)),
        `${said}\n${stored.join("\n")}`,
      );
      assert.match(said, /^Sent\./);
      nothingBroke();
    });

    test("every other page has it without a sign of it", async () => {
      await open("/Settings", { theme: "white", width: 1280 });
      assert.equal(await page.evaluate(`document.querySelectorAll('script[src*="moment.js"]').length`), 1);
      assert.equal(await page.evaluate(`document.querySelectorAll(".nav-item.vfio-watch-moment").length`), 0);
      nothingBroke();
    });

    test("with the service off tab and tile say so, and the message is Unraid's alone", async () => {
      await host.stopService();
      const look = { theme: "white", width: 1280 };
      await open("/VMs", look);
      const said = await until<string>(`document.getElementById("vfio-watch-off")?.innerText`);
      assert.match(said, /VFIO Watch is off: no VM start is watched\./);
      assert.equal(await page.evaluate(`document.querySelectorAll(".vfio-watch-mark").length`), 0);
      await picture("off-tab", look);
      await start();
      await until(
        `performance.getEntriesByType("resource").some(({ name, responseEnd }) => name.includes("answer.php") && responseEnd > 0)`,
      );
      assert.equal(await page.evaluate(`document.querySelectorAll(".vfio-watch-answer").length`), 0);
      await open("/Dashboard", look);
      assert.match(await until<string>(`document.getElementById("vfio-watch-tile-state")?.innerText`), /off/);
      await picture("off-tile", look);
      nothingBroke();
    });
  });
}
