import { addRole, forgetHost, prepareFleet, pruneFleet } from "../../fleet/owner.ts";
import { count } from "../../report/words.ts";
import { printable } from "../../terminal-text.ts";
import { formatDay } from "../../time-words.ts";
import { type CommandIo, EXIT, type ParsedArguments, UsageError } from "../command.ts";
import { documentText, timeJson } from "../json/document.ts";
import { findSurroundings } from "../surroundings.ts";
import { addressOf, askFleet, findServer } from "./ask-fleet.ts";

/** `fleet init URL`: makes the tables, or brings them up to date. */
export function initFleet(rest: readonly string[], args: ParsedArguments, io: CommandIo): Promise<number> {
  const [url = args.text("url"), ...others] = rest;
  if (others.length > 0) throw new UsageError("init takes one address");
  return askFleet(findServer(url, io), io, prepareFleet, ({ from, to }) => {
    if (args.flag("json")) io.out(documentText({ from, to }));
    else if (from === to) io.out(`The database is prepared (version ${to}).\n`);
    else
      io.out(
        `The database is prepared (version ${to}). Next, for each host: vfio-watch fleet add LABEL --url URL\n`,
      );
    return EXIT.ok;
  });
}

/** `fleet add LABEL`: a role for a host, or for whoever asks questions. */
export function addToFleet(rest: readonly string[], args: ParsedArguments, io: CommandIo): Promise<number> {
  const [label, ...others] = rest;
  if (label === undefined || others.length > 0)
    throw new UsageError("add takes one label, in quotes where it has spaces");
  const kind = args.flag("reader") ? "reader" : "host";
  const given = args.text("url");
  const server = findServer(given, io);
  return askFleet(
    server,
    io,
    (fleet) => addRole(fleet, label, kind),
    ({ role, password }) => {
      const own = given === undefined ? findAddress(io) : addressOf(given);
      own.username = role;
      own.password = password;
      if (args.flag("json")) io.out(documentText({ label, kind, url: own.href }));
      else {
        io.out(`${own.href}\n`);
        const use =
          kind === "host"
            ? "This is FLEET_URL of that host; it holds a password and is shown once."
            : "With it questions can be asked; it holds a password and is shown once.";
        io.err(`${use}\n`);
      }
      return EXIT.ok;
    },
  );
}

/** What the settings say; that there is an address was found out before. */
function findAddress(io: CommandIo): URL {
  return new URL(findSurroundings(io.env).loaded.config.FLEET_URL ?? "");
}

/** `fleet forget HOST`. */
export function forgetInFleet(
  rest: readonly string[],
  args: ParsedArguments,
  io: CommandIo,
): Promise<number> {
  const [name, ...others] = rest;
  if (name === undefined || others.length > 0)
    throw new UsageError("forget takes one host: its label, or its key as 'fleet hosts' shows it");
  return askFleet(
    findServer(args.text("url"), io),
    io,
    (fleet) => forgetHost(fleet, name),
    ({ label, starts, role }) => {
      if (args.flag("json")) io.out(documentText({ forgotten: label, starts, role }));
      else if (role === "removed")
        io.out(`Forgotten: ${printable(label)}, ${count(starts, "start")} and its role.\n`);
      else
        io.out(
          `Forgotten: ${printable(label)} and ${count(starts, "start")}. Its role owns something in another database of this server, so it was only shut out.\n`,
        );
      return EXIT.ok;
    },
  );
}

const KEEP = /^(\d{1,4})([dmy])$/;
const DAYS = { d: 1, m: 30.4375, y: 365.25 } as const;

/** `fleet prune --keep 5y`. */
export function pruneInFleet(rest: readonly string[], args: ParsedArguments, io: CommandIo): Promise<number> {
  const keep = args.text("keep");
  const [, number, unit] = KEEP.exec(keep ?? "") ?? [];
  if (rest.length > 0 || number === undefined || Number(number) === 0)
    throw new UsageError("prune takes --keep with a span: 5y, 18m or 400d");
  const before = Date.now() - Number(number) * DAYS[unit as keyof typeof DAYS] * 86_400_000;
  return askFleet(
    findServer(args.text("url"), io),
    io,
    (fleet) => pruneFleet(fleet, before),
    (starts) => {
      if (args.flag("json")) io.out(documentText({ removed: starts, before: timeJson(before) }));
      else io.out(`Removed: ${count(starts, "start")} from before ${formatDay(before)}.\n`);
      return EXIT.ok;
    },
  );
}
