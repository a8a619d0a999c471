import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Evidence, Outcome, StartAttempt } from "../../src/model/attempt.ts";
import type { Signature } from "../../src/model/catalogue.ts";
import type { Fact, Snapshot } from "../../src/model/fact.ts";
import { type Bdf, bootId, signatureId, vmName } from "../../src/model/identifiers.ts";
import type { SignatureLookup } from "../../src/store/attempt-store.ts";
import { openStore } from "../../src/store/open.ts";
import type { Store } from "../../src/store/store.ts";

/** Wall time at which the samples begin. */
export const START = Date.UTC(2026, 0, 1);
export const GPU = "0000:01:00.0" as Bdf;
export const BOOT = bootId("11111111-1111-4111-8111-111111111111");

export const demandsMapping: Signature = {
  id: signatureId("kernel.direct-mapping"),
  class: "iommu-direct-mapping-required",
  layer: "kernel",
  role: "cause",
  severity: "fatal",
  pattern: "1:1",
  meaning: "The firmware wants memory of this device mapped one to one.",
  sentence: "The firmware wants memory of {device} mapped one to one.",
  remedies: [],
  examples: [],
};

/** A catalogue of one. */
export const signatures: SignatureLookup = (id) => (id === demandsMapping.id ? demandsMapping : undefined);

/** A directory that is gone after `use`. */
export async function withDirectory(use: (directory: string) => unknown): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "vfio-watch-store-"));
  try {
    await use(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** A clock that is set by hand. */
export function handClock(): { now(): number; at: number } {
  const clock = { at: START, now: () => clock.at };
  return clock;
}

/** Opens for writing, or fails the test with the reason. */
export function opened(path: string, options: { readOnly?: boolean; clock?: { now(): number } } = {}): Store {
  const result = openStore({
    path,
    clock: options.clock ?? handClock(),
    readOnly: options.readOnly ?? false,
  });
  if (result.state === "refused") throw new Error(`${result.reason}: ${result.why}`);
  return result.store;
}

/** A store in a directory of its own. */
export async function withStore(use: (store: Store, path: string) => unknown): Promise<void> {
  await withDirectory(async (directory) => {
    const path = join(directory, "history.sqlite");
    const store = opened(path);
    try {
      await use(store, path);
    } finally {
      store.close();
    }
  });
}

export function kernelLine(sequence: number, text: string, overrides: Partial<Evidence> = {}): Evidence {
  return {
    observation: {
      kind: "kernel-record",
      source: "kernel-log",
      at: START + sequence,
      exactTime: true,
      bootId: BOOT,
      monotonicUs: sequence * 1000,
      identity: `${BOOT}:${sequence}`,
      sequence,
      level: 4,
      text,
    },
    matches: [],
    count: 1,
    lastAt: START + sequence,
    ...overrides,
  };
}

/** A settled attempt; a failed one carries the 1:1 refusal. */
export function sampleAttempt(
  overrides: Partial<StartAttempt> & { id?: string; outcome?: Outcome | undefined } = {},
): StartAttempt {
  const outcome = "outcome" in overrides ? overrides.outcome : "failed";
  const failed = outcome !== undefined && outcome !== "started";
  const line = "vfio-pci 0000:01:00.0: Firmware has requested this device have a 1:1 IOMMU mapping";
  return {
    id: "attempt-1",
    vm: vmName("Windows 11"),
    bootId: BOOT,
    openedAt: START,
    closedAt: outcome === undefined ? undefined : START + 5000,
    devices: [GPU],
    groups: [14],
    evidence: [
      kernelLine(1, line, { matches: [{ signature: demandsMapping, captures: { bdf: GPU } }] }),
      kernelLine(2, "something beside it"),
    ],
    ...(failed
      ? {
          diagnosis: {
            causes: [
              {
                class: "iommu-direct-mapping-required",
                certainty: "certain",
                signature: demandsMapping.id,
                sentence: "The firmware demands a 1:1 mapping.",
                evidence: [line],
                devices: [GPU],
                groups: [14],
              },
            ],
            summary: "The firmware demands a 1:1 mapping.",
            deviceRelated: true,
            noEffect: [],
          },
        }
      : {}),
    ...overrides,
    outcome,
  };
}

export function fact(key: string, value: string, group: Fact["group"] = "firmware"): Fact {
  return { group, key, value: { state: "value", value } };
}

export function snapshot(id: string, facts: readonly Fact[]): Snapshot {
  return { id, facts };
}
