import { effectiveSettings } from "../../config/describe.ts";
import type { ConfigProblem } from "../../config/loaded.ts";
import { describeProblem } from "../../config.ts";
import { createPaint, printable } from "../../terminal-text.ts";
import { table } from "../../text-columns.ts";
import { type Command, EXIT, UsageError } from "../command.ts";
import { documentText } from "../json/document.ts";
import { findSurroundings } from "../surroundings.ts";

/** The settings that are in force. */
export const configCommand: Command = {
  name: "config",
  summary: "Shows the settings in force, where each comes from, and what is wrong in them.",
  usage: "[KEY…] [--changed] [--json]",
  help: `
  KEY                only these settings
  --changed          only settings that differ from the shipped defaults
  --json             one JSON document instead of text

Tokens are shown as set or not set, addresses without what follows the server.
Exit code: 0, or 3 when something in the settings is wrong.
JSON: {"settings":[{"key","value","origin","from"}],"problems":[{"where","line","key","message"}],"files":[…]}.
Example: vfio-watch config --changed`,
  options: { json: { type: "boolean" }, changed: { type: "boolean" } },
  async run(args, io) {
    const { loaded, settingsFile, database } = findSurroundings(io.env);
    // Where nobody named one, the history's place depends on who asks and where.
    const all = effectiveSettings(loaded).map((setting) =>
      setting.key === "DATABASE" && setting.origin.from === "default"
        ? { ...setting, value: database }
        : setting,
    );
    const unknown = args.positionals.find((name) => !all.some(({ key }) => key === name.toUpperCase()));
    if (unknown !== undefined)
      throw new UsageError(
        `there is no setting '${unknown}'; 'vfio-watch config' without a name lists them all`,
      );
    const wanted = new Set(args.positionals.map((name) => name.toUpperCase()));
    const settings = all.filter(
      ({ key, origin }) =>
        (wanted.size === 0 || wanted.has(key)) &&
        (!args.flag("changed") || origin.from === "override" || origin.from === "environment"),
    );
    if (args.flag("json")) {
      const { problems, files } = loaded;
      io.out(documentText({ settings, problems: problems.map(problemJson), files }));
    } else {
      const paint = createPaint(io.color);
      const rows = settings.map(({ key, value, from }) => [
        `${key}="${printable(value)}"`,
        paint("dim", printable(from)),
      ]);
      const nothing = `Everything is as shipped; put what you want to change into ${printable(settingsFile)}.`;
      io.out(`${rows.length === 0 ? nothing : table(rows, io.tableColumns)}\n`);
      for (const problem of loaded.problems)
        io.err(`${paint("yellow", printable(describeProblem(problem)))}\n`);
    }
    return loaded.problems.length > 0 ? EXIT.findings : EXIT.ok;
  },
};

function problemJson({ where, line, key, message }: ConfigProblem): object {
  return { where, line: line ?? null, key: key ?? null, message };
}
