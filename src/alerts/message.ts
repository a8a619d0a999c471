import type { AlertContent } from "../model/alert.ts";
import { briefOf, changedText } from "./brief.ts";
import { singleSpaced } from "./text.ts";

/** One alert as a channel gets it. */
export interface AlertMessage {
  readonly incidentId: string;
  /** Unique for the delivery; a second try has the same. */
  readonly deliveryId: number;
  /** The machine's name. */
  readonly host: string;
  /** When the alert was raised, UTC epoch milliseconds. */
  readonly createdAt: number;
  readonly content: AlertContent;
}

/** What a person reads, part by part, not yet escaped for anywhere. */
export interface AlertText {
  /** At most 60 characters. */
  readonly title: string;
  readonly parts: readonly AlertPart[];
}

export interface AlertPart {
  /** `head`: what to do and what changed, which everybody gets to see. `why` explains it. */
  readonly place: "head" | "why" | "details";
  /** What the part is; plain renderers put it in front. */
  readonly label?: string;
  /** One line, or several as a list. */
  readonly lines: readonly string[];
}

const LONGEST_LINE = 600;
const MOST_LINES = 12;

/**
 * Puts an alert's content into words: subject, what to do first and what changed, which fit where little is shown, then
 * why and everything else, so that whatever has to be cut off matters least.
 */
export function alertText(message: AlertMessage): AlertText {
  const { content } = message;
  const brief = briefOf(content);
  const parts: AlertPart[] = [];
  const add = (
    label: string | undefined,
    lines: readonly (string | undefined)[],
    place: AlertPart["place"] = "details",
  ) => {
    const clean = lines
      .filter((line) => line !== undefined)
      .map((line) => singleSpaced(line).slice(0, LONGEST_LINE));
    const kept = clean.filter((line) => line !== "").slice(0, MOST_LINES);
    if (kept.length === 0) return;
    const more = clean.length - kept.length;
    const all = more > 0 ? [...kept, `and ${more} more`] : kept;
    parts.push(label === undefined ? { place, lines: all } : { place, label, lines: all });
  };
  const isSummary = content.kind === "storm-summary";
  const remedies = content.remedies ?? (content.remedy === undefined ? [] : [content.remedy]);
  add(undefined, [brief.remedy], "head");
  if (!isSummary) add(undefined, [changedText(brief)], "head");
  add(undefined, [content.cause, content.lastGood], "why");
  if (!isSame(remedies, brief.remedy === undefined ? [] : [brief.remedy])) add("What to do", remedies);
  if (isSummary) add("Held back", content.changes);
  else if (!isSame(content.changes, brief.changes)) add("All that changed", content.changes);
  // A long name has been cut in the subject.
  if (content.vm !== undefined && !brief.subject.includes(singleSpaced(content.vm))) add("VM", [content.vm]);
  add(content.devices.length > 1 ? "Devices" : "Device", content.devices.map(describeDevice));
  if (content.count !== undefined && content.count > 1)
    add(undefined, [`It has happened ${content.count} times.`]);
  add("Not recorded", [content.unrecorded]);
  add("More", [content.command]);
  add(undefined, [`${message.host}, incident ${message.incidentId}`]);
  return { title: brief.subject, parts };
}

function isSame(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && some.every((text, index) => singleSpaced(text) === others[index]);
}

function describeDevice(device: AlertContent["devices"][number]): string {
  return device.name === undefined ? device.bdf : `${device.name} (${device.bdf})`;
}

/** The parts as plain lines: a label and one line together, lists with dashes. */
export function plainLines(text: AlertText): readonly string[] {
  return text.parts.flatMap(({ label, lines }) => {
    const [only] = lines;
    if (label === undefined) return lines;
    if (lines.length === 1) return [`${label}: ${only}`];
    return [`${label}:`, ...lines.map((line) => `- ${line}`)];
  });
}

/** What the JSON webhook and the command get: the content as it is, and the same in words. */
export function alertJson(message: AlertMessage): Readonly<Record<string, unknown>> {
  const { content, createdAt, ...rest } = message;
  const text = alertText(message);
  const head = text.parts.filter(({ place }) => place === "head").flatMap(({ lines }) => lines);
  return {
    version: 1,
    ...rest,
    at: new Date(createdAt).toISOString(),
    ...content,
    brief: [text.title, ...head].join("\n"),
    text: [text.title, ...plainLines(text)].join("\n"),
  };
}
