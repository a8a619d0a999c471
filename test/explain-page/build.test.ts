import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { buildExplainPage } from "../../tools/explain-page.ts";

const directory = mkdtempSync(join(tmpdir(), "vfio-watch-page-"));
after(() => rmSync(directory, { recursive: true, force: true }));
const { path, bytes } = await buildExplainPage(join(directory, "explain.html"));
const html = readFileSync(path, "utf8");

test("the page is one file of at most two megabytes that names nothing outside of it", () => {
  assert.ok(bytes <= 2_000_000, `${bytes} bytes`);
  const outside = html.match(
    /<(?:link|img|iframe|script|source|object|embed|base)\b[^>]*\b(?:src|href|data)=[^>]*>/gi,
  );
  assert.equal(outside, null);
  assert.doesNotMatch(html, /@import|url\(\s*['"]?https?:/i);
});

test("its policy lets nothing connect and nothing run but the script and the style that stand in it", () => {
  const policy = /http-equiv="Content-Security-Policy" content="([^"]+)"/.exec(html)?.[1] ?? "";
  const directives = new Map(
    policy.split("; ").map((directive) => {
      const [name = "", ...values] = directive.split(" ");
      return [name, values.join(" ")];
    }),
  );
  assert.equal(directives.get("default-src"), "'none'");
  assert.equal(directives.get("connect-src"), "'none'");
  assert.equal(directives.get("form-action"), "'none'");
  assert.equal(directives.get("base-uri"), "'none'");
  assert.equal(directives.get("worker-src"), "blob:");
  assert.equal(directives.get("script-src"), hashOf(/<script>([\s\S]*?)<\/script>/.exec(html)?.[1]));
  assert.equal(directives.get("style-src"), hashOf(/<style>([\s\S]*?)<\/style>/.exec(html)?.[1]));
  assert.ok(
    html.indexOf("Content-Security-Policy") < html.indexOf("<script"),
    "it has to stand before all scripts",
  );
  assert.equal(html.match(/<script\b/g)?.length, 1);
});

function hashOf(text: string | undefined): string {
  return `'sha256-${createHash("sha256")
    .update(text ?? "")
    .digest("base64")}'`;
}
