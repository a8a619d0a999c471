import type { Importance } from "../model/alert.ts";
import { escapeDiscord, escapeSlack } from "./escape.ts";
import { type AlertMessage, alertJson, alertText, plainLines } from "./message.ts";
import { bytes, cutAtWord } from "./text.ts";
import { mailText, type UnraidReader, unraidEscapes } from "./unraid-text.ts";

/** Fields of Unraid's notifier. */
export interface UnraidFields {
  readonly event: string;
  readonly subject: string;
  readonly description: string;
  readonly importance: Importance;
  /** For mail and agents; the two characters `\n` are its line break. */
  readonly message: string;
}

/**
 * For Unraid's notifier. The event is also the stem of the notification's file name, and an equal name is a silent
 * no-op, so it names incident and delivery, and only in characters that survive the notifier's clean-up.
 */
export function renderUnraid(message: AlertMessage, reader: UnraidReader): UnraidFields {
  const text = alertText(message);
  const escapes = unraidEscapes(reader);
  const cut = (plain: string, limit: number, written: (text: string) => string) =>
    written(cutAtWord(plain, limit, (part) => written(part).length));
  const subject = cut(text.title, 120, escapes.subject);
  const parts = text.parts.slice(0, -1).map(({ label, lines }) => {
    return label === undefined ? lines.join(", ") : `${label}: ${lines.join(", ")}`;
  });
  // Up to 7.1 the notifier blanks references in mail's subject: then the text says it once more.
  const lines = subject === text.title ? plainLines(text) : [text.title, ...plainLines(text)];
  return {
    event: `vfio-watch ${message.incidentId} ${message.deliveryId}`,
    subject,
    description: cut(parts.join(" · "), 700, escapes.description) || "No details.",
    importance: message.content.importance,
    message: cutAtWord(lines.map(mailText).join("\\n"), 2_000),
  };
}

/** For mail: plain text, the machine's name in front of the subject. */
export function renderMail(message: AlertMessage): {
  readonly subject: string;
  readonly text: string;
  readonly isUrgent: boolean;
} {
  const text = alertText(message);
  return {
    subject: cutAtWord(`[${message.host}] ${text.title}`, 200),
    text: `${[text.title, "", ...plainLines(text)].join("\n")}\n`,
    isUrgent: message.content.importance === "alert",
  };
}

const NTFY_PRIORITY = { normal: 3, warning: 4, alert: 5 } as const;
const NTFY_TAGS = { normal: "information_source", warning: "warning", alert: "rotating_light" } as const;

/** For ntfy's JSON publishing; plain text. A message over 4096 bytes would arrive as an attached file. */
export function renderNtfy(message: AlertMessage, topic: string): Readonly<Record<string, unknown>> {
  const text = alertText(message);
  return {
    topic,
    title: cutAtWord(`${message.host}: ${text.title}`, 240, bytes),
    message: cutAtWord(plainLines(text).join("\n"), 3_900, bytes),
    priority: NTFY_PRIORITY[message.content.importance],
    tags: [message.content.kind === "recovered" ? "white_check_mark" : NTFY_TAGS[message.content.importance]],
  };
}

/** The alert as it is. */
export function renderJson(message: AlertMessage): Readonly<Record<string, unknown>> {
  return alertJson(message);
}

const COLOURS = { normal: 0x3b82f6, warning: 0xf59e0b, alert: 0xdc2626 } as const;
const GREEN = 0x16a34a;

/** For a Discord webhook: one embed, nobody is pinged. Discord counts characters after escaping. */
export function renderDiscord(message: AlertMessage): Readonly<Record<string, unknown>> {
  const text = alertText(message);
  const size = (plain: string) => escapeDiscord(plain).length;
  return {
    allowed_mentions: { parse: [] },
    embeds: [
      {
        title: escapeDiscord(cutAtWord(text.title, 256, size)),
        description: escapeDiscord(cutAtWord(plainLines(text).join("\n"), 3_500, size)),
        color: message.content.kind === "recovered" ? GREEN : COLOURS[message.content.importance],
        timestamp: new Date(message.createdAt).toISOString(),
      },
    ],
  };
}

/** For a Slack webhook: plain-text blocks, for Slack's Markdown has no escape. The text is for the pop-up. */
export function renderSlack(message: AlertMessage): Readonly<Record<string, unknown>> {
  const text = alertText(message);
  const size = (plain: string) => escapeSlack(plain).length;
  const block = (content: string) => ({ type: "plain_text", text: escapeSlack(content), emoji: false });
  return {
    text: escapeSlack(cutAtWord(`${message.host}: ${text.title}`, 300, size)),
    mrkdwn: false,
    blocks: [
      { type: "header", text: block(cutAtWord(text.title, 150, size)) },
      { type: "section", text: block(cutAtWord(plainLines(text).join("\n"), 2_900, size)) },
    ],
  };
}

const GOTIFY_PRIORITY = { normal: 4, warning: 6, alert: 9 } as const;

/** For Gotify; declared as plain text, for a client may read Markdown otherwise. */
export function renderGotify(message: AlertMessage): Readonly<Record<string, unknown>> {
  const text = alertText(message);
  return {
    title: cutAtWord(`${message.host}: ${text.title}`, 250),
    message: cutAtWord(plainLines(text).join("\n"), 8_000),
    priority: GOTIFY_PRIORITY[message.content.importance],
    extras: { "client::display": { contentType: "text/plain" } },
  };
}
