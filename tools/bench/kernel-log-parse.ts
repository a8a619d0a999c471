import { parseArgs } from "node:util";
import { bootId } from "../../src/model/identifiers.ts";
import { readRecordedKernelLog } from "../../src/sources/kernel-log/recorded.ts";

/** Prints how fast a recorded kernel log is read: every record told, and none worth telling. */

const { values } = parseArgs({ options: { records: { type: "string", default: "1000000" } } });
const count = Number(values.records);
const lines: string[] = [];
for (let sequence = 0; sequence < count; sequence++) {
  lines.push(
    `6,${sequence},${sequence * 100},-;vfio-pci 0000:01:00.0: ordinary line number ${sequence} of about the usual length, as drivers write`,
  );
}
const bytes = Buffer.from(`${lines.join("\n")}\n`);
lines.length = 0;

for (const [name, filter] of [
  ["every record told", undefined],
  ["none worth telling", () => false],
] as const) {
  for (let round = 0; round < 3; round++) {
    const began = performance.now();
    let told = 0;
    for (const _ of readRecordedKernelLog(bytes, {
      bootId: bootId("04e66956-15e4-4c43-b6e1-fe6d74abe0ee"),
      bootWallMs: 0,
      ...(filter === undefined ? {} : { worthTelling: filter }),
    })) {
      told += 1;
    }
    const seconds = (performance.now() - began) / 1000;
    console.log(
      `${name}: ${told} told, ${(count / seconds / 1e6).toFixed(2)} M records/s, ${((seconds / count) * 1e9).toFixed(0)} ns each`,
    );
  }
}
