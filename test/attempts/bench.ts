import assert from "node:assert/strict";
import { type AttemptTracker, createAttemptTracker } from "../../src/attempts/tracker.ts";
import { createVirtualClock, type VirtualClock } from "../../src/clock.ts";
import type { StartAttempt } from "../../src/model/attempt.ts";
import type { Signature, SignatureMatch } from "../../src/model/catalogue.ts";
import type { HotPlug } from "../../src/model/hot-plug.ts";
import { type Bdf, bootId, parseBdf, signatureId, vmName } from "../../src/model/identifiers.ts";
import type {
  DomainLogStart,
  LibvirtdRecord,
  Observation,
  VmLifecycle,
} from "../../src/model/observation.ts";
import type { VmDefinition } from "../../src/model/virtual-machine.ts";

export const T0 = Date.UTC(2026, 0, 21, 12, 0, 0);
export const GPU = bdf("0000:01:00.0");
export const AUDIO = bdf("0000:01:00.1");
export const NIC = bdf("0000:04:00.0");
export const SETTINGS = { settlingMs: 60_000, crashedEarlyMs: 300_000, quietMs: 150 };

export function bdf(text: string): Bdf {
  const parsed = parseBdf(text);
  assert.ok(parsed);
  return parsed;
}

const refusal: Signature = {
  id: signatureId("test.direct-mapping"),
  class: "iommu-direct-mapping-required",
  layer: "kernel",
  role: "cause",
  severity: "fatal",
  pattern: "1:1",
  meaning: "",
  sentence: "",
  remedies: [],
  examples: [],
};
export const REFUSAL: readonly SignatureMatch[] = [{ signature: refusal, captures: {} }];

let counter = 0;
export function base(at: number) {
  counter += 1;
  return { at: T0 + at, exactTime: true, bootId: bootId("boot-1"), identity: `i${counter}` };
}
export const logStart = (vm: string, at: number, devices: readonly Bdf[] = []): DomainLogStart => ({
  ...base(at),
  kind: "domain-log-start",
  source: "domain-logs",
  vm: vmName(vm),
  devices,
  isWhole: true,
});
export const logLine = (vm: string, at: number, text: string): Observation => ({
  ...base(at),
  kind: "domain-log-line",
  source: "domain-logs",
  vm: vmName(vm),
  text,
});
export const logEnd = (vm: string, at: number, reason: string): Observation => ({
  ...base(at),
  kind: "domain-log-end",
  source: "domain-logs",
  vm: vmName(vm),
  reason,
});
export const controlError = (vm: string, at: number): Observation => ({
  ...base(at),
  kind: "vm-control-error",
  source: "libvirt",
  vm: vmName(vm),
});
export const lifecycle = (
  vm: string,
  at: number,
  event: VmLifecycle["event"],
  detail: string,
): VmLifecycle => ({
  ...base(at),
  kind: "vm-lifecycle",
  source: "libvirt",
  vm: vmName(vm),
  event,
  detail,
});
export const stateFailed = (vm: string, at: number): Observation => ({
  ...base(at),
  kind: "vm-state",
  source: "libvirt",
  vm: vmName(vm),
  state: { state: "shutoff", reason: "failed" },
});
export const kernel = (at: number, device: Bdf, text = "wants a 1:1 mapping"): Observation => ({
  ...base(at),
  kind: "kernel-record",
  source: "kernel-log",
  sequence: counter,
  level: 4,
  text,
  device,
});
export const libvirtd = (at: number, text: string): LibvirtdRecord => ({
  ...base(at),
  kind: "libvirtd-record",
  source: "libvirtd-log",
  level: "error",
  text,
});

export function definition(name: string, devices: readonly Bdf[]): VmDefinition {
  return {
    name: vmName(name),
    uuid: name,
    machine: "q35",
    firmware: "uefi",
    memoryKiB: 1,
    hugepages: false,
    hostDevices: devices.map((device) => ({ bdf: device, managed: true })),
  };
}

export interface Bench {
  readonly tracker: AttemptTracker;
  readonly clock: VirtualClock;
  readonly told: StartAttempt[];
  /** The last announcement of each attempt. */
  outcomes(): readonly StartAttempt[];
  /** The last announcement of each. */
  hotPlugs(): readonly HotPlug[];
  /** How often the states of the VMs were asked for. */
  asked(): number;
  feed(observation: Observation, matches?: readonly SignatureMatch[]): void;
}

/** How the starts ended, in the order in which they began. */
export const outcomesOf = ({ outcomes }: Bench) =>
  outcomes()
    .toSorted((a, b) => a.openedAt - b.openedAt)
    .map(({ outcome }) => outcome);

export function bench(
  options: {
    released?: boolean;
    stored?: readonly StartAttempt[];
    others?: readonly VmDefinition[];
    settlingMs?: number;
  } = {},
): Bench {
  const clock = createVirtualClock(T0);
  const told: StartAttempt[] = [];
  const hotPlugs = new Map<string, HotPlug>();
  let asked = 0;
  const tracker = createAttemptTracker({
    clock,
    settings: { ...SETTINGS, settlingMs: options.settlingMs ?? SETTINGS.settlingMs },
    stored: options.stored ?? [],
    events: {
      changed: () => {},
      settled: (attempt) => told.push(attempt),
      hotPlug: (hotPlug) => hotPlugs.set(hotPlug.id, hotPlug),
      unexplainedError: () => {
        asked += 1;
      },
    },
  });
  tracker.observe(
    {
      ...base(-1000),
      kind: "vm-inventory",
      source: "libvirt",
      vms: [
        {
          definition: definition("Windows 11", [GPU, AUDIO]),
          state: { state: "shutoff", reason: "unknown" },
        },
        { definition: definition("ubuntu", [NIC]), state: { state: "shutoff", reason: "unknown" } },
        ...[definition("plain", []), ...(options.others ?? [])].map((other) => ({
          definition: other,
          state: { state: "shutoff", reason: "unknown" } as const,
        })),
      ],
    },
    [],
  );
  tracker.learnGroups(
    new Map([
      [GPU, 14],
      [AUDIO, 14],
      [NIC, 20],
    ]),
  );
  if (options.released !== false) tracker.release();
  return {
    tracker,
    clock,
    told,
    outcomes: () => [...new Map(told.map((attempt) => [attempt.id, attempt])).values()],
    hotPlugs: () => [...hotPlugs.values()],
    asked: () => asked,
    feed(observation, matches = observation.kind === "kernel-record" ? REFUSAL : []) {
      clock.moveTo(Math.max(clock.now(), observation.at));
      tracker.observe(observation, matches);
    },
  };
}
