import { formatDay, formatTimeOfDay, zoneAt } from "../time-words.ts";
import type { RunOutcome, TimeLine, TimeLineRun } from "./document.ts";
import { escapeHtml } from "./escape.ts";
import { biosText, runText } from "./plain-parts.ts";
import { timeOf } from "./words.ts";

const TOP = 10;
const AXIS = 30;
/** Of the marks as {@link SIGNS} has them. */
const RADIUS = 10;
/** Between lanes. */
const GAP = 6;

/** Measures within a lane, from its top; a small one has no room for numbers below its marks. */
const SIZES = {
  usual: { lane: 74, label: 16, mark: 35, scale: 1, hasNumbers: true },
  small: { lane: 46, label: 15, mark: 28, scale: 0.7, hasNumbers: false },
} as const;
type Size = (typeof SIZES)[keyof typeof SIZES];

/** Colours with names that a page may set; those given here are told apart from white and from black. */
const COLOURS: Readonly<Record<RunOutcome, string>> = {
  good: "var(--vfw-good,#23863e)",
  bad: "var(--vfw-bad,#d1382e)",
  mixed: "var(--vfw-warning,#b06a00)",
  refused: "var(--vfw-warning,#b06a00)",
  none: "var(--vfw-quiet,#808080)",
};

/** Drawn inside a mark of 20 by 20, so that nobody needs the colour. */
const SIGNS: Readonly<Record<RunOutcome, string>> = {
  good: `<path d="M-4.5 .5l3 3 6-6.5"/>`,
  bad: `<path d="M-4 -4l8 8M4 -4l-8 8"/>`,
  mixed: `<path d="M0 -5.5v6.5M0 5v.01"/>`,
  refused: `<path d="M-5 0h10"/>`,
  none: "",
};

/**
 * The time line as a picture, boots from left to right and a lane for each BIOS, as SVG without script or style sheet.
 * It is as wide as its place and its text never shrinks, because places along the line are shares of the width. Text
 * takes the page's colour. `id` begins the ids inside and must be unique on the page.
 */
export function drawTimeLinePicture(
  timeLine: TimeLine,
  id: string,
  named: keyof typeof SIZES = "usual",
): string {
  const { runs, subject } = timeLine;
  if (runs.length === 0) return "";
  const lanes = [...new Set(runs.map(({ bios }) => bios))];
  const size = SIZES[named];
  const height = TOP + lanes.length * size.lane + AXIS;
  const laneY = ({ bios }: TimeLineRun) => TOP + lanes.indexOf(bios) * size.lane + size.mark;
  const x = (index: number) => share((index + 0.5) / runs.length);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="100%" height="${height}" role="img" aria-labelledby="${id}-title ${id}-text" style="display:block;max-width:100%;overflow:hidden;color:inherit;font:12px/1.2 system-ui,sans-serif">`,
    `<title id="${id}-title">${escapeHtml(`Starts of ${subject} over boots and BIOS versions`)}</title>`,
    `<desc id="${id}-text">${escapeHtml(runs.map((run) => `${timeOf(run.from)}: ${biosText(run)}, ${runText(run)}`).join("; "))}</desc>`,
    ...lanes.map((_bios, index) => drawLane(TOP + index * size.lane, size.lane - GAP)),
    ...runs.slice(1).map((run, index) => {
      const last = runs[index] ?? run;
      return drawStep(x(index), laneY(last), x(index + 1), laneY(run), share((index + 1) / runs.length));
    }),
    ...lanes.map((bios, index) => drawLabel(bios, TOP + index * size.lane + size.label)),
    ...runs.map((run, index) =>
      drawRun(run, x(index), laneY(run), { size, edge: edgeOf((index + 0.5) / runs.length) }),
    ),
    ...axis(runs, x, height),
    "</svg>",
  ].join("");
}

function share(part: number): string {
  return `${Number((part * 100).toFixed(3))}%`;
}

function drawLane(y: number, height: number): string {
  return `<rect x="0" y="${y}" width="100%" height="${height}" rx="6" style="fill:var(--vfw-lane,rgba(128,128,128,.13))"/>`;
}

/** Steps between lanes may run through a text; where the page says what its paper is, they stop short of it. */
const LABEL =
  "fill:currentColor;font-weight:600;paint-order:stroke;stroke:var(--vfw-halo,transparent);stroke-width:5;stroke-linejoin:round";

function drawLabel(bios: string, y: number): string {
  const label = bios === "" ? "BIOS unknown" : bios;
  return `<text x="10" y="${y}" style="${LABEL}">${escapeHtml(cutLabel(label))}</text>`;
}

function cutLabel(label: string): string {
  return label.length > 40 ? `${label.slice(0, 39)}…` : label;
}

function anchorAt(edge: Edge): string {
  if (edge === undefined) return `x="0" text-anchor="middle"`;
  return edge === "left" ? `x="-${RADIUS}" text-anchor="start"` : `x="${RADIUS}" text-anchor="end"`;
}

/** From one run to the next: along the lane, across where the BIOS changed, along again. */
function drawStep(fromX: string, fromY: number, toX: string, toY: number, middle: string): string {
  const line = (x1: string, y1: number, x2: string, y2: number) =>
    `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" style="stroke:currentColor;stroke-opacity:.45;stroke-width:2;stroke-linecap:round"/>`;
  if (fromY === toY) return line(fromX, fromY, toX, toY);
  return line(fromX, fromY, middle, fromY) + line(middle, fromY, middle, toY) + line(middle, toY, toX, toY);
}

