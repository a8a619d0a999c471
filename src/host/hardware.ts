import { spawn } from "node:child_process";
import type { Clock } from "../clock.ts";
import { oneLine } from "../hostile-text.ts";
import { type Reading, read, unreadable } from "../model/reading.ts";
import type { HardwareReport } from "./hardware-child.ts";

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

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function textOf(value: unknown): string {
  return typeof value === "string" ? oneLine(value, 128) : "";
}

function numberOf(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) && value >= 0 ? value : undefined;
}
