import type { HostsPicture, HostTurn } from "./document.ts";
import { escapeHtml } from "./escape.ts";
import { hostsText } from "./plain-parts.ts";

const LANE = 78;
const TOP = 26;
/** Where hosts stand whose starts work, and fail: shares of the width. */
const WORKS = 45;
const FAILS = 80;
const SMALLEST = 9;
const LARGEST = 24;
/** More lines than these cannot be told apart. */
const MOST_LINES = 150;

const GOOD = "var(--vfw-good,#23863e)";
const BAD = "var(--vfw-bad,#d1382e)";
const QUIET = "var(--vfw-quiet,#808080)";

/**
 * How many hosts fare well and badly with each version as a picture: a lane for each, two marks in it, and a line for
 * each host that went from one lane to another. SVG without script or style sheet, as wide as its place. `id` begins the
 * ids inside and must be unique on the page.
 */
export function drawHostsPicture(picture: HostsPicture, id: string): string {
  const { family, lanes, turns } = picture;
  if (lanes.length === 0) return "";
  const height = TOP + lanes.length * LANE;
  const most = Math.max(...lanes.flatMap(({ working, failing }) => [working, failing]));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="100%" height="${height}" role="img" aria-labelledby="${id}-title ${id}-text" style="display:block;max-width:100%;overflow:hidden;color:inherit;font:12px/1.2 system-ui,sans-serif">`,
    `<title id="${id}-title">${escapeHtml(`Hosts by ${family}, and whether their starts work`)}</title>`,
    `<desc id="${id}-text">${escapeHtml(hostsText(picture))}</desc>`,
    text(WORKS, 16, "starts work", "middle"),
    text(FAILS, 16, "starts fail", "middle"),
    ...lanes.map(
      (_lane, index) =>
        `<rect x="0" y="${TOP + index * LANE}" width="100%" height="${LANE - 6}" rx="6" style="fill:var(--vfw-lane,rgba(128,128,128,.13))"/>`,
    ),
    ...spread(turns).map(drawTurn),
    ...lanes.flatMap(({ label, working, failing }, index) => [
      text(2, middleOf(index) + 4, label.length > 24 ? `${label.slice(0, 23)}…` : label, "start"),
      drawHosts(WORKS, index, working, most, "good"),
      drawHosts(FAILS, index, failing, most, "bad"),
    ]),
    "</svg>",
  ].join("");
}

function middleOf(lane: number): number {
  return TOP + lane * LANE + (LANE - 6) / 2;
}

function text(x: number, y: number, content: string, anchor: "start" | "middle"): string {
  return `<text x="${x}%" y="${y}" text-anchor="${anchor}" style="fill:currentColor;font-weight:600">${escapeHtml(content)}</text>`;
}

/** A mark as large as its number, with a sign so that nobody needs the colour. */
function drawHosts(x: number, lane: number, hosts: number, most: number, outcome: "good" | "bad"): string {
  if (hosts === 0) return "";
  const radius = SMALLEST + (LARGEST - SMALLEST) * Math.sqrt(hosts / most);
  const sign = outcome === "good" ? "M-4.5 .5l3 3 6-6.5" : "M-4 -4l8 8M4 -4l-8 8";
  return [
    `<svg x="${x}%" y="${middleOf(lane)}" overflow="visible">`,
    `<circle r="${radius.toFixed(1)}" style="fill:${outcome === "good" ? GOOD : BAD}"/>`,
    `<path d="${sign}" style="fill:none;stroke:#fff;stroke-width:2.4;stroke-linecap:round;stroke-linejoin:round"/>`,
    // On the side to which no line leaves.
    `<text x="${(outcome === "good" ? -radius - 5 : radius + 5).toFixed(1)}" y="4" text-anchor="${outcome === "good" ? "end" : "start"}" style="fill:currentColor;font-weight:600;paint-order:stroke;stroke:var(--vfw-halo,transparent);stroke-width:5">${hosts}</text>`,
    "</svg>",
  ].join("");
}

interface SpreadTurn extends HostTurn {
  /** Between -1 and 1, so that hosts that went the same way lie side by side. */
  readonly aside: number;
}

function spread(turns: readonly HostTurn[]): readonly SpreadTurn[] {
  const shown = turns.slice(0, MOST_LINES);
  const ways = Map.groupBy(shown, (turn) =>
    JSON.stringify([turn.from, turn.to, turn.failedBefore, turn.failedAfter]),
  );
  return [...ways.values()].flatMap((own) =>
    own.map((turn, at) => ({ ...turn, aside: own.length === 1 ? 0 : (2 * at) / (own.length - 1) - 1 })),
  );
}

/** Shares of the width by which the lines of one way lie apart at most, and those that go back lie beside them. */
const ASIDE = 2;
const BACK = 5;

function drawTurn({ from, to, failedBefore, failedAfter, aside }: SpreadTurn): string {
  const beside = aside * ASIDE + (failedBefore && !failedAfter ? BACK : 0);
  const x = (failed: boolean) => `${((failed ? FAILS : WORKS) + beside).toFixed(2)}%`;
  const color = failedBefore === failedAfter ? QUIET : failedAfter ? BAD : GOOD;
  return `<line x1="${x(failedBefore)}" y1="${middleOf(from)}" x2="${x(failedAfter)}" y2="${middleOf(to)}" style="stroke:${color};stroke-opacity:.45;stroke-width:1.5"/>`;
}
