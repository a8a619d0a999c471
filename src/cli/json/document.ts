import { jsonText } from "../../json-text.ts";
import { isoTime } from "../../time-words.ts";

/** The version of the documents' forms; it grows when a reader of an older form would go wrong (docs/json). */
export const JSON_VERSION = 1;

/** A command's one document for programs, as `docs/json/<command>.schema.json` describes it. */
export function documentText(body: object, indent: number | undefined = 2): string {
  return jsonText({ version: JSON_VERSION, ...body }, indent);
}

/** A time for programs: ISO 8601 in UTC; null where there is none. */
export function timeJson(at: number | undefined): string | null {
  return at === undefined ? null : (isoTime(at) ?? null);
}
