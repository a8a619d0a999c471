/** Runs one piece of work at a time, and once more when it was asked for meanwhile. */
export interface DrainLoop {
  /** Asks for a run; asking several times during a run makes one more. */
  wake(): void;
  /** Asks for a run and resolves once it, or the one that covers it, has ended. */
  run(): Promise<void>;
  /** Resolves once nothing runs any more. */
  idle(): Promise<void>;
}

/** Makes a loop around `work`, which must not reject. */
export function createDrainLoop(work: () => Promise<void>): DrainLoop {
  let running: Promise<void> | undefined;
  let again = false;

  async function repeat(): Promise<void> {
    do {
      again = false;
      await work();
    } while (again);
    running = undefined;
  }

  function run(): Promise<void> {
    again = true;
    running ??= Promise.resolve().then(repeat);
    return running;
  }

  return {
    wake: () => void run(),
    run,
    idle: () => running ?? Promise.resolve(),
  };
}
