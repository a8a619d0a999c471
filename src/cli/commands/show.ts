import type { Evidence } from "../../model/attempt.ts";
import type { DomainLogEnd, Observation } from "../../model/observation.ts";
import type { StoredAttempt } from "../../store/attempt-store.ts";
import { createPaint, formatTime, type Paint, printable, wrap } from "../../terminal-text.ts";
import { type Command, EXIT, UsageError } from "../command.ts";
import {
  findCatalogue,
  findSurroundings,
  HISTORY_OPTIONS,
  HISTORY_OPTIONS_HELP,
  signatureLookup,
  withHistory,
} from "../surroundings.ts";
import { outcomeWord } from "./starts.ts";

/** Everything about one start. */
export const showCommand: Command = {
  name: "show",
  summary: "Shows one start: what was said, by whom and when, why it failed and what to do.",
  usage: "[ATTEMPT] [--json]",
  help: `
ATTEMPT is the number that 'vfio-watch starts' prints; without it the newest failed start.

${HISTORY_OPTIONS_HELP}

Exit code: 0 for a good start, 3 for one that failed.
JSON: the attempt with its evidence and diagnosis; times as UTC epoch milliseconds.
Example: vfio-watch show 12`,
  options: HISTORY_OPTIONS,
  run(args, io) {
    const [wanted, ...others] = args.positionals;
    if (others.length > 0) throw new UsageError("one start at a time");
    const surroundings = findSurroundings(io.env, args.text("database"));
    const signatures = signatureLookup(findCatalogue(surroundings, io));
    return withHistory(surroundings.database, io, (store) => {
      const newest =
        wanted === undefined ? store.attempts.list({ failedOnly: true, limit: 1 })[0]?.id : undefined;
      const key = wanted?.replace(/^#/, "") ?? newest;
      const attempt = key === undefined ? undefined : store.attempts.full(key, signatures);
      if (attempt === undefined) {
        io.err(
          wanted === undefined
            ? "vfio-watch: no failed start is on record.\n"
            : `vfio-watch: there is no start ${printable(wanted)}; 'vfio-watch starts' lists them.\n`,
        );
        return EXIT.failure;
      }
      if (args.flag("json")) io.out(`${JSON.stringify(withoutPatterns(attempt), undefined, 2)}\n`);
      else io.out(`${describeAttempt(attempt, createPaint(io.color), io.columns)}\n`);
      return attempt.outcome === "started" || attempt.outcome === undefined ? EXIT.ok : EXIT.findings;
    });
  },
};

/** The attempt for programs: signatures by id, since their text belongs to the catalogue. */
function withoutPatterns(attempt: StoredAttempt): object {
  return {
    ...attempt,
    evidence: attempt.evidence.map((entry) => ({
      ...entry,
      matches: entry.matches.map(({ signature, captures }) => ({ signature: signature.id, captures })),
    })),
  };
}

/** The attempt as a page for a person. */
export function describeAttempt(attempt: StoredAttempt, paint: Paint, columns: number): string {
  const lines = [
    `${paint("bold", `Start #${attempt.number} of '${printable(attempt.vm)}'`)}  ${outcomeWord(attempt.outcome, paint)}${attempt.origin === "imported" ? "  (imported)" : ""}`,
    `${formatTime(attempt.openedAt)}, boot ${attempt.bootId ?? "unknown"}`,
  ];
  if (attempt.devices.length > 0) {
    const groups = attempt.groups.length > 0 ? `, IOMMU group ${attempt.groups.join(", ")}` : "";
    lines.push(`Devices: ${attempt.devices.join(", ")}${groups}`);
  }
  const { diagnosis } = attempt;
  if (diagnosis !== undefined) {
    lines.push("", paint("bold", "Why"), wrap(printable(diagnosis.summary), columns));
    const [first, ...others] = diagnosis.causes;
    if (first !== undefined) {
      lines.push(`(${first.class}, ${first.certainty})`);
      if (first.remedies.length > 0) lines.push("", paint("bold", "What to do"));
      lines.push(
        ...first.remedies.map((remedy, index) => wrap(`${index + 1}. ${printable(remedy)}`, columns, "   ")),
      );
    }
    for (const other of others) {
      lines.push(
        wrap(`Also ${other.certainty}: ${printable(other.sentence)} (${other.class})`, columns, "   "),
      );
    }
    if (diagnosis.noEffect.length > 0) {
      lines.push("", paint("bold", "What has no effect here, whatever people say"));
      lines.push(...diagnosis.noEffect.map((advice) => wrap(`- ${printable(advice)}`, columns, "  ")));
    }
  }
  lines.push("", paint("bold", "What was said, in order"));
  lines.push(...attempt.evidence.map((entry) => evidenceLine(entry, attempt.openedAt, paint, columns)));
  if (attempt.evidenceLeftOut > 0) lines.push(`(${attempt.evidenceLeftOut} more lines were not kept)`);
  return lines.join("\n");
}

function evidenceLine(entry: Evidence, openedAt: number, paint: Paint, columns: number): string {
  const { observation, matches, count } = entry;
  const offset = `${((observation.at - openedAt) / 1000).toFixed(3).padStart(9)} s`;
  const decisive = matches.some(({ signature }) => signature.role === "cause");
  const text = printable(whatWasSaid(observation));
  const repeated = count > 1 ? ` (${count} times)` : "";
  const line = `${offset}  ${observation.source.padEnd(12)}  ${text}${repeated}`;
  return wrap(decisive ? paint("red", line) : line, columns, " ".repeat(27));
}

/** One line for any observation. */
export function whatWasSaid(observation: Observation): string {
  switch (observation.kind) {
    case "kernel-record":
    case "domain-log-line":
    case "libvirtd-record":
      return observation.text;
    case "gap":
      return observation.detail;
    case "vfio-node":
      return `/dev/vfio/${observation.node} ${observation.change}`;
    case "vm-inventory":
      return observation.vms.map(({ state }) => `state ${state.state} (${state.reason})`).join(", ");
    case "vm-lifecycle":
      return `${observation.source === "libvirt" ? "libvirt event: " : ""}${observation.event} ${observation.detail}`.trimEnd();
    case "vm-control-error":
      return "libvirt event: control-error (QEMU went away while libvirt talked to it)";
    case "vm-state":
      return `state ${observation.state.state} (${observation.state.reason})`;
    case "vm-reboot":
      return "libvirt event: reboot";
    case "vm-device":
      return `libvirt event: device ${observation.alias} ${observation.change}`;
    case "connection":
      return `${observation.state}: ${observation.detail}`;
    case "domain-log-start":
      return `starting up${observation.qemuVersion === undefined ? "" : `, QEMU ${observation.qemuVersion}`}${observation.machine === undefined ? "" : `, machine ${observation.machine}`}`;
    case "domain-log-end":
      return endOf(observation);
    case "config-file":
      return `${observation.path} ${observation.change}`;
  }
}

/** libvirt's own line; Proxmox has no such one, but a task that ended. */
function endOf({ source, reason }: DomainLogEnd): string {
  return source === "proxmox" ? `the start task ended: ${reason}` : `shutting down, reason=${reason}`;
}
