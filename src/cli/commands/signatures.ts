import { nameIn } from "../../diagnosis/sentence.ts";
import type { Remedy, Signature } from "../../model/catalogue.ts";
import { printable } from "../../terminal-text.ts";
import { table, wrap } from "../../text-columns.ts";
import { type Command, EXIT, UsageError } from "../command.ts";
import { documentText } from "../json/document.ts";
import { findCatalogue, findSurroundings } from "../surroundings.ts";

/** The catalogue, for people who read logs and for those who write their own signatures. */
export const signaturesCommand: Command = {
  name: "signatures",
  summary: "Lists the messages of kernel, QEMU and libvirt that are known, or shows one.",
  usage: "[ID] [--json]",
  help: `
ID shows one signature whole. Your own signatures (*.json, see the README) are listed with the shipped ones.

  --json             one JSON document instead of text

JSON: {"signatures":[{"id","class","layer","role","severity","pattern","meaning","remedies":[{"text",
"when"}],"confirm","versions","examples"}]}.
Example: vfio-watch signatures kernel.direct-mapping-required`,
  options: { json: { type: "boolean" } },
  async run(args, io) {
    const catalogue = findCatalogue(findSurroundings(io.env), io);
    const [wanted, ...others] = args.positionals;
    if (others.length > 0) throw new UsageError("one signature at a time");
    const signatures = catalogue.signatures.filter(({ id }) => wanted === undefined || id === wanted);
    if (signatures.length === 0) {
      io.err(
        `vfio-watch: there is no signature '${printable(wanted ?? "")}'; 'vfio-watch signatures' lists them.\n`,
      );
      return EXIT.failure;
    }
    if (args.flag("json")) io.out(documentText({ signatures: signatures.map(signatureJson) }));
    else if (wanted === undefined) {
      io.out(
        `${table(
          signatures.map((one) => [one.id, one.class, one.role, one.severity]),
          io.tableColumns,
        )}\n`,
      );
    } else {
      for (const one of signatures) {
        io.out(
          `${[
            `${one.id}: ${one.class}, ${one.layer}, ${one.role}, ${one.severity}`,
            wrap(printable(one.meaning), io.columns),
            ...one.remedies.map((remedy, index) =>
              wrap(`${index + 1}. ${printable(remedyText(remedy))}`, io.columns, "   "),
            ),
            ...(one.confirm ?? []).map((how) => wrap(`To make sure: ${printable(how)}`, io.columns, "   ")),
            ...(one.versions === undefined ? [] : [`Versions: ${printable(one.versions)}`]),
            `Pattern: ${printable(one.pattern)}`,
            ...one.examples.map((example) => `Example: ${printable(example)}`),
          ].join("\n")}\n`,
        );
      }
    }
    return EXIT.ok;
  },
};

/** With its conditions, which on a host decide whether it is shown. */
function remedyText({ text, when }: Remedy): string {
  const conditions = Object.entries(when).map(([name, values]) => `${name} ${values.join(" or ")}`);
  return `${nameIn(text)}${conditions.length === 0 ? "" : ` (only: ${conditions.join(", ")})`}`;
}

function signatureJson(one: Signature): object {
  return {
    id: one.id,
    class: one.class,
    layer: one.layer,
    role: one.role,
    severity: one.severity,
    pattern: one.pattern,
    meaning: one.meaning,
    remedies: one.remedies.map(({ text, when }) => ({ text, when })),
    confirm: one.confirm ?? [],
    versions: one.versions ?? null,
    examples: one.examples,
  };
}
