import { answerJson } from "../../answer/json.ts";
import { historyTexts } from "../../answer/words.ts";
import type { Preflight, PreflightFinding } from "../../preflight/finding.ts";
import { needsAction } from "../../preflight/preflight.ts";
import { createPaint, type Paint, printable } from "../../terminal-text.ts";
import { wrap } from "../../text-columns.ts";
import { type AskedHost, aboutMachine, askedHost, checkHost } from "../check-host.ts";
import { type Command, EXIT, Refusal, UsageError } from "../command.ts";
import { documentText } from "../json/document.ts";
import { readElsewhere } from "../known-firmware.ts";
import type { LiveVms } from "../live-vms.ts";
import { meantVm } from "../meant-vm.ts";
import {
  findCatalogue,
  findSurroundings,
  HISTORY_OPTIONS,
  HISTORY_OPTIONS_HELP,
  openIfThere,
} from "../surroundings.ts";

/** Says what will stop a VM before it is started. */
export const checkCommand: Command = {
  name: "check",
  summary: "Says what will stop VMs with passed-through devices from starting, before anyone starts them.",
  usage: "[VM] [--json]",
  help: `
Looks at the host as it is now: firmware's demands for 1:1 mappings, IOMMU groups, devices that are gone or moved,
who holds them, VFIO, boot parameters that are not in effect, and Unraid's own refusals. Needs root to see everything.
With a history of another machine (--database) it is that machine that is looked at, as its newest facts have it.

${HISTORY_OPTIONS_HELP}

Exit code: 0 when nothing stops a VM, 3 when something does, 1 when there is no such VM or VMs cannot be read.
JSON: {"from","vms":[{"vm","verdict","findings":[FINDING],"answer":ANSWER}],"host":[FINDING],"noEffect","unchecked","elsewhere"} where FINDING is
{"check","matter":"stops|later|harmless|tidy","certainty","sentence","evidence","remedies","devices","groups"} and the
verdict one of runs, will-not-start, may-not-start, nothing-stops-it; findings of one that runs are about its next
start, with the devices that its changed definition gives it. ANSWER is as in 'show --json'; elsewhere is what other
owners met on this board with this BIOS, and proves nothing of this host.
Example: vfio-watch check "Windows 11"`,
  options: HISTORY_OPTIONS,
  async run(args, io) {
    const [said, ...others] = args.positionals;
    if (others.length > 0) throw new UsageError("one VM at a time, in quotes when its name has spaces");
    const surroundings = findSurroundings(io.env, args.text("database"));
    // Without a history the check still says what is; only where it came from stays open.
    const { store, why } = openIfThere(surroundings, args.text("database"));
    try {
      const asked = await askedHost(surroundings, store);
      const { live, machine } = asked;
      if (live.vms.state !== "read") throw new Refusal(unreadVms(live.vms));
      const known = live.vms.value.map(({ definition }) => definition.name);
      const only =
        said === undefined
          ? undefined
          : meantVm(said, known, machine === undefined ? "on this host" : `on ${machine}`);
      const checked = checkHost(surroundings, asked, findCatalogue(surroundings, io), store, only);
      const unread = why === undefined ? [] : [`the history, so nothing is said of what changed: ${why}`];
      const preflight = { ...checked, unchecked: [...checked.unchecked, ...unread] };
      const elsewhere = await readElsewhere(surroundings, io, "ask the fleet", asked.reading);
      const document = { from: live.from, ...preflightJson(preflight), elsewhere };
      if (args.flag("json")) io.out(documentText(document));
      else io.out(`${describePreflight(preflight, elsewhere, asked, createPaint(io.color), io.columns)}\n`);
      return needsAction(preflight) ? EXIT.findings : EXIT.ok;
    } finally {
      store?.close();
    }
  },
};

function unreadVms(vms: Exclude<LiveVms["vms"], { readonly state: "read" }>): string {
  const why = vms.state === "unreadable" ? vms.why : "there are none";
  return `the VMs of this host could not be read: ${why}.`;
}

function preflightJson({ vms, host, noEffect, unchecked }: Preflight): object {
  return {
    vms: vms.map(({ vm, verdict, findings, answer }) => ({
      ...{ vm, verdict, findings: findings.map(findingJson) },
      answer: answer === undefined ? null : answerJson(answer),
    })),
    ...{ host: host.map(findingJson), noEffect, unchecked },
  };
}

