import { mkdirSync, writeFileSync } from "node:fs";
import { extname, join } from "node:path";
import type { FleetConnection } from "../../fleet/connect.ts";
import { askFleetBlame, type FleetBlame } from "../../fleet/fleet-blame.ts";
import { describeFleetBlame } from "../../fleet/fleet-words.ts";
import {
  beginQuestions,
  type FleetBoard,
  readBoardNames,
  readBoards,
  readBoardTallies,
  readHosts,
  readOutliers,
  readStatus,
} from "../../fleet/questions.ts";
import { boardKeyOf, readVerdicts, recordsOf, verdictFiles } from "../../fleet/verdicts.ts";
import { isSameBoard } from "../../knowledge/board-names.ts";
import { describeFleetReport } from "../../report/fleet-report.ts";
import { renderHtml } from "../../report/html.ts";
import { renderMarkdown } from "../../report/markdown.ts";
import { renderText } from "../../report/text.ts";
import { count } from "../../report/words.ts";
import { createPaint, formatSpan, formatTime, printable } from "../../terminal-text.ts";
import { table, wrap } from "../../text-columns.ts";
import { type CommandIo, EXIT, type ParsedArguments, UsageError } from "../command.ts";
import { documentText, timeJson } from "../json/document.ts";
import { programVersion } from "../version.ts";
import { askFleet, findServer } from "./ask-fleet.ts";

function ask<T>(
  rest: readonly string[],
  args: ParsedArguments,
  io: CommandIo,
  work: (fleet: FleetConnection) => Promise<T>,
  use: (value: T) => number,
): Promise<number> {
  if (rest.length > 0) throw new UsageError(`takes no '${rest[0]}'`);
  return askFleet(
    findServer(args.text("url"), io),
    io,
    async (fleet) => {
      await beginQuestions(fleet);
      return work(fleet);
    },
    use,
  );
}

const dash = (text: string | null | undefined) => printable(text ?? "-");

/** `fleet status`. */
export function fleetStatus(rest: readonly string[], args: ParsedArguments, io: CommandIo): Promise<number> {
  return ask(rest, args, io, readStatus, (status) => {
    if (args.flag("json"))
      io.out(documentText({ ...status, newestAt: timeJson(status.newestAt ?? undefined) }));
    else {
      const { hosts, lately, starts, failed, boards, environments, newestAt, bytes } = status;
      io.out(
        `${count(hosts, "host")}, ${lately} of them heard of within a day; ${count(boards, "board")}, ${count(environments, "environment")}.\n` +
          `${count(starts, "start")}, ${failed} failed; the newest ${formatTime(newestAt ?? undefined)}. ${(bytes / 1e6).toFixed(1)} MB.\n`,
      );
    }
    return EXIT.ok;
  });
}

/** `fleet hosts`. */
export function fleetHosts(rest: readonly string[], args: ParsedArguments, io: CommandIo): Promise<number> {
  return ask(rest, args, io, readHosts, (hosts) => {
    if (args.flag("json"))
      io.out(
        documentText({
          hosts: hosts.map((host) => ({ ...host, lastExport: timeJson(host.lastExport ?? undefined) })),
        }),
      );
    else {
      const now = Date.now();
      const rows = hosts.map((host) => [
        printable(host.label),
        host.key?.slice(0, 8) ?? "-",
        dash(host.cluster),
        host.lastExport === null ? "never" : `${formatSpan(Math.max(0, now - host.lastExport))} ago`,
        dash(host.board),
        dash(host.bios),
        dash(host.kernel),
        `${host.failed} of ${host.starts} failed`,
      ]);
      io.out(
        `${table([["host", "key", "cluster", "heard of", "board", "BIOS", "kernel", "starts"], ...rows], io.columns, { header: true })}\n`,
      );
    }
    return EXIT.ok;
  });
}

/** `fleet boards`. */
export function fleetBoards(rest: readonly string[], args: ParsedArguments, io: CommandIo): Promise<number> {
  return ask(rest, args, io, readBoards, (boards) => {
    if (args.flag("json"))
      io.out(documentText({ boards: boards.map((board) => ({ ...board, lastAt: timeJson(board.lastAt) })) }));
    else {
      const rows = boards.map(({ board, bios, hosts, failing, class: cause, agesa }) => [
        ...[printable(board), printable(bios), dash(agesa)],
        ...[String(hosts), String(failing)],
        cause === "" ? "unknown" : dash(cause),
      ]);
      const header = ["board", "BIOS", "AGESA", "hosts", "fail", "mostly"];
      io.out(`${table([header, ...rows], io.columns, { header: true })}\n`);
    }
    return EXIT.ok;
  });
}

