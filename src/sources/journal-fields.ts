import { type BootId, bootId } from "../model/identifiers.ts";

/** The fields of one line of `journalctl -o json`; undefined where it is none. */
export function journalFields(line: string): Readonly<Record<string, unknown>> | undefined {
  let fields: unknown;
  try {
    fields = JSON.parse(line);
  } catch {
    return undefined;
  }
  return typeof fields === "object" && fields !== null ? (fields as Record<string, unknown>) : undefined;
}

/** A message is a string, or its bytes where it is not printable UTF-8, or several where a field came twice. */
export function journalText(message: unknown): string | undefined {
  return textOf(message) ?? (Array.isArray(message) ? textOf(message[0]) : undefined);
}

/** A number of up to 16 digits; journalctl writes numbers as strings. */
export function journalNumber(value: unknown): number | undefined {
  return typeof value === "string" && /^\d{1,16}$/.test(value) ? Number(value) : undefined;
}

/** journald writes boot ids without dashes, the kernel with. */
export function journalBootId(value: unknown): BootId | undefined {
  if (typeof value !== "string") return undefined;
  const parts = /^([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})$/.exec(value);
  return parts === null ? undefined : bootId(parts.slice(1).join("-"));
}

function textOf(message: unknown): string | undefined {
  if (typeof message === "string") return message;
  const isBytes =
    Array.isArray(message) &&
    message.length > 0 &&
    message.every((byte) => Number.isInteger(byte) && byte >= 0 && byte <= 255);
  return isBytes ? Buffer.from(message).toString("utf8") : undefined;
}
