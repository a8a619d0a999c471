import type { DomainLogObservation } from "../sources/domain-logs-parser.ts";
import { COST_OF_A_RECORD } from "./limits.ts";

/** What a VM's log tells of one run: its start, what QEMU said, its end. */
export interface VmRun {
  readonly vm: string;
  /** UTC epoch milliseconds. */
  readonly at: number;
  /** What it takes of the room. */
  readonly size: number;
  readonly observations: readonly DomainLogObservation[];
  /** Lines of its middle that were not kept. */
  readonly passedOver: number;
}

/** Cuts what a VM's log tells into runs. */
export interface RunCutter {
  take(observation: DomainLogObservation): void;
  /** Gives the last run; where a hole follows, only as far as it is sure to be one. */
  end(beforeHole: boolean): void;
}

/** So many lines from the beginning of a run and from its end are more than a start keeps as evidence. */
const AT_EACH_END = 300;
/** The parser cuts texts here. */
const CUT_AT = 4096;

/**
 * Makes the cutter of one log. A start before a hole and an end after it are not of one run: `afterHole` passes over
 * what comes before the first start.
 */
export function createRunCutter(options: {
  readonly vm: string;
  readonly afterHole: boolean;
  readonly run: (run: VmRun) => void;
}): RunCutter {
  const { vm, run } = options;
  let isOpen = !options.afterHole;
  let first: DomainLogObservation[] = [];
  let last: DomainLogObservation[] = [];
  let passedOver = 0;

  function give(observations: readonly DomainLogObservation[]): void {
    const [beginning] = observations;
    if (beginning !== undefined)
      run({ vm, at: beginning.at, size: observations.reduce(addSize, 0), observations, passedOver });
    first = [];
    last = [];
    passedOver = 0;
  }

  return {
    take(observation) {
      if (observation.kind === "domain-log-start") {
        if (isOpen) give([...first, ...last]);
        isOpen = true;
      }
      if (!isOpen) return;
      (first.length < AT_EACH_END ? first : last).push(compact(observation));
      if (last.length < 2 * AT_EACH_END) return;
      const middle = last.splice(0, AT_EACH_END);
      // How a run ended is known only by this.
      const end = middle.findLast(({ kind }) => kind === "domain-log-end");
      if (end !== undefined) last.unshift(end);
      passedOver += middle.length - (end === undefined ? 0 : 1);
    },
    end(beforeHole) {
      const observations = [...first, ...last];
      const whole = observations.findLastIndex(({ kind }) => kind === "domain-log-end") + 1;
      give(beforeHole ? observations.slice(0, whole) : observations);
    },
  };
}

function addSize(sum: number, observation: DomainLogObservation): number {
  const said = observation.kind === "domain-log-line" ? observation.text.length : COST_OF_A_RECORD;
  return sum + said + COST_OF_A_RECORD;
}

/** Of a text that was cut V8 keeps the whole, unless it is copied. */
function compact(observation: DomainLogObservation): DomainLogObservation {
  return observation.kind === "domain-log-line" && observation.text.length >= CUT_AT
    ? { ...observation, text: Buffer.from(observation.text).toString("utf8") }
    : observation;
}
