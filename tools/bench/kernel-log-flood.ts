import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { systemClock } from "../../src/clock.ts";
import { readBootIdentity } from "../../src/host/boot-identity.ts";
import { createHostPaths } from "../../src/host-paths.ts";
import { textOf } from "../../src/sources/kernel-log/record-parser.ts";
import { createKernelLogSource } from "../../src/sources/kernel-log.ts";

/**
 * Floods /dev/kmsg (needs root) and prints how many records were seen, how many told as lost, and the time from
 * a record's writing to its arrival; then the processor time and the memory of the source at rest.
 * `--records` at full speed, or `--per-second` of them; `--idle` seconds of rest. `--json`: the counts as JSON.
 */
const { values } = parseArgs({
  options: {
    records: { type: "string", default: "200000" },
    "per-second": { type: "string" },
    idle: { type: "string", default: "20" },
    json: { type: "boolean", default: false },
  },
});
const written = Number(values.records);
const perSecond = values["per-second"];
const marker = `kernel-log-flood-${process.pid}`;
const paths = createHostPaths();
const latencies = new Float64Array(written);
let seen = 0;
let repeated = 0;
let newest = -1;
let ended = () => {};
const end = new Promise<void>((resolve) => {
  ended = resolve;
});

const source = createKernelLogSource({
  paths,
  clock: systemClock,
  bootIdentity: () => readBootIdentity({ paths, clock: systemClock }),
  seen(record) {
    const text = textOf(record);
    if (!text.startsWith(marker)) return;
    const [, number = "", time = ""] = text.split(" ");
    if (number === "end") return ended();
    if (Number(number) <= newest) repeated += 1;
    newest = Number(number);
    latencies[seen++] = performance.timeOrigin + performance.now() - Number(time) / 1000;
  },
});
await source.start(() => {}, new Map());
const lostBefore = source.health().lost;
const cpuBefore = process.cpuUsage();

const writer = join(import.meta.dirname, "../../test/sources/kernel-log-writer.ts");
const began = performance.now();
const child = spawn(
  process.execPath,
  [writer, marker, String(written), ...(perSecond === undefined ? [] : [perSecond])],
  { stdio: "inherit" },
);
await new Promise((resolve) => child.on("close", resolve));
const seconds = (performance.now() - began) / 1000;
writeFileSync("/dev/kmsg", `<6>${marker} end\n`);
await end;

const lost = source.health().lost - lostBefore;
const cpu = process.cpuUsage(cpuBefore);
const sorted = latencies.subarray(0, seen).sort();
const percentile = (share: number) => sorted[Math.floor((seen - 1) * share)] ?? Number.NaN;
const processorSeconds = (cpu.user + cpu.system) / 1e6;
if (values.json) {
  const delays = { p50: percentile(0.5), p99: percentile(0.99), worst: percentile(1) };
  console.log(JSON.stringify({ written, seconds, seen, lost, repeated, delays, processorSeconds }));
} else {
  const [p50, p99, worst] = [0.5, 0.99, 1].map((share) => percentile(share).toFixed(2));
  console.log(`written ${written} (${Math.round(written / seconds)} a second)`);
  console.log(
    `seen ${seen}, told as lost ${lost}, repeated ${repeated}, unaccounted ${written - seen - lost}`,
  );
  console.log(`record to source: p50 ${p50} ms, p99 ${p99} ms, max ${worst} ms`);
  console.log(`processor time of the source: ${processorSeconds.toFixed(2)} s`);
}

if (Number(values.idle) > 0) {
  const before = process.cpuUsage();
  await sleep(Number(values.idle) * 1000);
  const idle = process.cpuUsage(before);
  const share = ((idle.user + idle.system) / 1e4 / Number(values.idle)).toFixed(4);
  const status = readFileSync("/proc/self/status", "latin1");
  const memory = (name: string) => {
    const kilobytes = Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1]);
    return (kilobytes / 1024).toFixed(1);
  };
  console.log(`at rest: ${share} % of a core over ${values.idle} s`);
  console.log(`memory: RSS ${memory("VmRSS")} MB, private ${memory("RssAnon")} MB`);
}
await source.stop();
