import { spawn } from "node:child_process";
import type { Clock } from "../clock.ts";
import type { Fact } from "../model/fact.ts";
import { type Reading, read, unreadable } from "../model/reading.ts";
import type { HardwareReport } from "./hardware-child.ts";
import { oneLine, unknownFact, valueFact } from "./make-fact.ts";

const OUTPUT_LIMIT = 1024 * 1024;
const MODULES_LIMIT = 256;

/**
 * Asks a short-lived child for CPU, board and memory modules; to be done once a boot. `command` is the program and
 * its arguments, e.g. `[process.execPath, process.argv[1], "hardware-child"]`. A child that fails, talks nonsense
 * or takes longer than `limit` milliseconds gives an unreadable reading; it never rejects.
 */
export function readHardware(options: {
  readonly command: readonly string[];
  readonly clock: Clock;
  readonly limit?: number;
}): Promise<Reading<HardwareReport>> {
  const limit = options.limit ?? 30_000;
  const [program, ...arguments_] = options.command;
  if (program === undefined) return Promise.resolve(unreadable("no command given for the hardware child"));
  return new Promise((resolve) => {
    // A process group of its own, so that the shells it starts go with it when time is up.
    const child = spawn(program, arguments_, { stdio: ["ignore", "pipe", "ignore"], detached: true });
    const chunks: Buffer[] = [];
    let length = 0;
    let settled = false;
    const settle = (reading: Reading<HardwareReport>) => {
      if (settled) return;
      settled = true;
      cancel();
      resolve(reading);
    };
    const stop = (why: string) => {
      if (child.pid !== undefined) {
        try {
          process.kill(-child.pid, "SIGKILL");
        } catch {
          // It ended by itself meanwhile.
        }
      }
      settle(unreadable(why));
    };
    const cancel = options.clock.after(limit, () =>
      stop(`the hardware child took more than ${limit / 1000} s`),
    );
    child.on("error", (error) => settle(unreadable(`the hardware child did not start: ${error.message}`)));
    child.stdout.on("data", (chunk: Buffer) => {
      length += chunk.length;
      if (length > OUTPUT_LIMIT) stop("the hardware child said more than a megabyte");
      else chunks.push(chunk);
    });
    child.on("close", (code) => {
      if (code === 0) settle(parseHardwareReport(Buffer.concat(chunks).toString("utf8")));
      else settle(unreadable(`the hardware child ended with ${code ?? "a signal"}`));
    });
  });
}

/** Checks what a child printed; anything of another shape is unreadable. */
export function parseHardwareReport(text: string): Reading<HardwareReport> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return unreadable("the hardware child printed no JSON");
  }
  if (!isRecord(value) || !isRecord(value.cpu) || !isRecord(value.board) || !Array.isArray(value.memory)) {
    return unreadable("the hardware child printed something else than a report");
  }
  return read({
    cpu: {
      name: textOf(value.cpu.name),
      cores: numberOf(value.cpu.cores) ?? 0,
      threads: numberOf(value.cpu.threads) ?? 0,
      virtualization: value.cpu.virtualization === true,
    },
    board: {
      manufacturer: textOf(value.board.manufacturer),
      model: textOf(value.board.model),
      version: textOf(value.board.version),
    },
    memory: value.memory
      .filter(isRecord)
      .slice(0, MODULES_LIMIT)
      .map((module) => ({
        slot: textOf(module.slot),
        size: numberOf(module.size) ?? 0,
        type: textOf(module.type),
        manufacturer: textOf(module.manufacturer),
        part: textOf(module.part),
        speed: numberOf(module.speed),
      })),
  });
}

/** CPU, board and one fact a memory slot that is in use. */
export function hardwareFacts(report: Reading<HardwareReport>): readonly Fact[] {
  if (report.state !== "read") {
    const why = report.state === "absent" ? "not asked for in this boot" : report.why;
    return [unknownFact("hardware", "hardware", why)];
  }
  const { cpu, board, memory } = report.value;
  const listed = memory.some((module) => module.type !== "" || module.part !== "");
  const facts: Fact[] = [
    listed
      ? valueFact("hardware", "hardware.memory", "listed")
      : unknownFact("hardware", "hardware.memory", "the firmware's list of modules could not be read"),
  ];
  const add = (key: string, value: string) => {
    facts.push(
      value.trim() === ""
        ? unknownFact("hardware", key, "not shown by the firmware")
        : valueFact("hardware", key, value),
    );
  };
  add("hardware.cpu.name", cpu.name);
  add("hardware.cpu.cores", cpu.cores > 0 ? `${cpu.cores} cores, ${cpu.threads} threads` : "");
  add("hardware.cpu.virtualization", cpu.virtualization ? "yes" : "no");
  add(
    "hardware.board",
    [board.manufacturer, board.model, board.version].filter((part) => part !== "").join(" "),
  );
  const seen = new Map<string, number>();
  for (const module of memory) {
    // Without dmidecode the package reports all memory as one module of which it knows nothing else.
    if (module.size <= 0 || (module.type === "" && module.part === "")) continue;
    // Some boards name all slots alike.
    const count = (seen.get(module.slot) ?? 0) + 1;
    seen.set(module.slot, count);
    const slot = `${module.slot.replaceAll(".", "-") || "slot"}${count > 1 ? `#${count}` : ""}`;
    const words = [
      `${Math.round(module.size / 2 ** 20 / 1024)} GiB`,
      module.type,
      module.manufacturer,
      module.part,
      module.speed === undefined || module.speed === 0 ? "" : `at ${module.speed} MT/s`,
    ];
    add(`hardware.memory.${slot}`, words.filter((word) => word !== "").join(" "));
  }
  return facts;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function textOf(value: unknown): string {
  return typeof value === "string" ? oneLine(value, 128) : "";
}

function numberOf(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) && value >= 0 ? value : undefined;
}
