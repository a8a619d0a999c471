import { evidenceLines } from "../diagnosis/explain/evidence-lines.ts";
import type { Explanation } from "../diagnosis/explain/explanation.ts";
import { explanationJson } from "../diagnosis/explain/explanation-json.ts";
import { type ForumTexts, forumTexts } from "../report/forum-text.ts";

/** A piece of the text around evidence. */
export interface Excerpt {
  /** 1-based. */
  readonly firstLine: number;
  readonly lines: readonly { readonly text: string; readonly marked: boolean }[];
}

/** All that the page shows of an answer, as plain values. */
export interface AnswerView {
  readonly explanation: Explanation;
  /** As `vfio-watch explain --json` prints it. */
  readonly json: object;
  readonly forum: ForumTexts;
  readonly excerpts: readonly Excerpt[];
  readonly lineCount: number;
  readonly files: readonly string[];
  readonly notes: readonly string[];
}

/** Shown around a marked line. */
const AROUND = 4;
const MOST_LINES = 400;
const LONGEST_LINE = 2_000;

/** Makes what is shown of an explanation of this text. */
export function viewOf(
  text: string,
  explanation: Explanation,
  { files, notes }: Pick<AnswerView, "files" | "notes">,
): AnswerView {
  const lines = text.replace(/\n$/, "").split("\n");
  const evidence = explanation.causes.flatMap((cause) => cause.evidence);
  return {
    explanation,
    json: explanationJson(null, explanation),
    forum: forumTexts(explanation, text),
    excerpts: excerptsOf(lines, evidenceLines(lines, evidence)),
    lineCount: lines.length,
    files,
    notes,
  };
}

function excerptsOf(lines: readonly string[], marked: ReadonlySet<number>): readonly Excerpt[] {
  const excerpts: { firstLine: number; lines: { text: string; marked: boolean }[] }[] = [];
  let shown = 0;
  let last = -1;
  for (const number of [...marked].sort((a, b) => a - b)) {
    const from = Math.max(0, number - AROUND, last + 1);
    const to = Math.min(lines.length - 1, number + AROUND);
    const open = from === last + 1 ? excerpts.at(-1) : undefined;
    const excerpt = open ?? { firstLine: from + 1, lines: [] };
    if (open === undefined) excerpts.push(excerpt);
    for (let index = from; index <= to && shown < MOST_LINES; index++, shown++)
      excerpt.lines.push({ text: (lines[index] ?? "").slice(0, LONGEST_LINE), marked: marked.has(index) });
    last = Math.max(last, to);
    if (shown >= MOST_LINES) break;
  }
  return excerpts;
}
