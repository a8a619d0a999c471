import { createHash } from "node:crypto";
import type { BootEntry } from "../../host/boot-loader-entry.ts";
import {
  formatKernelParameter,
  parseKernelParameters,
  publicParameter,
  withoutLoaderWords,
} from "../../host/kernel-parameters.ts";
import { unreadable } from "../../model/reading.ts";
import { type FactKind, form, LISTED } from "../kind.ts";

const VERDICTS = {
  "in-effect": "yes",
  "other-loader": "no, another boot loader runs",
  differs: "no, other parameters run",
} as const;

/** Which boot loader files there are, what their default entry gives, and whether that is what runs (law 6). */
export const BOOT_LOADER: FactKind = {
  group: "boot-loader",
  root: "boot-loader",
  thing: "boot-loader.{file:/.+}",
  whole: (name, came) => `Boot loader file ${name} ${came ? "is new" : "is gone"}`,
  describedBy: "parameters",
  // What a file claims has no effect until it runs.
  odds: "other",
  role: "bystander",
  forms: [
    form("boot-loader.running", "Boot loader that ran", 0, {
      role: { follows: ["BIOS setting", "operating system"] },
      shown: "kernel",
    }),
    form("boot-loader.{file:/.+}.parameters", "Parameters in {file}", 1, {
      type: "list",
      separator: " ",
      ordered: true,
      shown: "kernel",
    }),
    form("boot-loader.{file:/.+}.in-effect", "{file} in effect", 2, { shown: "kernel" }),
    form("boot-loader.{file:/.+}.entries", "Boot entries in {file}", 4),
  ],
  collect({ bootLoaders }, tell) {
    if (bootLoaders.state !== "read") return tell("boot-loader", bootLoaders);
    const { running, claims, unreadable: missed } = bootLoaders.value;
    tell("boot-loader", missed.length > 0 ? unreadable(missed.join("; ")) : LISTED);
    tell("boot-loader.running", running.name);
    for (const claim of claims) {
      const key = `boot-loader.${claim.path}`;
      if (claim.unreadable !== undefined) {
        tell(key, unreadable(claim.unreadable));
        continue;
      }
      tell(`${key}.parameters`, publicCommandLine(claim.defaultEntry));
      tell(`${key}.entries`, entriesMark(claim.entries));
      tell(
        `${key}.in-effect`,
        claim.verdict === "unknown"
          ? unreadable("it cannot be told which parameters it would give")
          : VERDICTS[claim.verdict],
      );
    }
  },
};

function publicCommandLine(entry: BootEntry | undefined): readonly string[] | undefined {
  if (entry?.commandLine === undefined) return undefined;
  const parameters = withoutLoaderWords(parseKernelParameters(entry.commandLine));
  if (parameters.length === 0) return ["(none)"];
  return parameters.map((parameter) => formatKernelParameter(publicParameter(parameter)));
}

/** Changes when any entry changes, not with comments, spacing or colours. */
function entriesMark(entries: readonly BootEntry[]): string {
  const content = JSON.stringify(entries.map(({ title, commandLine }) => [title, commandLine ?? null]));
  return `${entries.length}, mark ${createHash("sha256").update(content).digest("hex").slice(0, 8)}`;
}