type Edge = "left" | "right" | undefined;

/** Text in the middle of a place this near to the edge would be cut off on a phone. */
function edgeOf(place: number): Edge {
  return place < 0.12 ? "left" : place > 0.88 ? "right" : undefined;
}

function drawRun(
  run: TimeLineRun,
  x: string,
  y: number,
  { size, edge }: { readonly size: Size; readonly edge: Edge },
): string {
  const { outcome, started, failed, refused } = run;
  const number =
    outcome === "mixed" ? `${started}/${started + failed}` : String(Math.max(started, failed, refused));
  // A nested svg has a place in percent, which a path has not.
  return [
    `<svg x="${x}" y="${y}" overflow="visible"><title>${escapeHtml(`${timeOf(run.from)}, ${biosText(run)}: ${runText(run)}`)}</title>`,
    `<circle r="${(outcome === "none" ? RADIUS / 2 : RADIUS) * size.scale}" style="fill:${COLOURS[outcome]}"/>`,
    `<g style="fill:none;stroke:#fff;stroke-width:2.4;stroke-linecap:round;stroke-linejoin:round"${size.scale === 1 ? "" : ` transform="scale(${size.scale})"`}>${SIGNS[outcome]}</g>`,
    outcome === "none" || !size.hasNumbers
      ? ""
      : `<text ${anchorAt(number.length > 3 ? edge : undefined)} y="25" style="${LABEL}">${escapeHtml(number)}</text>`,
    "</svg>",
  ].join("");
}

/** The shortest words that tell these moments apart: days, hours where all is of one day, or days with hours. */
function axisLabels(times: readonly number[]): readonly string[] {
  const isOneDay = new Set(times.map(formatDay)).size === 1;
  const forms: readonly ((at: number) => string)[] = isOneDay
    ? [
        (at) => `${formatTimeOfDay(at).slice(0, 5)} ${zoneAt(at)}`,
        (at) => `${formatTimeOfDay(at).slice(0, 8)} ${zoneAt(at)}`,
      ]
    : [formatDay, (at) => `${formatDay(at).slice(5)} ${formatTimeOfDay(at).slice(0, 5)}`];
  const all = forms.map((form) => times.map(form));
  return all.find((labels) => new Set(labels).size === labels.length) ?? all.at(-1) ?? [];
}

/** Days below the lanes, as many as have room on a phone; hours where all happened on one day. */
function axis(runs: readonly TimeLineRun[], x: (index: number) => string, height: number): readonly string[] {
  const every = Math.ceil(runs.length / 4);
  const labels = axisLabels(runs.filter((_, index) => index % every === 0).map(({ from }) => from));
  return runs.flatMap((_, index) => {
    if (index % every !== 0) return [];
    const label = labels[index / every] ?? "";
    const edge = edgeOf((index + 0.5) / runs.length);
    const [at, anchor] =
      edge === "left" ? ["0", "start"] : edge === "right" ? ["100%", "end"] : [x(index), "middle"];
    return [
      `<text x="${at}" y="${height - 10}" text-anchor="${anchor}" style="fill:currentColor;fill-opacity:.85;font-size:11px">${label}</text>`,
    ];
  });
}
