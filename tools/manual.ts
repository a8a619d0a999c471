import { type Command, helpOf } from "../src/cli/command.ts";
import { COMMAND_LOADERS, COMMAND_SUMMARIES, type CommandName } from "../src/cli/commands.ts";

/** What a package brings besides the program, made from the same commands as `--help`. */
export interface Manual {
  /** The manual page, section 1, as roff. */
  readonly page: string;
  /** Completion for bash, to be sourced. */
  readonly completion: string;
}

/** Makes both for this version. */
export async function writeManual(version: string): Promise<Manual> {
  const commands: Command[] = [];
  for (const name of Object.keys(COMMAND_SUMMARIES))
    commands.push(await COMMAND_LOADERS[name as CommandName]());
  return { page: manualPage(commands, version), completion: bashCompletion(commands) };
}

function manualPage(commands: readonly Command[], version: string): string {
  return `${[
    `.TH VFIO\\-WATCH 1 "" "vfio\\-watch ${roff(version)}" "User Commands"`,
    ".SH NAME",
    "vfio\\-watch \\- says why a VM with passed\\-through devices does not start",
    ".SH SYNOPSIS",
    ".B vfio\\-watch",
    ".I COMMAND",
    "[options]",
    ".SH DESCRIPTION",
    "Watches the kernel log, VFIO and libvirt for VM starts that fail on the IOMMU, explains them, keeps a history,",
    "and says what changed since the last good start. The service is",
    '.BR "vfio\\-watch run" ;',
    "the other commands read its history, or the host as it is now.",
    ".SH COMMANDS",
    ...commands.flatMap((command) => [
      `.SS ${roff(command.name)}`,
      ".EX",
      ...helpOf(command).trimEnd().split("\n").map(roffLine),
      ".EE",
    ]),
    ".SH EXIT STATUS",
    "0 done, 1 could not be done, 2 wrong arguments, 3 done and found something to act on.",
    ".SH FILES",
    ...places([
      ["/etc/vfio-watch/vfio-watch.cfg", "the settings; 'vfio-watch config' shows those in force"],
      ["/etc/vfio-watch/signatures/*.json", "messages of your own that are to be known"],
      ["/var/lib/vfio-watch/history.db", "the history"],
    ]),
    ".SH ENVIRONMENT",
    ...places([
      ["VFIO_WATCH_CONFIG", "another settings file"],
      [
        "VFIO_WATCH_KEY",
        "one setting over those of the files, for the name of any setting in the place of KEY",
      ],
      ["NO_COLOR", "no colour, whatever its value"],
    ]),
    ".SH SEE ALSO",
    ".BR virsh (1),",
    ".BR dmesg (1),",
    ".BR systemctl (1)",
  ].join("\n")}\n`;
}

function places(entries: readonly (readonly [name: string, meaning: string])[]): readonly string[] {
  return entries.flatMap(([name, meaning]) => [".TP", `.B ${roff(name)}`, roffLine(meaning)]);
}

/** A plain `-` would become a hyphen, which nobody can paste into a shell; and roff reads ASCII alone. */
function roff(text: string): string {
  return text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replaceAll("'", "\\(aq")
    .replaceAll('"', "\\(dq")
    .replace(
      /[^\t -~]/gu,
      (letter) => `\\[u${letter.codePointAt(0)?.toString(16).toUpperCase().padStart(4, "0")}]`,
    );
}

/** A line of text that begins with a dot would be a request. */
function roffLine(line: string): string {
  return line.startsWith(".") ? `\\&${roff(line)}` : roff(line);
}

function bashCompletion(commands: readonly Command[]): string {
  const flags = (names: readonly string[]) => names.map((name) => `--${name}`).join(" ");
  const cases = commands.map(
    ({ name, usage, options }) =>
      `    ${name}) words='${wordsOf(usage).join(" ")}' options='${flags([...Object.keys(options), "help"])}' ;;`,
  );
  const withValue = new Set(
    commands.flatMap(({ options }) =>
      Object.keys(options).filter((name) => options[name]?.type === "string"),
    ),
  );
  return `# Completion of vfio-watch for bash; made from its commands.
_vfio_watch() {
  local current=\${COMP_WORDS[COMP_CWORD]} words='' options=''
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    words='${commands.map(({ name }) => name).join(" ")} help' options='--help --version'
  else
    # After these comes a value; what is not completed here is a file's name.
    case \${COMP_WORDS[COMP_CWORD - 1]} in
    ${[...withValue]
      .sort()
      .map((name) => `--${name}`)
      .join(" | ")}) return 0 ;;
    esac
    case \${COMP_WORDS[1]} in
${cases.join("\n")}
    esac
  fi
  [[ $current == -* ]] && words=$options
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -o default -F _vfio_watch vfio-watch
`;
}

/** The words with which a command goes on: `list [--open] | show ID` has `list` and `show`. */
function wordsOf(usage: string): readonly string[] {
  const ways = usage.split("|").map((way) => way.trim().split(/\s/)[0] ?? "");
  return ways.length > 1 ? ways.filter((word) => /^[a-z]+$/.test(word)) : [];
}
