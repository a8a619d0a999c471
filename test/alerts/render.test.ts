import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { escapeDiscord } from "../../src/alerts/escape.ts";
import {
  renderDiscord,
  renderGotify,
  renderJson,
  renderNtfy,
  renderSlack,
  renderUnraid,
} from "../../src/alerts/render.ts";
import { bytes, cutAtWord, singleSpaced } from "../../src/alerts/text.ts";
import { failureOf, HOSTILE, messageOf } from "./examples.ts";

const hostile = messageOf(failureOf(HOSTILE));
const anyText = fc.oneof(
  fc.string({ unit: "binary", maxLength: 80 }),
  fc.string({
    unit: fc.constantFrom(...HOSTILE, "\n", "\\", "`", "&", ";", "_", "[", "]", "\u202e", "http://x.example"),
  }),
);

/** Discord's rule: a backslash before punctuation stands for that punctuation. */
const shownByDiscord = (text: string) => text.replace(/\\([^0-9A-Za-z\s])/g, "$1");

test("an alert says VM, what to do, what changed, why, last good, device by name and address, command and incident", () => {
  const { title, message: body } = renderNtfy(messageOf(failureOf()), "topic");
  assert.equal(title, "tower: 'Windows 11' did not start");
  assert.equal(
    body,
    [
      "Go back to BIOS E7E49AMSI.1A63.",
      "Changed: BIOS version: E7E49AMSI.1A63 → E7E49AMSI.1A95 · IVRS table: an entry of type 22h is new.",
      "The firmware demands a 1:1 mapping for the graphics card, so the kernel refuses to hand it to a VM.",
      "Last good start: 2026-11-20 18:02 UTC, on BIOS E7E49AMSI.1A63.",
      "Devices:",
      "- NVIDIA AD106 [GeForce RTX 4060 Ti] (0000:01:00.0)",
      "- 0000:01:00.1",
      "More: vfio-watch show 12",
      "tower, incident 0123abcdef",
    ].join("\n"),
  );
});

test("ntfy, Gotify and JSON get the hostile name as it is, as plain text", () => {
  assert.equal(renderNtfy(hostile, "t").title, `tower: '${HOSTILE}' did not start`);
  assert.equal("markdown" in renderNtfy(hostile, "t"), false);
  assert.equal(renderGotify(hostile).title, `tower: '${HOSTILE}' did not start`);
  assert.deepEqual(renderGotify(hostile).extras, { "client::display": { contentType: "text/plain" } });
  assert.equal(renderJson(hostile).vm, HOSTILE);
});

test("Discord shows the hostile name as its name and pings nobody", () => {
  const shown = renderDiscord(hostile) as { embeds: { title: string }[]; allowed_mentions: unknown };
  const title = shown.embeds[0]?.title ?? "";
  assert.equal(shownByDiscord(title), `'${HOSTILE}' did not start`);
  assert.doesNotMatch(title, /(?<!\\)[*<>_`~|]/);
  assert.deepEqual(shown.allowed_mentions, { parse: [] });
});

test("whatever is escaped for Discord is shown as it was, and nothing in it is formatting", () => {
  fc.assert(
    fc.property(anyText.map(singleSpaced), (text) => {
      const escaped = escapeDiscord(text);
      assert.equal(shownByDiscord(escaped), text);
      assert.doesNotMatch(escaped.replace(/\\[^0-9A-Za-z\s]/g, ""), /[*<>_`~|[\]]/);
      assert.doesNotMatch(escaped, /[a-z]:\/\//);
    }),
  );
});

test("Slack gets plain-text blocks, so that the hostile name is no formatting", () => {
  const shown = renderSlack(hostile) as {
    blocks: { text: { type: string; text: string } }[];
    mrkdwn: boolean;
  };
  assert.deepEqual(
    shown.blocks.map(({ text }) => text.type),
    ["plain_text", "plain_text"],
  );
  const title = shown.blocks[0]?.text.text ?? "";
  assert.equal(
    title.replace(/&lt;/g, "<").replace(/&gt;/g, ">").replace(/&amp;/g, "&"),
    `'${HOSTILE}' did not start`,
  );
  assert.equal(shown.mrkdwn, false);
});

