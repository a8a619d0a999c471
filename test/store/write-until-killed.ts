import { vmName } from "../../src/model/identifiers.ts";
import { openStore } from "../../src/store/open.ts";
import { kernelLine, sampleAttempt } from "./samples.ts";

/**
 * Writes attempts until somebody kills it: `write-until-killed.ts DATABASE FIRST`. Prints the number of each
 * attempt once the store has said that it is on the disk.
 */
const [path = "", first = "0"] = process.argv.slice(2);
const result = openStore({ path, clock: { now: () => Date.now() } });
if (result.state === "refused") {
  process.stdout.write(`refused ${result.reason} ${result.why}\n`);
  process.exit(1);
}
const { store } = result;
for (let index = Number(first); ; index++) {
  const lines = Array.from({ length: 20 }, (_, line) => kernelLine(line, `line ${line} of ${index}`));
  store.batched(() => store.resumePoints.save([{ key: "kernel-log", value: `${index}` }]));
  store.attempts.save(
    sampleAttempt({ id: `attempt-${index}`, vm: vmName(`vm-${index % 3}`), evidence: lines }),
    {
      origin: "live",
    },
  );
  process.stdout.write(`${index}\n`);
}
