import { readFileSync } from "node:fs";
import { join } from "node:path";
import { loadCatalogue } from "../../../src/diagnosis/catalogue.ts";
import { createExplainer } from "../../../src/diagnosis/explain/explain.ts";
import type { Explanation } from "../../../src/diagnosis/explain/explanation.ts";

const root = join(import.meta.dirname, "../../..");
const { catalogue } = loadCatalogue({ shippedDirectory: join(root, "config/signatures") });

/** `explain` with the shipped catalogue and nothing else. */
export const explain = createExplainer(catalogue);

/** The class of the first cause, `none` where there is none. */
export function firstOf({ causes }: Explanation): string {
  return causes[0]?.class ?? "none";
}

/** The kernel's log of a recording, as dmesg prints it. */
export function recordedLog(scenario: string): readonly string[] {
  return readFileSync(join(root, "test/fixtures/recordings", scenario, "kmsg.txt"), "utf8")
    .split("\n")
    .flatMap((record) => {
      const parts = /^[0-7],\d+,(\d+),[^;]*;(.*)$/.exec(record);
      return parts === null ? [] : [`[${(Number(parts[1]) / 1e6).toFixed(6).padStart(12)}] ${parts[2]}`];
    });
}
