import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import { singleSpaced } from "../../src/alerts/text.ts";
import { mailText, unraidEscapes, unraidReader } from "../../src/alerts/unraid-text.ts";
import { createHostPaths } from "../../src/host-paths.ts";
import { noBrowser, openBrowser } from "../report/browser.ts";
import { HOSTILE } from "./examples.ts";

/*
 * The readers below do what Unraid's own do, as seen when its scripts of 6.12.15 to 7.3.3 and the libraries of its
 * API were run with these texts.
 */

const REFERENCES: Readonly<Record<string, string>> = { lt: "<", gt: ">", amp: "&", quot: '"', NewLine: "\n" };

/** Resolves character references once, as HTML does and as the API does with a whole file. */
function resolved(text: string): string {
  return text.replace(/&(?:#(\d+)|(lt|gt|amp|quot|NewLine));?/g, (_, code, name) =>
    code === undefined ? (REFERENCES[name] ?? "") : String.fromCodePoint(Number(code)),
  );
}

/** What is left of a value in the file after `notify get` up to 7.2.0 has split its line at every `=`. */
function gotBefore721(value: string): string {
  return `subject=${value}`.split("=")[1] ?? "";
}

/** What an HTML page shows of a text, which must hold nothing that begins a tag. */
function shownAsHtml(html: string): string {
  assert.doesNotMatch(html, /<[A-Za-z/!?]/);
  return resolved(html);
}

/** `notify` from 7.2.1 on, and then the API: blanks references in the subject, quotes, resolves, reads. */
function readByApi(fields: { subject: string; description: string }) {
  const subject = fields.subject.replace(/&#?[a-z0-9]{2,8};/gi, " ");
  const quote = (value: string) => `"${value.replace(/["\\]/g, "\\$&")}"`;
  const file = `subject=${quote(subject)}\ndescription=${quote(fields.description)}\nlink="/Tools"\n`;
  return entriesOf(resolved(file), (value) => JSON.parse(value));
}

/** The same for 7.2.0, which does not quote: `;` and `#` end a value, and a backslash takes their meaning. */
function readByApi720(fields: { subject: string; description: string }) {
  const file = `subject=${fields.subject}\ndescription=${fields.description}\nlink=/Tools\n`;
  return entriesOf(resolved(file), (value) => {
    if (/^'(.*')?$/.test(value)) return value.slice(1, -1);
    return (/^(?:\\.|[^;#])*/.exec(value)?.[0] ?? "").replace(/\\([;#\\])/g, "$1").trim();
  });
}

function entriesOf(file: string, read: (value: string) => string): Record<string, string> {
  const lines = file.split("\n").filter((line) => line !== "");
  return Object.fromEntries(lines.map((line) => [line.split("=")[0], read(line.replace(/^[^=]*=/, ""))]));
}

/** What Markdown shows of a line, which must hold nothing that is a mark or becomes a link. */
function shownAsMarkdown(line: string): string {
  assert.doesNotMatch(line, /[*`~]|<[A-Za-z/!?]|(?<![0-9A-Za-z])_|_(?![0-9A-Za-z])|\][([:]/);
  assert.doesNotMatch(line, /(?:(?:https?|ftp):\/\/|www\.)[0-9A-Za-z-]|@[0-9A-Za-z]|^(?:[#>+-]|\d+[.)])/i);
  assert.doesNotMatch(line, /\\[!-/:-@[-`{-~]/);
  return resolved(line);
}

const LOOK_ALIKES: Readonly<Record<string, string>> = Object.fromEntries(
  ["‹<", "꞊=", "\u037e;", "＃#", '”"', "‘`", "∗*", "＿_", "∼~", "＼\\"].map(([like, real]) => [like, real]),
);

/** What a person takes the text for. */
function seen(text: string): string {
  return text.replaceAll("\u200b", "").replace(/./gu, (character) => LOOK_ALIKES[character] ?? character);
}

const anyText = fc
  .array(
    fc.constantFrom(
      ...[...HOSTILE, ..."_[]!|&;#\"'\\`~@.:/-+>=1", "<!--", "&lt;", "&#10;", "&NewLine;", "http://", "www."],
      ...["<a href=", "](", "- ", "1. ", "a@b.c", "<!channel>", "```", "\\n", "ä", "[x]: y"],
    ),
    { minLength: 1, maxLength: 25 },
  )
  .map((parts) => singleSpaced(parts.join("")))
  .filter((text) => text !== "");

test("up to 7.1 the page shows the hostile name as its name", () => {
  const { subject, description } = unraidEscapes("page");
  assert.equal(
    seen(shownAsHtml(gotBefore721(subject(`'${HOSTILE}' did not start`)))),
    `'${HOSTILE}' did not start`,
  );
  assert.equal(seen(shownAsHtml(gotBefore721(description(HOSTILE)))), HOSTILE);
});

test("up to 7.1 every text survives notify and looks on the page as it was", () => {
  const { subject } = unraidEscapes("page");
  fc.assert(
    fc.property(anyText, (text) => {
      const stored = subject(text);
      assert.equal(seen(shownAsHtml(gotBefore721(stored))), seen(text));
      // The page of archived notifications makes **bold** of this.
      assert.doesNotMatch(stored, /\*/);
    }),
  );
});

test("from 7.2.1 on the API's reader shows the hostile name as its name, in subject and description", () => {
  const { subject, description } = unraidEscapes("api");
  const shown = readByApi({
    subject: subject(`'${HOSTILE}' did not start`),
    description: description(HOSTILE),
  });
  assert.equal(shown.subject, `'${HOSTILE}' did not start`);
  assert.equal(seen(shownAsMarkdown(shown.description ?? "")), HOSTILE);
});

test("from 7.2.1 on every description and subject looks as it was", () => {
  const { subject, description } = unraidEscapes("api");
  fc.assert(
    fc.property(anyText, (text) => {
      const shown = readByApi({ subject: subject(text), description: description(text) });
      assert.deepEqual(Object.keys(shown), ["subject", "description", "link"]);
      assert.equal(shown.link, "/Tools");
      assert.equal(seen(shown.subject ?? ""), seen(text));
      assert.equal(seen(shownAsMarkdown(shown.description ?? "")), seen(text));
    }),
  );
});

test("7.2.0, whose values are not quoted, shows the name in the subject and a readable description", () => {
  const { subject, description } = unraidEscapes("api-unquoted");
  const shown = readByApi720({
    subject: subject(`'${HOSTILE}' did not start`),
    description: description(HOSTILE),
  });
  assert.equal(shown.subject, `'${HOSTILE}' did not start`);
  fc.assert(
    fc.property(anyText, (text) => {
      const any = readByApi720({ subject: subject(text), description: description(text) });
      assert.equal(any.link, "/Tools");
      assert.equal(seen(any.subject ?? ""), seen(text));
      assert.equal(seen(shownAsMarkdown(any.description ?? "")), seen(text));
    }),
  );
});

test("where nobody knows the reader, text is harmless to all of them and looks like what it was", () => {
  const { subject } = unraidEscapes("any");
  fc.assert(
    fc.property(anyText, (text) => {
      const portable = subject(text);
      assert.equal(seen(shownAsHtml(gotBefore721(portable))), seen(text));
      const shown = readByApi720({ subject: portable, description: portable });
      assert.equal(seen(shownAsMarkdown(shown.description ?? "")), seen(text));
    }),
  );
});

test("no field holds what would break the JSON that the stock agents put together", () => {
  fc.assert(
    fc.property(anyText, (text) => {
      for (const reader of ["page", "api", "api-unquoted", "any"] as const) {
        const { subject, description } = unraidEscapes(reader);
        for (const field of [subject(text), description(text), mailText(text)])
          assert.equal(JSON.parse(`"${field}"`), field);
      }
    }),
  );
});

test("a push shows no character reference, and curl's forms take every text as it is", () => {
  fc.assert(
    fc.property(anyText, (text) => {
      for (const reader of ["page", "api", "api-unquoted", "any"] as const) {
        const { subject, description } = unraidEscapes(reader);
        for (const field of [subject(text), description(text)]) {
          // Nothing but what the text itself held.
          assert.equal(seen(field), seen(text));
          assert.doesNotMatch(field, /;|^[@<(]|&#?[0-9a-z]/i);
        }
      }
    }),
  );
});

test("mail and agents get kernel parameters as they are typed, and the archive's page no tag", () => {
  assert.equal(mailText("Add amd_iommu=on; see #2 of 'a & b'."), "Add amd_iommu=on; see #2 of 'a & b'.");
  fc.assert(fc.property(anyText, (text) => assert.equal(seen(shownAsHtml(mailText(text))), seen(text))));
});

test("a browser shows what the page up to 7.1 is given as text, without an element and without a request", {
  skip: noBrowser,
}, async () => {
  const directory = mkdtempSync(join(tmpdir(), "vfio-watch-page-"));
  const file = join(directory, "page.html");
  const { subject, description } = unraidEscapes("page");
  const fields = [subject(HOSTILE), description(HOSTILE), mailText(HOSTILE)];
  writeFileSync(file, `<meta charset="utf-8"><main>${fields.join("<br>")}</main>`);
  const page = await openBrowser();
  try {
    await page.open(`file://${file}`, { width: 800, dark: false });
    const shown = await page.evaluate<string>("document.querySelector('main').innerText");
    assert.deepEqual(shown.split("\n").map(seen), [HOSTILE, HOSTILE, HOSTILE]);
    assert.equal(await page.evaluate("document.querySelectorAll('main *:not(br)').length"), 0);
    assert.equal(page.requests.length, 1);
  } finally {
    await page.close();
    rmSync(directory, { recursive: true, force: true });
  }
});

const roots: string[] = [];
after(() => {
  for (const root of roots) rmSync(root, { recursive: true, force: true });
});

function hostWith(version: string | undefined, api = false) {
  const root = mkdtempSync(join(tmpdir(), "vfio-watch-reader-"));
  roots.push(root);
  mkdirSync(join(root, "etc"));
  if (version !== undefined) writeFileSync(join(root, "etc/unraid-version"), `version="${version}"\n`);
  if (api) mkdirSync(join(root, "usr/local/unraid-api"), { recursive: true });
  return createHostPaths(root);
}

test("the reader follows from Unraid's version, and from the API that Connect brings to an older one", () => {
  for (const version of ["6.12.15", "7.0.1", "7.1.4"]) assert.equal(unraidReader(hostWith(version)), "page");
  assert.equal(unraidReader(hostWith("7.1.4", true)), "any");
  for (const version of ["7.2.0-beta.2.10", "7.2.0", "7.2.1-rc.0.1"])
    assert.equal(unraidReader(hostWith(version, true)), "api-unquoted");
  for (const version of ["7.2.1", "7.2.8", "7.3.0-beta.2", "7.3.3", "7.4.0-beta.0.3", "8.0.0"])
    assert.equal(unraidReader(hostWith(version, true)), "api");
  assert.equal(unraidReader(hostWith("strange")), "any");
  assert.equal(unraidReader(hostWith(undefined)), "any");
});
