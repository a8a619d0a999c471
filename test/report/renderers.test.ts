import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { jsonText } from "../../src/json-text.ts";
import { renderBbcode } from "../../src/report/bbcode.ts";
import { mapTexts, type ReportContent } from "../../src/report/document.ts";
import { renderHtml, renderHtmlFragment } from "../../src/report/html.ts";
import { reportJson } from "../../src/report/json.ts";
import { renderMarkdown } from "../../src/report/markdown.ts";
import { renderText } from "../../src/report/text.ts";
import { contentFor } from "./replayed.ts";

const content = await contentFor("bios-update");

/** The document with something hostile in each of its texts. */
function poisoned(poison: string): ReportContent {
  return mapTexts(content, (text) => `${text}${poison}`);
}

const POISON = [
  "**<img src=x onerror=alert(1)>** $(id)",
  "`` ``` ```` ~~~",
  "[/code][url=http://x]x[/url][CODE][ /code ]",
  "</code></pre></td></table></style><script>alert(1)</script>",
  "a | b || c \\| d",
  "\u001b]0;title\u0007\u001b[31m\u0000\u202e\u2028\u0085",
  "\n# heading\n- item\n\n```\n",
  "@everyone #12 http://x www.x.org &lt;&amp;&#60;",
  "![x](javascript:x) <http://x> _a_ __b__ ==c== $d$ ^e^",
  "\ud800",
];
const poison = fc.oneof(fc.constantFrom(...POISON), fc.string({ unit: "binary", maxLength: 40 }));

/** Nothing that moves a cursor, retitles a terminal or turns the writing around. */
const CONTROL =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\u2028\u2029]|[\ud800-\udfff]/u;

const tagsOf = (html: string) =>
  html.replace(/<style>[\s\S]*?<\/style>/g, "").match(/<\/?[a-z][a-z0-9]*/gi) ?? [];
const MARKUP = /\[\/?(?:code|b|list(?:=1)?|\*|url|img|quote)(?=[\]=\s])/gi;

describe("every form of the report", () => {
  it("holds no control characters and no half characters, whatever the texts hold", () => {
    fc.assert(
      fc.property(poison, (text) => {
        const hostile = poisoned(text);
        for (const render of [renderMarkdown, renderBbcode, renderHtml, renderHtmlFragment])
          assert.doesNotMatch(render(hostile), CONTROL, render.name);
        assert.doesNotMatch(renderText(hostile, 100), CONTROL);
      }),
      { numRuns: 60 },
    );
  });

  it("says the same in all of them", () => {
    for (const form of [
      renderMarkdown(content),
      renderBbcode(content),
      renderText(content, 100),
      jsonText(reportJson(content)),
    ])
      for (const part of [
        "E7E49AMSI.1A63",
        "0x7fff0000-0x7fff7fff",
        "Contact your platform vendor.",
        "pc-q35-10.0",
      ])
        assert.ok(form.includes(part), part);
  });
});

describe("the report as HTML", () => {
  it("has the same tags whatever the texts hold", () => {
    const plain = tagsOf(renderHtml(poisoned("!")));
    fc.assert(
      fc.property(poison, (text) => {
        fc.pre(text.trim() !== "" && !text.includes(" → "));
        assert.deepEqual(tagsOf(renderHtml(poisoned(text))), plain);
      }),
      { numRuns: 60 },
    );
  });

  it("names no place to load anything from", () => {
    const page = renderHtml(content);
    assert.doesNotMatch(page, /<script|@import|url\(|src=|javascript:/i);
    assert.deepEqual(page.match(/https?:\/\/[^"'\s)]+/g), ["http://www.w3.org/2000/svg"]);
  });

  it("keeps every rule of its style sheet inside the fragment", () => {
    const [, style = ""] = /<style>([\s\S]*?)<\/style>/.exec(renderHtmlFragment(content)) ?? [];
    const selectors = style.replace(/@media[^{]+\{/g, "").match(/[^{}]+(?=\{)/g) ?? [];
    assert.ok(selectors.length > 30);
    for (const selector of selectors.flatMap((list) => list.split(",")))
      assert.match(selector.trim(), /^\.vfio-watch-report(?![\w-])/);
  });
});

describe("the report as BBCode", () => {
  it("has the same tags whatever the texts hold", () => {
    const plain = renderBbcode(poisoned("!")).match(MARKUP);
    fc.assert(
      fc.property(poison, (text) => {
        fc.pre(!/[\r\n]/.test(text));
        const tags: string[] = [];
        // Within code only its end is a tag.
        for (const part of renderBbcode(poisoned(text)).split(/(\[code\][\s\S]*?\[\/code\])/i))
          tags.push(...(/^\[code\]/i.test(part) ? ["[code", "[/code"] : (part.match(MARKUP) ?? [])));
        assert.deepEqual(tags, plain);
      }),
      { numRuns: 60 },
    );
  });

  it("leaves evidence as it was said", () => {
    assert.ok(
      renderBbcode(content).includes('-device {"driver":"vfio-pci","host":"0000:01:00.0","id":"hostdev0"'),
    );
  });
});

describe("the report as Markdown", () => {
  /** What is left of a line when code and escaped characters are taken out: only here could a mark mean something. */
  function bare(markdown: string): readonly string[] {
    const lines: string[] = [];
    let fence: string | undefined;
    for (const line of markdown.split("\n")) {
      const [mark] = /^`{3,}/.exec(line) ?? [];
      if (fence !== undefined) {
        if (line === fence) fence = undefined;
      } else if (mark !== undefined) fence = mark;
      else {
        const open = line.replace(/\\[!-/:-@[-`{-~]/g, "");
        lines.push(open.replace(/(?<!`)(`+)(?!`)[\s\S]*?(?<!`)\1(?!`)/g, ""));
      }
    }
    assert.equal(fence, undefined, "every block of code ends");
    return lines;
  }

  it("means nothing by what the texts hold", () => {
    fc.assert(
      fc.property(poison, (text) => {
        for (const line of bare(renderMarkdown(poisoned(text)))) {
          // The report's own bold: a whole line, or a whole cell.
          const own = line.replace(/^\*\*([^*]*)\*\*$|(?<=\| )\*\*([^*]*)\*\*(?= \|)/g, "$1$2");
          assert.doesNotMatch(own.replaceAll("<br>", ""), /[<*`[\]]|~~|:\/\/|@\w|#\d/, line);
        }
      }),
      { numRuns: 60 },
    );
  });

  it("has as many cells in every row of a table as in its head", () => {
    fc.assert(
      fc.property(poison, (text) => {
        let columns: number | undefined;
        for (const line of renderMarkdown(poisoned(text)).split("\n")) {
          if (!line.startsWith("| ")) {
            columns = undefined;
            continue;
          }
          const cells = line.replace(/\\[\\|]/g, "").split("|").length;
          columns ??= cells;
          assert.equal(cells, columns, line);
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe("the report as JSON", () => {
  it("is the document, with times that programs read", () => {
    const hostile = poisoned(POISON.join(""));
    const times = new Set(["madeAt", "at", "from"]);
    const expected = JSON.stringify({ ...hostile, outcome: hostile.outcome ?? null }, (key, value) =>
      times.has(key) && typeof value === "number" ? new Date(value).toISOString() : value,
    );
    assert.deepEqual(JSON.parse(jsonText(reportJson(hostile))), JSON.parse(expected));
  });
});