function findingJson(finding: PreflightFinding): object {
  const { check, matter, certainty, sentence, evidence, remedies, devices, groups } = finding;
  return { check, matter, certainty, sentence, evidence, remedies, devices, groups };
}

const MATTER_WORDS = {
  stops: "stops the VM",
  later: "will stop it after an update",
  harmless: "misleading but harmless",
  tidy: "worth tidying",
} as const;

/** Above what is hearsay, wherever it stands. */
const ELSEWHERE = "What other owners say, which proves nothing of this host";

/** The findings as a page for a person. */
export function describePreflight(
  { vms, host, noEffect, unchecked }: Preflight,
  elsewhere: readonly string[],
  asked: Pick<AskedHost, "machine"> & { readonly live: Pick<LiveVms, "from" | "statesKnown"> },
  paint: Paint,
  columns: number,
): string {
  const lines: string[] = [];
  const { live } = asked;
  const about = aboutMachine(asked);
  if (about !== undefined) lines.push(wrap(printable(about), columns), "");
  const begun = lines.length;
  if (vms.length === 0) lines.push("No VM with a passed-through device is defined, so nothing can stop one.");
  for (const { vm, verdict, findings, answer } of vms) {
    const name = `'${printable(vm)}'`;
    if (lines.length > begun) lines.push("");
    switch (verdict) {
      case "runs":
        lines.push(runningLine(name, findings, paint));
        break;
      case "nothing-stops-it":
        lines.push(
          wrap(
            `${paint("green", "ok")}  Nothing that can be seen stops ${name} from starting.`,
            columns,
            "    ",
          ),
        );
        break;
      case "may-not-start":
        lines.push(paint("yellow", `${name} may not start:`));
        break;
      default:
        lines.push(paint("red", `${name} will not start:`));
    }
    for (const finding of findings) {
      const own = answer?.cause?.signature === finding.check ? historyTexts(answer) : [];
      lines.push(...findingLines(finding, own, paint, columns));
    }
  }
  if (host.length > 0) lines.push("", paint("bold", "Also seen on this host"));
  for (const finding of host) lines.push(...findingLines(finding, [], paint, columns));
  if (elsewhere.length > 0) lines.push("", paint("bold", ELSEWHERE));
  lines.push(...elsewhere.map((text) => wrap(`- ${printable(text)}`, columns, "  ")));
  if (noEffect.length > 0) lines.push("", paint("bold", "Has no effect, whatever people say"));
  lines.push(...noEffect.map((text) => wrap(`- ${printable(text)}`, columns, "  ")));
  if (unchecked.length > 0) lines.push("", paint("yellow", "Could not be looked at"));
  lines.push(...unchecked.map((text) => wrap(`- ${printable(text)}`, columns, "  ")));
  if (!live.statesKnown && about === undefined)
    lines.push(
      "",
      wrap(`The VMs are from ${printable(live.from)}; which of them run is not known.`, columns),
    );
  return lines.join("\n");
}

/** A VM that was given other devices while it runs gets them at its next start. */
function runningLine(name: string, findings: readonly PreflightFinding[], paint: Paint): string {
  const stops = findings.filter(({ matter }) => matter === "stops");
  if (stops.length === 0) return `${paint("green", "ok")}  ${name} is running.`;
  const will = stops.some(({ certainty }) => certainty === "certain") ? "will" : "may";
  const text = `${name} is running; its definition was changed since, and with that it ${will} not start the next time:`;
  return paint(will === "will" ? "red" : "yellow", text);
}

function findingLines(
  finding: PreflightFinding,
  history: readonly string[],
  paint: Paint,
  columns: number,
): readonly string[] {
  const { matter, certainty, sentence, evidence, remedies } = finding;
  const label = `[${MATTER_WORDS[matter]}${certainty === "certain" ? "" : `, ${certainty}`}]`;
  const colored = paint(
    matter === "stops" ? "red" : matter === "tidy" || matter === "later" ? "yellow" : "cyan",
    label,
  );
  return [
    wrap(`  ${colored} ${printable(sentence)}`, columns, "    "),
    ...evidence.map((text) => wrap(`    seen: ${printable(text)}`, columns, "      ")),
    ...history.map((text) => wrap(`    ${printable(text)}`, columns, "      ")),
    ...remedies.map((text) => wrap(`    do: ${printable(text)}`, columns, "      ")),
  ];
}
