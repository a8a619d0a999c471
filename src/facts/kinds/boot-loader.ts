import { createHash } from "node:crypto";
import type { BootEntry } from "../../host/boot-loader-entry.ts";
import {
  formatKernelParameter,
  parseKernelParameters,
  publicParameter,
  withoutLoaderWords,
} from "../../host/kernel-parameters.ts";
import { unreadable } from "../../model/reading.ts";
import { type FactKind, LISTED } from "../kind.ts";

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
  role: "bystander",
  forms: [
    {
      key: "boot-loader.running",
      label: "Boot loader that ran",
      importance: 0,
      role: { follows: ["BIOS setting", "operating system"] },
      shown: "kernel",
    },
    {
      key: "boot-loader.{file:/.+}.parameters",
      type: "list",
      separator: " ",
      ordered: true,
      label: "Parameters in {file}",
      importance: 1,
      shown: "kernel",
    },
    { key: "boot-loader.{file:/.+}.in-effect", label: "{file} in effect", importance: 2, shown: "kernel" },
    { key: "boot-loader.{file:/.+}.entries", label: "Boot entries in {file}", importance: 4 },
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
