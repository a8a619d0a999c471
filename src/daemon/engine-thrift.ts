import { setFlagsFromString } from "node:v8";
import type { Clock } from "../clock.ts";

/** So many lines are looked at together; asking for the time at each would cost more than the line. */
const LINES = 20_000;
/** That many in less time than this are a flood (ms): what is not optimized reads three times as many. */
const FLOOD_WITHIN = 200;

/**
 * Makes JavaScript's engine small, for a process that idles for weeks; to be called before anything else. V8's
 * optimizing compiler brings 8 MB of its own code into memory with the first function that it compiles, already
 * during the start, and what it wins there is nothing. And the space for young objects, which V8 doubles under load
 * up to 48 MB, is no better for being larger when little survives.
 */
export function makeEngineThrifty(setFlags: (flags: string) => void = setFlagsFromString): void {
  setFlags("--no-opt");
  setFlags("--semi-space-growth-factor=1");
  // Under load V8 lets the heap become several times what lives in it before it collects: a storm that keeps 30 MB
  // took 150.
  setFlags("--heap-growing-percent=20");
}

/** Lets V8 optimize while a flood lasts: then speed decides how much of the kernel's buffer is lost. */
export interface FloodGear {
  /** A line was read; cheap. */
  lineRead(): void;
  /** To be called now and then; takes the compiler out again once the flood is over. */
  look(): void;
}

/** Makes the gear of one run. */
export function createFloodGear(options: {
  readonly clock: Clock;
  readonly setFlags?: (flags: string) => void;
}): FloodGear {
  const { clock, setFlags = setFlagsFromString } = options;
  let lines = 0;
  let countedSince = clock.now();
  let floodAt: number | undefined;
  return {
    lineRead() {
      if (++lines < LINES) return;
      const now = clock.now();
      const isFlood = now - countedSince < FLOOD_WITHIN;
      lines = 0;
      countedSince = now;
      if (!isFlood) return;
      if (floodAt === undefined) setFlags("--opt");
      floodAt = now;
    },
    look() {
      if (floodAt === undefined || clock.now() - floodAt < FLOOD_WITHIN) return;
      floodAt = undefined;
      setFlags("--no-opt");
    },
  };
}
