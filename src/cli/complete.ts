import { CHANNEL_NAMES } from "../alerts/channels/all.ts";
import { KEY_NAMES } from "../config/keys.ts";
import { FACT_GROUPS } from "../model/fact.ts";
import { openStore } from "../store/open.ts";
import type { Store } from "../store/store.ts";
import { formatMinute } from "../time-words.ts";
import type { Command, CommandIo } from "./command.ts";
import { COMMAND_LOADERS, COMMAND_SUMMARIES, type CommandName } from "./commands.ts";
import { vmsOnRecord } from "./meant-vm.ts";
import { folded } from "./nearest.ts";
import { findCatalogue, findSurroundings } from "./surroundings.ts";

/** What a shell can offer: the word, and what it is. */
export interface Offer {
  readonly word: string;
  readonly meaning?: string;
}

const MOST = 50;

type Values = (io: CommandIo, database: string | undefined) => readonly Offer[];

/** Values of options, by the option's name; of the others it is a file, or nothing that could be offered. */
const OPTION_VALUES: Readonly<Record<string, Values>> = {
  vm: fromHistory(vms),
  at: fromHistory(moments),
  since: () => words(["yesterday", "today", "7d", "30d", "1y"]),
  until: () => words(["yesterday", "today", "now"]),
  format: () => words(["markdown", "bbcode", "text", "json", "html", "html-fragment"]),
  start: fromHistory(starts),
};

/** Values of arguments, by the command or by the command and its first word. */
const ARGUMENT_VALUES: Readonly<Record<string, Values>> = {
  show: fromHistory(starts),
  report: fromHistory(starts),
  check: fromHistory(vms),
  diff: fromHistory(moments),
  facts: () => words(FACT_GROUPS),
  config: () => words(KEY_NAMES),
  signatures: (io) =>
    findCatalogue(findSurroundings(io.env), io).signatures.map(({ id, class: of }) => ({
      word: id,
      meaning: of,
    })),
  import: () => words(["host", "journal"]),
  help: commands,
  "alerts show": fromHistory(incidents),
  "alerts ack": fromHistory(incidents),
  "alerts silence": fromHistory(incidents),
  "alerts test": () => words(CHANNEL_NAMES),
};

/**
 * What can stand for the last of these words, which is being written; `typed` are those after the program's name.
 * Empty where a file's name comes next, or nothing that is known.
 */
export async function completionsFor(typed: readonly string[], io: CommandIo): Promise<readonly Offer[]> {
  const current = typed.at(-1) ?? "";
  const offers = await offersFor(typed.slice(0, -1), current, { ...io, err: () => {} });
  return offers
    .filter(({ word }) => folded(word).startsWith(folded(current)))
    .slice(0, Math.max(MOST, KEY_NAMES.length));
}

async function offersFor(
  before: readonly string[],
  current: string,
  io: CommandIo,
): Promise<readonly Offer[]> {
  const [name = "", ...rest] = before;
  if (before.length === 0)
    return [...commands(), ...words(current.startsWith("-") ? ["--help", "--version"] : ["help"])];
  if (name === "help") return rest.length === 0 ? commands() : [];
  if (!Object.hasOwn(COMMAND_LOADERS, name)) return [];
  const command = await COMMAND_LOADERS[name as CommandName]();
  const database = valueAfter(rest, "--database");
  const option = /^--(.+)$/.exec(rest.at(-1) ?? "")?.[1];
  if (option !== undefined && command.options[option]?.type === "string")
    return (Object.hasOwn(OPTION_VALUES, option) ? OPTION_VALUES[option] : undefined)?.(io, database) ?? [];
  if (current.startsWith("-"))
    return words([...Object.keys(command.options), "help"].map((key) => `--${key}`)).filter(
      ({ word }) => !rest.includes(word) || command.options[word.slice(2)]?.multiple === true,
    );
  const given = argumentsIn(rest, command);
  const ways = waysOf(command.usage);
  if (ways.length > 0 && given.length === 0) return words(ways);
  const key = ways.length > 0 ? `${name} ${given[0]}` : name;
  return (Object.hasOwn(ARGUMENT_VALUES, key) ? ARGUMENT_VALUES[key] : undefined)?.(io, database) ?? [];
}

/** The words with which a command goes on: `list [--open] | show ID` has `list` and `show`. */
function waysOf(usage: string): readonly string[] {
  const ways = usage.split("|").map((way) => way.trim().split(/\s/)[0] ?? "");
  return ways.length > 1 ? ways.filter((word) => /^[a-z]+$/.test(word)) : [];
}

function argumentsIn(rest: readonly string[], { options }: Command): readonly string[] {
  return rest.filter((word, index) => {
    const before = /^--(.+)$/.exec(rest[index - 1] ?? "")?.[1];
    return !word.startsWith("-") && (before === undefined || options[before]?.type !== "string");
  });
}

function valueAfter(rest: readonly string[], option: string): string | undefined {
  const at = rest.lastIndexOf(option);
  return at < 0 ? undefined : rest[at + 1];
}

function words(list: readonly string[]): readonly Offer[] {
  return list.map((word) => ({ word }));
}

function commands(): readonly Offer[] {
  return Object.entries(COMMAND_SUMMARIES).map(([word, meaning]) => ({ word, meaning }));
}

function fromHistory(read: (store: Store) => readonly Offer[]): Values {
  return (io, database) => {
    const path = findSurroundings(io.env, database).database;
    const opened = openStore({ path, readOnly: true, clock: { now: Date.now } });
    if (opened.state !== "open") return [];
    try {
      return read(opened.store);
    } finally {
      opened.store.close();
    }
  };
}

function vms(store: Store): readonly Offer[] {
  return words(vmsOnRecord(store));
}

function starts(store: Store): readonly Offer[] {
  return store.attempts.list({ limit: MOST }).map(({ number, vm, outcome, openedAt }) => ({
    ...{ word: String(number), meaning: `${vm}, ${outcome}, ${formatMinute(openedAt)}` },
  }));
}

function moments(store: Store): readonly Offer[] {
  const boots = store.boots.list().slice(-MOST).toReversed();
  return [
    ...words(["good", "now"]),
    ...boots.map(({ ordinal, startedAt }) => ({ word: `b${ordinal}`, meaning: formatMinute(startedAt) })),
  ];
}

function incidents(store: Store): readonly Offer[] {
  return store.alerts
    .incidents({ limit: MOST })
    .map(({ id, content }) => ({ word: id, meaning: content.subject }));
}
