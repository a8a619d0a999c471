import type { Explanation } from "../diagnosis/explain/explanation.ts";
import { codeBbcode, escapeBbcode, escapeMarkdown, fencedMarkdown, visible } from "./escape.ts";
import { createRedactor } from "./redaction.ts";

/** An explanation as people paste it into a forum, private names masked. */
export interface ForumTexts {
  readonly markdown: string;
  readonly bbcode: string;
}

const MOST_EVIDENCE = 8;
const MOST_REMEDIES = 6;

/** Makes both forms; names of hosts are taken from `text`, the log that was explained. */
export function forumTexts(explanation: Explanation, text: string): ForumTexts {
  const mask = createRedactor({ hosts: hostNamesIn(text), users: [], keep: [] });
  const { causes, devices, groups, vms, summary } = explanation;
  const [first] = causes;
  const facts = [
    ...(first === undefined
      ? []
      : [`Class: ${first.class}, ${first.certainty} (signature ${first.signature})`]),
    ...(vms.length > 0 ? [`VM: ${vms.join(", ")}`] : []),
    ...(devices.length > 0 ? [`Device: ${devices.slice(0, MOST_EVIDENCE).join(", ")}`] : []),
    ...(groups.length > 0 ? [`IOMMU group: ${groups.join(", ")}`] : []),
  ].map(mask);
  const evidence = [...new Set(causes.flatMap((cause) => cause.evidence))].slice(0, MOST_EVIDENCE).map(mask);
  const remedies = (first?.remedies ?? []).slice(0, MOST_REMEDIES).map(mask);
  const answer = mask(summary);
  const madeBy = "Explained by vfio-watch from the text alone; private names are masked.";
  const lines = evidence.flatMap((one) => one.split("\n")).map(visible);
  return {
    markdown: [
      `**${escapeMarkdown(answer)}**`,
      "",
      ...facts.map((fact) => `- ${escapeMarkdown(fact)}`),
      ...(lines.length > 0 ? ["", "What was said:", "", fencedMarkdown(lines)] : []),
      ...(remedies.length > 0
        ? ["", "What to do:", "", ...remedies.map((one, index) => `${index + 1}. ${escapeMarkdown(one)}`)]
        : []),
      "",
      madeBy,
      "",
    ].join("\n"),
    bbcode: [
      `[b]${escapeBbcode(answer)}[/b]`,
      ...facts.map(escapeBbcode),
      ...(lines.length > 0 ? ["", "What was said:", codeBbcode(lines)] : []),
      ...(remedies.length > 0
        ? ["", "What to do:", "[list=1]", ...remedies.map((one) => `[*]${escapeBbcode(one)}`), "[/list]"]
        : []),
      "",
      madeBy,
      "",
    ].join("\n"),
  };
}

const LOOKED_AT = 2_000_000;
const SYSLOG_HOST =
  /^(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S{0,16}) ([\w.-]{1,253}) [^\s:[\]]{1,64}(?:\[\d+\])?: /gm;

/** The names that a syslog's lines give their host. */
function hostNamesIn(text: string): readonly string[] {
  return [...new Set([...text.slice(0, LOOKED_AT).matchAll(SYSLOG_HOST)].map(([, host = ""]) => host))];
}