const UNRAID_READERS = ["page", "api", "api-unquoted", "any"] as const;

test("Unraid's notifier gets a headline, the subject, what to do, what changed and why in one line, and the rest behind", () => {
  const fields = renderUnraid(hostile, "api");
  assert.equal(fields.subject, `'${HOSTILE}' did not start`);
  assert.equal(fields.importance, "alert");
  assert.match(
    fields.description,
    /^Go back to BIOS E7E49AMSI\.1A63\. Changed: BIOS version: E7E49AMSI\.1A63 → E7E49AMSI\.1A95 · IVRS table: an entry of type 22h is new\. The firmware demands/,
  );
  assert.equal(fields.event, "VFIO Watch");
  assert.match(
    fields.message,
    /^Devices:.*\\nMore: vfio-watch show 12\\ntower, incident 0123abcdef, alert 7$/,
  );
});

test("no text of any alert leaves the line that Unraid's notifier stores a field in", () => {
  fc.assert(
    fc.property(anyText, anyText, fc.constantFrom(...UNRAID_READERS), (vm, cause, reader) => {
      const fields = renderUnraid(messageOf({ ...failureOf(vm), cause }), reader);
      assert.equal(fields.event, "VFIO Watch");
      for (const field of [fields.subject, fields.description]) assert.doesNotMatch(field, /["\\\n\r\u0000]/);
      // The two characters \n are the notifier's own line break; no other backslash stands there.
      assert.doesNotMatch(fields.message.replaceAll("\\n", ""), /["\\\n\r]/);
    }),
  );
});

test("every destination's limits hold for the longest texts, cut between words", () => {
  const long = `${"word ".repeat(3_000)}end`;
  const message = messageOf({
    ...failureOf("*".repeat(5_000)),
    cause: long,
    changes: Array.from({ length: 50 }, () => long),
  });
  const ntfy = renderNtfy(message, "topic");
  assert.ok(bytes(String(ntfy.message)) <= 4_096);
  assert.match(String(ntfy.message), /word…$|end$|\)$/);
  const discord = renderDiscord(message) as { embeds: { title: string; description: string }[] };
  assert.ok((discord.embeds[0]?.title.length ?? 999) <= 256);
  assert.ok((discord.embeds[0]?.description.length ?? 9_999) <= 4_096);
  const slack = renderSlack(message) as { blocks: { text: { text: string } }[] };
  assert.ok((slack.blocks[0]?.text.text.length ?? 999) <= 150);
  assert.ok((slack.blocks[1]?.text.text.length ?? 9_999) <= 3_000);
  for (const reader of UNRAID_READERS) {
    const unraid = renderUnraid(message, reader);
    assert.ok(
      unraid.subject.length <= 120 && unraid.description.length <= 700 && unraid.message.length <= 2_000,
    );
  }
});

test("cutting keeps whole words, never breaks a character, and never exceeds the limit in its own measure", () => {
  assert.equal(cutAtWord("the quick brown fox", 12), "the quick…");
  assert.equal(cutAtWord("abcdefgh", 5), "abcd…");
  assert.equal(cutAtWord("😀😀😀", 5), "😀😀…");
  assert.equal(cutAtWord("short", 5), "short");
  assert.equal(cutAtWord("a  longer", 3), "a…");
  assert.equal(cutAtWord(" \u0800", 3, bytes), "");
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), fc.integer({ min: 1, max: 60 }), (text, limit) => {
      const cut = cutAtWord(text, limit, bytes);
      assert.ok(bytes(cut) <= limit);
      assert.ok(cut === text || cut === "" || (cut.endsWith("…") && text.startsWith(cut.slice(0, -1))));
      assert.ok(cut.isWellFormed());
    }),
  );
});

test("text of one line has no control characters and no reversed writing", () => {
  assert.equal(singleSpaced(" a\r\n\tb\u0000\u202Ec\u001B[31m\ud800 "), "a b c [31m\ufffd");
});
