import type { AlertContent } from "../model/alert.ts";
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
  readonly title: string;
  readonly parts: readonly AlertPart[];
}

export interface AlertPart {
  /** What the part is; plain renderers put it in front. */
  readonly label?: string;
  /** One line, or several as a list. */
  readonly lines: readonly string[];
}

const LONGEST_LINE = 600;
const MOST_LINES = 12;

/** Puts an alert's content into words, best part first, so that whatever has to be cut off matters least. */
export function alertText(message: AlertMessage): AlertText {
  const { content } = message;
  const parts: AlertPart[] = [];
  const add = (label: string | undefined, lines: readonly (string | undefined)[]) => {
    const clean = lines
      .filter((line) => line !== undefined)
      .map((line) => singleSpaced(line).slice(0, LONGEST_LINE));
    const kept = clean.filter((line) => line !== "").slice(0, MOST_LINES);
    if (kept.length === 0) return;
    const more = clean.length - kept.length;
    const all = more > 0 ? [...kept, `and ${more} more`] : kept;
    parts.push(label === undefined ? { lines: all } : { label, lines: all });
  };
  add(undefined, [content.cause]);
  add(content.kind === "storm-summary" ? "Held back" : "Changed", content.changes);
  add(undefined, [content.lastGood]);
  add("What to do", content.remedies ?? [content.remedy]);
  add(content.devices.length > 1 ? "Devices" : "Device", content.devices.map(describeDevice));
  if (content.count !== undefined && content.count > 1)
    add(undefined, [`It has happened ${content.count} times.`]);
  add("Not recorded", [content.unrecorded]);
  add("More", [content.command]);
  add(undefined, [`${message.host}, incident ${message.incidentId}`]);
  return { title: singleSpaced(content.subject).slice(0, LONGEST_LINE) || "vfio-watch", parts };
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
  return {
    version: 1,
    ...rest,
    at: new Date(createdAt).toISOString(),
    ...content,
    text: [text.title, ...plainLines(text)].join("\n"),
  };
}
