import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { loadCatalogue } from "../src/diagnosis/catalogue.ts";
import { createExplainer } from "../src/diagnosis/explain/explain.ts";
import type { Explanation } from "../src/diagnosis/explain/explanation.ts";
import { createLazyFinder } from "../src/diagnosis/generated/unknown-causes.ts";
import { loadMessages } from "../src/knowledge/load-messages.ts";
import { isRight, type LabelledCase, readCases, SHARED_CORPUS } from "./labelled.ts";

/*
 * Needles in haystacks: `node tools/haystack.ts [FILE] [--quiet]`. Puts every labelled text that is right alone into
 * the middle of each long healthy log and counts what is lost; and asks whether a healthy log alone raises anything.
 */

interface Haystack {
  readonly name: string;
  readonly lines: readonly string[];
}

/** How the needle lies in it: people cut and paste with and without a gap. */
const SEAMS: Readonly<Record<string, string>> = { close: "", parted: "\n" };

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { quiet: { type: "boolean", default: false } },
});
const file = positionals[0] ?? join(SHARED_CORPUS, "dev.jsonl");
if (!existsSync(file)) {
  console.log(`No labelled log text at ${file}: nothing was measured. Name a file, one JSON object a line.`);
  process.exit(0);
}
const explain = createExplainer(
  loadCatalogue({ shippedDirectory: join(import.meta.dirname, "../config/signatures") }).catalogue,
  createLazyFinder(() => loadMessages(join(import.meta.dirname, "../config"))),
);
const answerOf = ({ causes }: Explanation) => causes[0]?.class ?? "none";
const haystacks = healthyLogs();
for (const haystack of haystacks) {
  const alone = explain(haystack.lines.join("\n"));
  const { vmStartFailure, deviceRelated } = alone;
  console.log(
    `${haystack.name}, ${haystack.lines.length} lines, alone: ${answerOf(alone)}${alone.causes[0] ? ` (${alone.causes[0].signature})` : ""}, start failure ${vmStartFailure}, device ${deviceRelated}`,
  );
}
const needles = readCases(file).filter((labelled) => isKept(labelled, explain(labelled.log)));
console.log(`${needles.length} texts of ${file} are right alone`);
for (const haystack of haystacks) {
  for (const [seam, gap] of Object.entries(SEAMS)) {
    const lost = needles.flatMap((labelled) => {
      const found = explain(inserted(labelled.log, haystack, gap));
      return isKept(labelled, found) ? [] : [{ labelled, found }];
    });
    console.log(`${haystack.name}, ${seam}: ${needles.length - lost.length} of ${needles.length} kept`);
    if (values.quiet) continue;
    for (const { labelled, found } of lost) {
      console.log(
        `  ${labelled.id} ${labelled.class}: ${answerOf(found)} (${found.causes[0]?.signature ?? "-"}), start ${found.vmStartFailure} for ${labelled.vm_start_failure}`,
      );
    }
  }
}

/** The cause is right, and a start that failed is seen as one and nothing else is. */
function isKept(labelled: LabelledCase, found: Explanation): boolean {
  const { vm_start_failure: failed, accept } = labelled;
  return isRight(accept, answerOf(found)) && (failed === null || failed === found.vmStartFailure);
}

function inserted(needle: string, { lines }: Haystack, gap: string): string {
  const middle = Math.floor(lines.length / 2);
  return [...lines.slice(0, middle), `${gap}${needle}${gap}`, ...lines.slice(middle)].join("\n");
}

/** Genuine logs where they are at hand, and the kernel logs of the recordings in which every VM started. */
function healthyLogs(): readonly Haystack[] {
  const genuine = join(SHARED_CORPUS, "healthy");
  const named = existsSync(genuine)
    ? readdirSync(genuine)
        .filter((name) => name !== "README.md")
        .map((name) => ({ name, text: readFileSync(join(genuine, name), "utf8") }))
    : [];
  const recorded = ["good-amd", "good-intel", "iommu-absent", "not-bound"].map((name) => ({
    name,
    text: kernelText(join(import.meta.dirname, "../test/fixtures/recordings", name, "kmsg.txt")),
  }));
  return [...named, ...recorded].map(({ name, text }) => ({ name, lines: text.split("\n") }));
}

/** A recording of /dev/kmsg as dmesg prints it. */
function kernelText(path: string): string {
  return readFileSync(path, "utf8")
    .split("\n")
    .flatMap((record) => {
      const parts = /^[0-7],\d+,(\d+),[^;]*;(.*)$/.exec(record);
      return parts === null ? [] : [`[${(Number(parts[1]) / 1e6).toFixed(6).padStart(12)}] ${parts[2]}`];
    })
    .join("\n");
}
