import { openSync, writeSync } from "node:fs";
import { mixedTexts, shippedCatalogue } from "./kernel-lines.ts";

/**
 * Writes kernel records into the pipe that stands in for `/dev/kmsg` until it is killed, as fast as they are read:
 * `node flood-writer.ts PIPE FIRST_SEQUENCE`. A process of its own, because such a write waits for its reader.
 */
const [pipe = "", first = "0"] = process.argv.slice(2);
const descriptor = openSync(pipe, "w");
const texts = [...mixedTexts(shippedCatalogue(), 5_000)];
for (let sequence = Number(first); ; ) {
  const now = process.hrtime.bigint() / 1000n;
  let block = "";
  // No more than a pipe takes in one piece (PIPE_BUF), so that no reader sees half a record.
  while (block.length < 3_500) {
    block += `4,${sequence},${now},-;${texts[sequence % texts.length]}\n`;
    sequence += 1;
  }
  writeSync(descriptor, block, null, "latin1");
}
