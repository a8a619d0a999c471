import type { Page } from "../report/browser.ts";

/** A text in the page as it is given; long ones are sent in pieces, for the pipe to the browser has a limit. */
async function send(page: Page, bytes: Buffer): Promise<void> {
  await page.evaluate("void (window.pieces = [])");
  for (let at = 0; at < bytes.length || at === 0; at += 4_000_000) {
    const piece = bytes.subarray(at, at + 4_000_000).toString("base64");
    await page.evaluate(`void pieces.push(Uint8Array.from(atob("${piece}"), (c) => c.charCodeAt(0)))`);
  }
}

/** What the page answers, as the command prints it; a string says why it refused. */
const ANSWERED = `new Promise((resolve) => {
  document.addEventListener("answered", ({ detail }) => resolve(detail), { once: true });
  const status = document.getElementById("status");
  new MutationObserver(() => status.classList.contains("bad") && resolve(status.textContent)).observe(status, {
    attributes: true, childList: true,
  });
  ACT;
})`;

function answerTo(page: Page, act: string): Promise<unknown> {
  return page.evaluate(ANSWERED.replace("ACT", () => act));
}

/** Pastes a text into the empty text field, as a person does. */
export async function paste(page: Page, text: string): Promise<unknown> {
  await send(page, Buffer.from(text));
  return answerTo(
    page,
    `(() => {
      const log = document.getElementById("log");
      document.getElementById("clear").click();
      const data = new DataTransfer();
      const bytes = new Blob(pieces);
      bytes.text().then((text) => {
        data.setData("text/plain", text);
        const event = new ClipboardEvent("paste", { clipboardData: data, cancelable: true, bubbles: true });
        // What the browser itself does where nobody keeps it from doing so.
        if (log.dispatchEvent(event)) log.value = text;
      });
    })()`,
  );
}

/** Drops a file on the page. */
export async function drop(page: Page, name: string, bytes: Buffer): Promise<unknown> {
  await send(page, bytes);
  return answerTo(page, DROP(name));
}

/** Drops a file and does not wait for the answer. */
export async function dropOnly(page: Page, name: string, bytes: Buffer): Promise<void> {
  await send(page, bytes);
  await page.evaluate(`void ${DROP(name)}`);
}

const DROP = (name: string) => `(() => {
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File(pieces, ${JSON.stringify(name)}));
  document.body.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
})()`;
