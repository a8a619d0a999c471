import type { Importance } from "../model/alert.ts";
import { escapeDiscord, escapeSlack } from "./escape.ts";
import { type AlertMessage, type AlertPart, alertJson, alertText, plainLines } from "./message.ts";
import { bytes, cutAtWord, singleSpaced } from "./text.ts";
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

/** Unraid's headline of every notification of ours; it is also the stem of their files' names. */
export const UNRAID_EVENT = "VFIO Watch";

/** For Unraid's notifier: what is done about it in subject and description, the rest behind them for mail and agents. */
export function renderUnraid(message: AlertMessage, reader: UnraidReader): UnraidFields {
  const text = alertText(message);
  const escapes = unraidEscapes(reader);
  const cut = (plain: string, limit: number, written: (text: string) => string) =>
    written(cutAtWord(plain, limit, (part) => written(part).length));
  const of = (...places: readonly AlertPart["place"][]) =>
    plainLines({ ...text, parts: text.parts.filter(({ place }) => places.includes(place)) });
  const reference = unraidReference(message);
  const details = of("details").slice(0, -1).map(mailText);
  return {
    event: UNRAID_EVENT,
    subject: cut(text.title, 120, escapes.subject),
    description: cut(of("head", "why").join(" "), 700, escapes.description) || "No details.",
    importance: message.content.importance,
    message: [
      ...(details.length === 0 ? [] : [cutAtWord(details.join("\\n"), 1_900)]),
      `${mailText(singleSpaced(message.host).slice(0, 64))}, ${reference}`,
    ].join("\\n"),
  };
}

/** By what a stored notification is known to be of this delivery. */
export function unraidReference({ incidentId, deliveryId }: AlertMessage): string {
  return `incident ${incidentId}, alert ${deliveryId}`;
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
        author: { name: cutAtWord(`VFIO Watch on ${message.host}`, 250) },
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
