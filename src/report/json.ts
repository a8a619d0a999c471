import { isoTime } from "../time-words.ts";
import type { Block, ReportContent, TimeLine } from "./document.ts";

/** The report for programs: the document itself, with times as ISO 8601 in UTC. */
export function reportJson({ outcome, sections, madeAt, ...content }: ReportContent): object {
  return {
    ...content,
    outcome: outcome ?? null,
    sections: sections.map(({ id, title, blocks }) => ({ id, title, blocks: blocks.map(blockJson) })),
    madeAt: isoTime(madeAt) ?? null,
  };
}

function blockJson(block: Block): object {
  switch (block.kind) {
    case "lines":
      return { ...block, lines: block.lines.map((line) => ({ ...line, at: isoTime(line.at) ?? null })) };
    case "time-line":
      return { ...block, timeLine: timeLineJson(block.timeLine) };
    default:
      return block;
  }
}

function timeLineJson({ runs, ...line }: TimeLine): object {
  return { ...line, runs: runs.map((run) => ({ ...run, from: isoTime(run.from) ?? null })) };
}
