import { appendFileSync, openSync } from "node:fs";
import { systemClock } from "../../src/clock.ts";
import { readBootIdentity } from "../../src/host/boot-identity.ts";
import { createHostPaths } from "../../src/host-paths.ts";
import { textOf } from "../../src/sources/kernel-log/record-parser.ts";
import { createKernelLogSource } from "../../src/sources/kernel-log.ts";

/**
 * Follows /dev/kmsg and writes each record of any facility with its resume point to a file, so that a test may
 * kill it at any moment: `node kernel-log-reader.ts FILE [RESUME_VALUE]`.
 */
const [file = "", resume] = process.argv.slice(2);
const journal = openSync(file, "a");
const paths = createHostPaths();
const source = createKernelLogSource({
  paths,
  clock: systemClock,
  bootIdentity: () => readBootIdentity({ paths, clock: systemClock }),
  seen(record) {
    const line = { sequence: record.sequence, text: textOf(record), resume: source.position()?.value };
    appendFileSync(journal, `${JSON.stringify(line)}\n`);
  },
});
await source.start(
  (observation) => {
    if (observation.kind === "gap") appendFileSync(journal, `${JSON.stringify({ gap: observation.lost })}\n`);
  },
  new Map(resume === undefined ? [] : [["kernel-log", resume]]),
);
appendFileSync(journal, `${JSON.stringify({ live: true })}\n`);
