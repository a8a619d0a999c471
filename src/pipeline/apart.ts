import { StoreRefusal } from "../store/refusal.ts";
import type { PipelineOptions } from "./options.ts";

/** Runs one part that must not take the others along; undefined where it threw. */
export type Apart = <T>(doing: string, work: () => T) => T | undefined;

/** Makes it; what the disk refuses is no fault, and is thrown on, as everything is where nobody is told of faults. */
export function createApart(onFault: PipelineOptions["onFault"]): Apart {
  return (doing, work) => {
    try {
      return work();
    } catch (error) {
      if (onFault === undefined || error instanceof StoreRefusal) throw error;
      onFault(doing, error);
      return undefined;
    }
  };
}
