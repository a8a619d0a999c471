import assert from "node:assert/strict";
import { askBlame, type BlameAnswer, type BlameQuestion } from "../../src/history/ask-blame.ts";
import { type BlameText, describeBlame } from "../../src/history/describe-blame.ts";
import { withStore } from "../store/samples.ts";
import { type MadeBoot, storeHistory } from "./made-history.ts";

/** Stores the history and asks what broke it. */
export async function askMadeHistory(
  boots: readonly MadeBoot[],
  question: BlameQuestion = {},
): Promise<{ readonly answer: BlameAnswer; readonly text: BlameText }> {
  let result: { answer: BlameAnswer; text: BlameText } | undefined;
  await withStore((store) => {
    storeHistory(store, boots);
    const answer = askBlame(store, question);
    result = { answer, text: describeBlame(answer) };
  });
  assert.ok(result !== undefined);
  return result;
}

/** The lines of a section, by the beginning of its title. */
export function sectionOf(text: BlameText, title: string): string {
  return text.sections.find((section) => section.title.startsWith(title))?.lines.join("\n") ?? "";
}
