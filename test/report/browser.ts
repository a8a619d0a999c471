import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { needsPrograms } from "../helpers/needs.ts";

const CHROMIUM = "/usr/bin/chromium";

/** Why no browser can be used; false when one can. */
export const noBrowser: string | false = needsPrograms(CHROMIUM);

const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--hide-scrollbars",
  "--remote-debugging-pipe",
];

type Answer = Readonly<Record<string, unknown>>;

/** A page in a browser of its own. */
export interface Page {
  /** Opens an address as a reader with this screen would; resolves once it is loaded. */
  open(address: string, screen: { readonly width: number; readonly dark: boolean }): Promise<void>;
  /** Value of an expression in the page, awaited where it is a promise. */
  evaluate<T>(expression: string): Promise<T>;
  /** The whole page as PNG. */
  screenshot(): Promise<Buffer>;
  /** Everything that the page asked for, was told off for, or complained about since it was opened. */
  readonly requests: readonly string[];
  readonly complaints: readonly string[];
  close(): Promise<void>;
}

/** Starts Chromium and talks to it through a pipe, so that nothing listens on a port. */
export async function openBrowser(): Promise<Page> {
  const profile = mkdtempSync(join(tmpdir(), "vfio-watch-browser-"));
  const child: ChildProcess = spawn(CHROMIUM, [...FLAGS, `--user-data-dir=${profile}`, "about:blank"], {
    stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
  });
  const [, , , toBrowser, fromBrowser] = child.stdio;
  const input = toBrowser as Writable;
  const waiting = new Map<number, (answer: Answer) => void>();
  const listeners = new Map<string, (params: Answer) => void>();
  let next = 1;
  let rest = "";
  (fromBrowser as Readable).setEncoding("utf8").on("data", (chunk: string) => {
    const messages = (rest + chunk).split("\0");
    rest = messages.pop() ?? "";
    for (const message of messages) {
      const { id, result, error, method, params } = JSON.parse(message);
      if (error !== undefined) throw new Error(`Chromium: ${error.message}`);
      waiting.get(id)?.(result);
      waiting.delete(id);
      listeners.get(method)?.(params);
    }
  });
  let sessionId: string | undefined;
  const send = (method: string, params: object = {}) =>
    new Promise<Answer>((resolve) => {
      const id = next++;
      waiting.set(id, resolve);
      input.write(
        `${JSON.stringify({ id, method, params, ...(sessionId !== undefined && { sessionId }) })}\0`,
      );
    });

  const { targetId } = await send("Target.createTarget", { url: "about:blank" });
  sessionId = String((await send("Target.attachToTarget", { targetId, flatten: true })).sessionId);
  const requests: string[] = [];
  const complaints: string[] = [];
  listeners.set("Network.requestWillBeSent", ({ request }) =>
    requests.push((request as { readonly url: string }).url),
  );
  listeners.set("Runtime.consoleAPICalled", (params) => complaints.push(JSON.stringify(params.args)));
  listeners.set("Runtime.exceptionThrown", (params) => complaints.push(JSON.stringify(params)));
  listeners.set("Log.entryAdded", ({ entry }) => complaints.push((entry as { readonly text: string }).text));
  for (const domain of ["Page", "Network", "Runtime", "Log"]) await send(`${domain}.enable`);

  return {
    requests,
    complaints,
    async open(address, { width, dark }) {
      requests.length = 0;
      complaints.length = 0;
      await send("Emulation.setDeviceMetricsOverride", {
        width,
        height: 800,
        deviceScaleFactor: 1,
        mobile: width < 600,
      });
      await send("Emulation.setEmulatedMedia", {
        features: [{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }],
      });
      const loaded = new Promise<void>((resolve) => listeners.set("Page.loadEventFired", () => resolve()));
      await send("Page.navigate", { url: address });
      await loaded;
    },
    async evaluate<T>(expression: string) {
      const { result, exceptionDetails } = await send("Runtime.evaluate", {
        expression,
        returnByValue: true,
        awaitPromise: true,
        // As if a person had done it: without one a page may not reach for the clipboard.
        userGesture: true,
      });
      if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails));
      return (result as { readonly value: T }).value;
    },
    async screenshot() {
      const { data } = await send("Page.captureScreenshot", { format: "png", captureBeyondViewport: true });
      return Buffer.from(String(data), "base64");
    },
    async close() {
      const gone = new Promise((resolve) => child.once("exit", resolve));
      sessionId = undefined;
      void send("Browser.close");
      await gone;
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