/** `fleet outliers`. */
export function fleetOutliers(
  rest: readonly string[],
  args: ParsedArguments,
  io: CommandIo,
): Promise<number> {
  return ask(rest, args, io, readOutliers, (outliers) => {
    if (args.flag("json"))
      io.out(documentText({ outliers: outliers.map((one) => ({ ...one, lastAt: timeJson(one.lastAt) })) }));
    else if (outliers.length === 0)
      io.out("No host fares otherwise than those with the same BIOS of the same board.\n");
    for (const { label, board, bios, fails, class: cause, hosts, failing, summary } of args.flag("json")
      ? []
      : outliers) {
      const rest = fails ? `${hosts - failing} of ${hosts} hosts work` : `${failing} of ${hosts} hosts fail`;
      const how = fails ? `fails (${cause === "" ? "unknown" : cause})` : "works";
      const text = `${label} ${how} where ${rest}: ${board} with ${bios}.${summary === null ? "" : ` ${summary}`}`;
      io.out(`${wrap(printable(text), io.columns, "  ")}\n`);
    }
    return outliers.some(({ fails }) => fails) ? EXIT.findings : EXIT.ok;
  });
}

interface FoundBlame {
  readonly blame: FleetBlame;
  /** Other boards on which hosts fail, the most first. */
  readonly others: readonly FailingBoard[];
}

interface FailingBoard {
  readonly board: string;
  readonly boardKey: string;
  readonly failing: number;
  readonly hosts: number;
}

function failingBoards(boards: readonly FleetBoard[]): readonly FailingBoard[] {
  return [...Map.groupBy(boards, ({ boardKey }) => boardKey)]
    .map(([boardKey, own]) => ({
      ...{ boardKey, board: own[0]?.board ?? "" },
      failing: own.reduce((sum, { failing }) => sum + failing, 0),
      hosts: own.reduce((sum, { hosts }) => sum + hosts, 0),
    }))
    .filter(({ failing }) => failing > 0)
    .sort((a, b) => b.failing - a.failing);
}

/** By its name as people write it: MSI's without the number, too. */
async function findBoard(fleet: FleetConnection, named: string): Promise<string> {
  const key = boardKeyOf(named);
  const boards = await readBoardNames(fleet);
  const own =
    boards.find(({ boardKey }) => boardKey === key) ?? boards.find(({ board }) => isSameBoard(board, named));
  return own?.boardKey ?? key;
}

const DEVICE = /^[0-9a-f]{4}:[0-9a-f]{4}(?:\/[0-9a-f]{4}:[0-9a-f]{4})?$/;
const MOST_OTHERS = 10;

/** `fleet blame`. */
export function fleetBlame(rest: readonly string[], args: ParsedArguments, io: CommandIo): Promise<number> {
  const device = args.text("device")?.toLowerCase();
  if (device !== undefined && !DEVICE.test(device))
    throw new UsageError(`--device takes vendor and device (10de:2805), not '${device}'`);
  const output = args.text("output");
  const format = formatOf(args.text("format"), output);
  const find = async (fleet: FleetConnection): Promise<FoundBlame | { readonly nothing: string }> => {
    const named = args.text("board");
    const failing = named === undefined ? failingBoards(await readBoards(fleet)) : [];
    const key = named === undefined ? failing[0]?.boardKey : await findBoard(fleet, named);
    if (key === undefined)
      return { nothing: "No start has failed on any host, so there is nothing to blame." };
    const data = await readBoardTallies(fleet, key, device);
    if (data === undefined)
      return { nothing: `No host has the board '${named}' ('fleet boards' lists them).` };
    return { blame: askFleetBlame(data), others: failing.slice(1) };
  };
  return ask(rest, args, io, find, (found) => {
    if ("nothing" in found) {
      if (args.flag("json"))
        io.out(
          documentText({
            board: null,
            hosts: 0,
            headline: found.nothing,
            hostSentence: "",
            faults: [],
            otherBoards: [],
          }),
        );
      else io.out(`${printable(found.nothing)}\n`);
      return EXIT.ok;
    }
    const { blame, others } = found;
    if (output !== undefined || format !== undefined) {
      const made = { at: Date.now(), by: `vfio-watch ${programVersion()}` };
      const text = RENDERERS[format ?? "text"](describeFleetReport(blame, made), io.columns);
      if (output === undefined) io.out(text);
      else writeFileSync(output, text);
    } else if (args.flag("json")) io.out(documentText(blameJson(found)));
    else io.out(blameText(blame, others, io));
    return blame.faults[0].answer.blame.healed ? EXIT.ok : EXIT.findings;
  });
}

