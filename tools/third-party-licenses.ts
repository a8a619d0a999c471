import { readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const project = dirname(dirname(fileURLToPath(import.meta.url)));

/** The licenses of the packages that are inside; most of them ask for no more than to be named. */
export function thirdPartyLicenses(inputs: readonly string[]): string {
  const packages = new Set(
    inputs.flatMap((input) => /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1] ?? []),
  );
  const texts = [...packages].sort().map((name) => {
    const directory = join(project, "node_modules", name);
    const { version, license } = JSON.parse(readFileSync(join(directory, "package.json"), "utf8")) as {
      readonly version: string;
      readonly license: string;
    };
    const text = ["LICENSE", "LICENSE.md", "LICENSE.txt", "license", "License"]
      .map((file) => join(directory, file))
      .find((file) => statSync(file, { throwIfNoEntry: false }) !== undefined);
    return `${name} ${version} (${license})\n\n${text === undefined ? "" : readFileSync(text, "utf8").trim()}\n`;
  });
  return texts.join(`\n${"-".repeat(80)}\n\n`);
}
