import { createReadStream, mkdtempSync, openSync, readFileSync, readSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { systemClock } from "../../src/clock.ts";
import { createKernelTextFilter } from "../../src/daemon/kernel-text-filter.ts";
import { createMatcher } from "../../src/diagnosis/matcher.ts";
import { wallTime } from "../../src/host/boot-identity.ts";
import { bootId } from "../../src/model/identifiers.ts";
import { PIPELINE_DEFAULTS } from "../../src/pipeline/options.ts";
import { createPipeline } from "../../src/pipeline/pipeline.ts";
import { createKmsgParser } from "../../src/sources/kernel-log/record-parser.ts";
import { createRecordTeller } from "../../src/sources/kernel-log/record-teller.ts";
import { openStore } from "../../src/store/open.ts";
import { shippedCatalogue } from "./kernel-lines.ts";

/**
 * One run over a recorded kernel log, in a process of its own: `kernel-log-throughput.ts MODE FILE [EXPRESSIONS]`.
 * Prints JSON: seconds, lines, hits, stored hits. Modes: `service` is what the service
 * does with each record (parse, pre-filter, match, pipeline, store); `split` only finds the lines; `rules` tries the
 * regular expressions of the JSON file EXPRESSIONS on every line, one by one.
 */
const [mode = "service", file = "", expressions = ""] = process.argv.slice(2);

interface Run {
  readonly seconds: number;
  readonly lines: number;
  readonly hits: number;
  readonly stored?: number;
}

/** What a pipe gives at once. */
const PIECE = 64 * 1024;

/**
 * Processor time of the main thread, which is what a clock would show on a machine with nothing else to do. What is
 * loaded once and then serves for weeks is not counted.
 */
function stopwatch(): () => number {
  const nanoseconds = () => Number(readFileSync("/proc/thread-self/schedstat", "latin1").split(" ")[0]);
  const before = nanoseconds();
  return () => (nanoseconds() - before) / 1e9;
}

async function asTheService(): Promise<Run> {
  const directory = mkdtempSync(join(tmpdir(), "vfio-watch-bench-"));
  try {
    const opened = openStore({ path: join(directory, "history.db"), clock: systemClock });
    if (opened.state === "refused") throw new Error(opened.why);
    const { store } = opened;
    const boot = bootId("04e66956-15e4-4c43-b6e1-fe6d74abe0ee");
    store.boots.begin({ id: boot, startedAt: 0, lastSeenAt: 0, end: "unknown", origin: "live" });
    const catalogue = shippedCatalogue();
    const matcher = createMatcher(catalogue);
    const pipeline = createPipeline({
      clock: systemClock,
      store,
      matcher,
      signatures: () => undefined,
      bootId: boot,
      settings: PIPELINE_DEFAULTS,
      origin: "live",
      readHost: () => {
        throw new Error("no start was expected in this log");
      },
      takeSnapshot: () => undefined,
      onSettled: () => {},
      afterSettled: () => {},
      askState: () => {},
      onTrouble({ why }) {
        throw new Error(why);
      },
    });
    const bootWallMs = Date.now();
    let hits = 0;
    const teller = createRecordTeller({
      bootId: boot,
      timeOf: (monotonicUs) => ({ at: wallTime(monotonicUs, bootWallMs), exactTime: true }),
      tell(observation) {
        hits += 1;
        pipeline.observe(observation);
      },
      ...createKernelTextFilter(matcher),
    });
    const parser = createKmsgParser({ told: teller.take, leaving: teller.leave, unreadable: () => {} });
    const seconds = stopwatch();
    // In pieces and into the same memory, as the service reads a pipe and the device.
    const buffer = Buffer.allocUnsafeSlow(PIECE);
    const descriptor = openSync(file, "r");
    for (;;) {
      const length = readSync(descriptor, buffer);
      if (length === 0) break;
      parser.push(buffer.subarray(0, length));
      // The loop has to turn, or nothing would be stored before the end.
      await turn();
    }
    parser.flush();
    pipeline.flush();
    const took = seconds();
    const stored = store.sightings.list().reduce((sum, { count }) => sum + count, 0);
    store.close();
    return { seconds: took, lines: teller.taken(), hits, stored };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function eachLine(judge: (line: string) => boolean): Promise<Run> {
  const seconds = stopwatch();
  let lines = 0;
  let hits = 0;
  let rest = "";
  for await (const chunk of createReadStream(file, { encoding: "latin1" })) {
    const parts = (rest + String(chunk)).split("\n");
    rest = parts.pop() ?? "";
    for (const line of parts) if (judge(line)) hits += 1;
    lines += parts.length;
  }
  return { seconds: seconds(), lines, hits };
}

function asRules(): Promise<Run> {
  const rules = (JSON.parse(readFileSync(expressions, "utf8")) as string[]).map((rule) => new RegExp(rule));
  return eachLine((line) => {
    let hit = false;
    for (const rule of rules) if (rule.test(line)) hit = true;
    return hit;
  });
}

const run =
  mode === "service"
    ? await asTheService()
    : mode === "rules"
      ? await asRules()
      : await eachLine(() => false);
process.stdout.write(`${JSON.stringify(run)}\n`);
