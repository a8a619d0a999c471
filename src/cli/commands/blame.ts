import { answerJson } from "../../answer/json.ts";
import { askBlame, type BlameAnswer, type BlameQuestion } from "../../history/ask-blame.ts";
import { describeBlame } from "../../history/describe-blame.ts";
import { createPciNames, type PciNames } from "../../host/pci-names.ts";
import { parseBdf, vmName } from "../../model/identifiers.ts";
import { createPaint, type Paint, printable } from "../../terminal-text.ts";
import { table, wrap } from "../../text-columns.ts";
import { type Command, EXIT, UsageError } from "../command.ts";
import { blameToJson } from "../json/blame.ts";
import { documentText } from "../json/document.ts";
import { withMeantVm } from "../meant-vm.ts";
import { answerOf, newestRow, type OwnAnswer, remedyLines } from "../own-answer.ts";
import {
  findCatalogue,
  findSurroundings,
  HISTORY_OPTIONS,
  HISTORY_OPTIONS_HELP,
  withHistory,
} from "../surroundings.ts";

/** Which change broke passthrough. */
export const blameCommand: Command = {
  name: "blame",
  summary: "Says which BIOS version or other change broke passthrough, and how certain that is.",
  usage: "[--vm NAME | --device BDF|VENDOR:DEVICE] [--json]",
  help: `
  --vm NAME          this VM; without it the one whose device failed last
  --device DEVICE    an address (0000:01:00.0) or vendor and device (10de:2805), followed when it moved
${HISTORY_OPTIONS_HELP}

Certainty: confirmed (95 in 100 or more, it was changed back and the outcome went back with it, and either its way to
such a failure is known or it broke again when it came again), likely (85 in 100 or more), possible (less, with what
else it may be), unknown. Each fault of the VM has an answer of its own.
Exit code: 0 when there is an answer or nothing to blame, 3 when the newest start in question failed.
JSON: {"headline","certainty","reason","failure","classes","healed","good","bad","chance","probability",
"rivals":{"hidden","flaky","number"},"imported","vms","devices",
"suspects":[{"families","probability","together","values","proof","besides","reverted","changedAlone","turnedWith",
"misplaced"}],"bios":[{"version","firstSeen","lastSeen","starts","worked","failed","refused","causes","builds"}],
"boundary":{"lastGood","firstBad"},"changes","cleared","settle","sections","otherVms",
"others":[{"headline","certainty",… as above}],"answer"}; "answer" is that of 'show'
for the newest such failure, null where it works again.
Example: vfio-watch blame --vm "Windows 11"`,
  options: { ...HISTORY_OPTIONS, vm: { type: "string" }, device: { type: "string" } },
  run(args, io) {
    if (args.positionals.length > 0) throw new UsageError("name the VM with --vm, or a device with --device");
    const question = readQuestion(args.text("vm"), args.text("device"));
    const surroundings = findSurroundings(io.env, args.text("database"));
    return withHistory(surroundings.database, io, (store) => {
      const names = createPciNames(surroundings.paths);
      const answer = withNames(askBlame(store, withMeantVm(question, store)), names);
      const { failure, healed } = answer.blame;
      const [vm] = answer.vms;
      const newest = newestRow(
        store,
        (row) =>
          answer.vms.includes(row.vm) && (failure === undefined || (row.cause ?? "unknown") === failure),
        answer.vms.length === 1 && vm !== undefined ? { vm } : {},
      );
      // Where it works again nobody asks what to do.
      const own =
        newest === undefined || healed
          ? undefined
          : answerOf(store, findCatalogue(surroundings, io), newest, answer);
      if (args.flag("json")) {
        const json = { ...blameToJson(answer), answer: own === undefined ? null : answerJson(own.answer) };
        io.out(documentText(json));
      } else {
        const paint = createPaint(io.color);
        io.out(
          `${[renderBlame(answer, paint, io.columns), ...adviceLines(own, newest !== undefined && healed, paint, io.columns)].join("\n")}\n`,
        );
      }
      const failing = answer.blame.failure !== undefined && !answer.blame.healed;
      return failing ? EXIT.findings : EXIT.ok;
    });
  },
};

/** What is advised for the newest such failure; nothing where it was done already. */
function adviceLines(
  own: OwnAnswer | undefined,
  worksAgain: boolean,
  paint: Paint,
  columns: number,
): readonly string[] {
  if (worksAgain) return ["", paint("bold", "What to do"), "Nothing: it works again."];
  return own === undefined ? [] : remedyLines(own.answer, paint, columns);
}

function readQuestion(vm: string | undefined, device: string | undefined): BlameQuestion {
  if (device === undefined) return vm === undefined ? {} : { vm: vmName(vm) };
  const isIds = /^[0-9a-f]{4}:[0-9a-f]{4}(?:\/[0-9a-f]{4}:[0-9a-f]{4}(?:#\d+)?)?$/i.test(device);
  const address = isIds ? undefined : parseBdf(device);
  if (!isIds && address === undefined)
    throw new UsageError(
      `'${device}' is neither an address (0000:01:00.0) nor vendor and device (10de:2805)`,
    );
  return { device: address ?? device.toLowerCase(), ...(vm !== undefined && { vm: vmName(vm) }) };
}

/** Names from this host's PCI database for devices whose name was not stored. */
function withNames(answer: BlameAnswer, names: PciNames): BlameAnswer {
  const kind = (identity: string | undefined) => identity?.slice(0, 9) ?? "";
  const unnamed = answer.devices.filter(({ name }) => name === undefined);
  if (unnamed.length === 0) return answer;
  const found = names.lookUp(unnamed.map(({ identity }) => kind(identity)));
  return {
    ...answer,
    devices: answer.devices.map((device) => ({
      ...device,
      name: device.name ?? found.get(kind(device.identity)),
    })),
  };
}

/** The answer as a page for a person. */
export function renderBlame(answer: BlameAnswer, paint: Paint, columns: number): string {
  const { headline, certainty, table: rows, sections } = describeBlame(answer);
  // The answer stays one line, for whoever takes the first.
  const lines = [paint("bold", printable(headline))];
  if (certainty !== "") lines.push(wrap(printable(certainty), columns));
  if (rows.length > 0)
    lines.push(
      "",
      table(
        rows.map((row) => row.map(printable)),
        columns,
        { header: true },
      ),
    );
  for (const { title, lines: own } of sections) {
    lines.push("", paint("bold", wrap(printable(title), columns)));
    lines.push(...own.map((line) => wrap(`- ${printable(line)}`, columns, "  ")));
  }
  return lines.join("\n");
}