const RENDERERS = { html: renderHtml, markdown: renderMarkdown, text: renderText } as const;
type Format = keyof typeof RENDERERS;
const ENDINGS: Readonly<Record<string, Format>> = {
  ".html": "html",
  ".htm": "html",
  ".md": "markdown",
  ".txt": "text",
};

function formatOf(named: string | undefined, output: string | undefined): Format | undefined {
  if (named === undefined) return output === undefined ? undefined : (ENDINGS[extname(output)] ?? "text");
  if (!Object.hasOwn(RENDERERS, named))
    throw new UsageError(`--format takes ${Object.keys(RENDERERS).join(", ")}`);
  return named as Format;
}

function blameText(blame: FleetBlame, others: readonly FailingBoard[], io: CommandIo): string {
  const paint = createPaint(io.color);
  const text = describeFleetBlame(blame);
  const lines = [paint("bold", wrap(printable(text.headline), io.columns))];
  for (const sentence of [text.hosts, text.certainty])
    if (sentence !== "") lines.push(wrap(printable(sentence), io.columns));
  if (text.table.length > 0) {
    const rows = text.table.map((row) => row.map(printable));
    lines.push("", table(rows, io.columns, { header: true }));
  }
  if (text.others.length > 0) lines.push("", paint("bold", "Another fault"));
  lines.push(...text.others.map((other) => wrap(`- ${printable(other)}`, io.columns, "  ")));
  if (others.length > 0) lines.push("", paint("bold", "Other boards on which hosts fail"));
  for (const { board, failing, hosts } of others.slice(0, MOST_OTHERS))
    lines.push(`- ${printable(board)}: ${failing} of ${hosts}`);
  if (others.length > MOST_OTHERS)
    lines.push(`- ${others.length - MOST_OTHERS} more ('fleet boards' lists them)`);
  return `${lines.join("\n")}\n`;
}

function blameJson({ blame, others }: FoundBlame): object {
  const text = describeFleetBlame(blame);
  return {
    board: blame.board,
    hosts: blame.hosts.size,
    headline: text.headline,
    hostSentence: text.hosts,
    faults: blame.faults.map(({ answer: { blame: own }, family, values, changes }) => ({
      failure: own.failure ?? null,
      classes: own.classes,
      certainty: own.certainty,
      reason: own.reason ?? null,
      probability: own.sets[0]?.probability ?? null,
      rivals: own.rivals,
      suspects: own.sets.map((set) => ({
        families: set.suspects.map((suspect) => suspect.family),
        probability: set.probability,
        together: set.together,
        reverted: set.reverted,
      })),
      good: own.good,
      bad: own.bad,
      healed: own.healed,
      by: family,
      values: values.map(({ label, broken, hosts, failing }) => ({ value: label, broken, hosts, failing })),
      changedAlone: changes.map(({ host, from, to, failedBefore, failedAfter }) => ({
        host: blame.hosts.get(host) ?? null,
        from: values[from]?.label ?? null,
        to: values[to]?.label ?? null,
        ...{ failedBefore, failedAfter },
      })),
    })),
    otherBoards: others.map(({ board, failing, hosts }) => ({ board, failing, hosts })),
  };
}

/** `fleet verdicts`: what the fleet knows as records that others can use. */
export function fleetVerdicts(
  rest: readonly string[],
  args: ParsedArguments,
  io: CommandIo,
): Promise<number> {
  const fewest = args.text("min-hosts") ?? "5";
  if (!/^[1-9]\d{0,5}$/.test(fewest))
    throw new UsageError(`--min-hosts takes a whole number from 1, not '${fewest}'`);
  const directory = args.text("output");
  return ask(
    rest,
    args,
    io,
    (fleet) => readVerdicts(fleet, Number(fewest)),
    (verdicts) => {
      const records = recordsOf(verdicts, "a fleet");
      const files = verdictFiles(records);
      if (directory !== undefined) {
        mkdirSync(directory, { recursive: true });
        for (const { name, text } of files) writeFileSync(join(directory, name), text);
        io.err(`${count(records.length, "record")} in ${count(files.length, "file")}.\n`);
      } else if (args.flag("json")) io.out(documentText({ verdicts }));
      else for (const { text } of files) io.out(text);
      return EXIT.ok;
    },
  );
}
