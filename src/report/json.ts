import { jsonText } from "../json-text.ts";
import type { ReportContent } from "./document.ts";

/** The shape of the JSON; grows when a reader of an older one would go wrong. */
const FORMAT = 1;

/** The report for programs: the document itself; times as UTC epoch milliseconds. */
export function renderJson(content: ReportContent): string {
  return jsonText({ format: FORMAT, ...content }, 2);
}
