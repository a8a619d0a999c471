import { formatTimeOfDay } from "../time-words.ts";
import type { FactRow, HostsPicture, SpokenLine, TimeLine, TimeLineRun } from "./document.ts";
import { visible, visibleLines } from "./escape.ts";
import { count } from "./words.ts";

const TIMES_REPEATED = 2;

/** Lines of logs with time and source in front, word for word behind; for a block of code. */
export function spokenText(lines: readonly SpokenLine[]): readonly string[] {
  const width = Math.max(0, ...lines.map(({ source }) => visible(source).length));
  return lines.flatMap(({ at, source, text, count: times }) => {
    const lead = `${formatTimeOfDay(at)}  ${visible(source).padEnd(width)}  `;
    const [first = "", ...rest] = visibleLines(text);
    const repeated = times >= TIMES_REPEATED ? `  (${times} times)` : "";
    return [`${lead}${first}${repeated}`, ...rest.map((line) => `${" ".repeat(lead.length)}${line}`)];
  });
}

/** What a row says where no colour or type face can: an unknown one says so. */
export function factText({ value, state }: FactRow): string {
  return state === "unknown" ? `unknown (${value})` : value;
}

/** The time line where there are no pictures, e.g. `A63 14 worked > A95 6 FAILED > A63 3 worked`. */
export function timeLineText({ runs, earlierBoots }: TimeLine): string {
  const steps = runs.map((run) => `${biosText(run)}: ${runText(run)}`);
  return [...(earlierBoots > 0 ? [`(${count(earlierBoots, "earlier boot")})`] : []), ...steps].join("  →  ");
}

/** How hosts fare where there are no pictures: `1.A63: 151 work; 1.A7D: 6 work, 114 FAIL; 35 from 1.A63 to 1.A7D: 35 broke`. */
export function hostsText({ lanes, turns }: HostsPicture): string {
  const fare = lanes.map(({ label, working, failing }) => {
    const parts = [...(working > 0 ? [`${working} work`] : []), ...(failing > 0 ? [`${failing} FAIL`] : [])];
    return `${label}: ${parts.join(", ") || "no host"}`;
  });
  const ways = [...Map.groupBy(turns, ({ from, to }) => `${from} ${to}`).values()].map((own) => {
    const [way] = own;
    const broke = own.filter(({ failedBefore, failedAfter }) => !failedBefore && failedAfter).length;
    const mended = own.filter(({ failedBefore, failedAfter }) => failedBefore && !failedAfter).length;
    const result = [
      ...(broke > 0 ? [`${broke} broke`] : []),
      ...(mended > 0 ? [`${mended} work again`] : []),
    ];
    const labels = [way?.from, way?.to].map((lane) => lanes[lane ?? -1]?.label ?? "");
    return `${own.length} from ${labels.join(" to ")}: ${result.join(", ") || "no difference"}`;
  });
  return [...fare, ...ways].join("; ");
}

/** The BIOS of a run for a reader. */
export function biosText({ bios }: TimeLineRun): string {
  return bios === "" ? "BIOS unknown" : `BIOS ${bios}`;
}

/** How starts went in a run, e.g. `14 of 14 starts worked`. */
export function runText({ started, failed, refused, boots, imported }: TimeLineRun): string {
  const all = started + failed;
  const worked =
    all === 0
      ? []
      : [failed === all ? `${failed} of ${all} starts failed` : `${started} of ${all} starts worked`];
  const parts = [...worked, ...(refused > 0 ? [`${refused} refused`] : [])];
  return `${parts.length === 0 ? "no start" : parts.join(", ")} in ${count(boots, "boot")}${imported ? " (imported)" : ""}`;
}
