import { type Command, helpOf } from "../src/cli/command.ts";
import { COMMAND_LOADERS, COMMAND_SUMMARIES, type CommandName } from "../src/cli/commands.ts";

/** The manual page of this version, section 1, as roff; made from the same commands as `--help`. */
export async function writeManual(version: string): Promise<string> {
  const commands: Command[] = [];
  for (const name of Object.keys(COMMAND_SUMMARIES))
    commands.push(await COMMAND_LOADERS[name as CommandName]());
  return manualPage(commands, version);
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
    ...places([
      ["0", "done"],
      ["1", "could not be done; the reason is on standard error, and with --json on standard output too"],
      ["2", "wrong arguments"],
      ["3", "done, and found something to act on: a failed start, a VM that will not start"],
      ["4", "explain and advise: nothing is known, which is no all-clear"],
    ]),
    ".SH FILES",
    ...places([
      ["/etc/vfio-watch/vfio-watch.cfg", "the settings; 'vfio-watch config' shows those in force"],
      ["/etc/vfio-watch/signatures/*.json", "messages of your own that are to be known"],
      ["/etc/vfio-watch/known-firmware/*.jsonl", "what you know of BIOS versions"],
      ["/var/lib/vfio-watch/history.db", "the history, with -wal and -shm beside it while it is open"],
      ["/run/vfio-watch/state.json", "what the running service says of itself"],
      ["/run/vfio-watch/heard.json", "what it has told since the host came up"],
      ["/run/vfio-watch/control", "its socket, for its owner alone"],
    ]),
    "On Unraid settings and history lie in /boot/config/plugins/vfio\\-watch.",
    ".SH ENVIRONMENT",
    ...places([
      ["VFIO_WATCH_CONFIG", "another settings file"],
      [
        "VFIO_WATCH_KEY",
        "one setting over those of the files, for the name of any setting in the place of KEY",
      ],
      ["NO_COLOR", "no colour, whatever its value"],
    ]),
    ".SH EXAMPLES",
    ...places([
      ["vfio-watch", "how it stands, in ten lines"],
      ["vfio-watch blame --vm win", "what broke the VM whose name begins so"],
      ["vfio-watch starts --failed --since yesterday", "what did not start since yesterday"],
      ["vfio-watch check && virsh start win11", "starts only what nothing stops"],
      ["dmesg | vfio-watch explain", "what the kernel's log means"],
      ["vfio-watch report --format bbcode", "what a forum asks for, private data masked"],
      ["vfio-watch starts --json | jq -r '.starts[].vm'", "for programs; docs/json has the schemas"],
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
