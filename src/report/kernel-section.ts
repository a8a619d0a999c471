import { nameOfKeyPart } from "../host/make-fact.ts";
import type { Block, FactRow } from "./document.ts";
import type { HostFacts } from "./host-facts.ts";
import { MOST_ITEMS } from "./limits.ts";

/** The kernel, the parameters that run, and what boot loaders' files claim (law 6). */
export function kernelBlocks(facts: HostFacts): readonly Block[] {
  const parameters = facts.below("kernel.parameter.");
  const modules = facts.below("kernel.module.").filter(({ fact }) => fact.value.state === "value");
  const loaders = facts.below("boot-loader./");
  const spelled = parameters.flatMap(({ rest, fact }) =>
    fact.value.state === "value" ? [spellParameter(nameOfKeyPart(rest), fact.value.value)] : [],
  );
  const commandLine: FactRow =
    spelled.length > 0
      ? {
          key: "kernel.parameter",
          label: "Parameters that run",
          value: spelled.join(" "),
          state: "value",
          code: true,
        }
      : facts.row("kernel.parameter", "Parameters that run");
  return [
    {
      kind: "facts",
      rows: [
        facts.row("kernel.release", "Kernel"),
        facts.row("kernel.build", "Build"),
        commandLine,
        facts.row("kernel.taint", "Taint"),
        facts.row("kernel.lockdown", "Lockdown"),
        facts.row("boot-loader.running", "Boot loader that ran"),
        ...loaders.slice(0, MOST_ITEMS).flatMap(({ rest, fact }) => loaderRow(facts, `/${rest}`, fact.key)),
        ...modules
          .slice(0, MOST_ITEMS)
          .map(({ rest, fact }) => facts.row(fact.key, `Module ${nameOfKeyPart(rest)}`)),
        ...facts
          .below("kernel.modprobe.")
          .slice(0, MOST_ITEMS)
          .map(({ rest, fact }) => facts.row(fact.key, `modprobe ${nameOfKeyPart(rest)}`)),
      ],
    },
  ];
}

function spellParameter(name: string, value: string): string {
  if (value === "set") return name;
  return value
    .split(" and ")
    .map((part) => `${name}=${part === "(empty)" ? "" : part}`)
    .join(" ");
}

function loaderRow(facts: HostFacts, rest: string, key: string): readonly FactRow[] {
  const [, file, attribute] = /^(\/.+)\.(parameters|in-effect)$/.exec(rest) ?? [];
  if (file === undefined) return [];
  return [facts.row(key, attribute === "in-effect" ? `${file} in effect` : `${file} asks for`)];
}
