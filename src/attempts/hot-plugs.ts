import type { Clock } from "../clock.ts";
import type { SignatureMatch } from "../model/catalogue.ts";
import type { HotPlug } from "../model/hot-plug.ts";
import { type Bdf, parseBdf, signatureId, type VmName } from "../model/identifiers.ts";
import type { KernelRecord, LibvirtdRecord, Observation, VmDeviceChange } from "../model/observation.ts";
import type { VmDefinition } from "../model/virtual-machine.ts";
import type { AttemptBook } from "./book.ts";
import { devicesOf } from "./definitions.ts";
import { isDeviceRefusal } from "./device-refusal.ts";
import type { Pen } from "./pen.ts";
import type { Unclaimed } from "./unclaimed.ts";

/** What kernel, QEMU and libvirt say of one try is said within this time (ms). */
const ONE_TRY_MS = 2_000;
/** The kernel's reason may be read a while after libvirt's error, from another log (ms). */
const QUIET_MS = 500;
/** A guest that is asked for a device lets go of it within seconds, or not at all (ms). */
const RELEASE_MS = 15_000;
/** So many are remembered for late pieces. */
const KEPT = 50;
const RELEASE_ASKED = signatureId("kernel.release-asked");
const RELEASE_BLOCKED = signatureId("kernel.release-blocked");
/** libvirt's texts are translated, QEMU's commands are not (law 11). */
const DEVICE_ADD = /'device_add'/;

/** Devices that could not be plugged into or out of VMs that run; what is said of them is no sign of a start. */
export interface HotPlugs {
  /** True where the observation tells of one. `arrivedAt`: when it was observed first, maybe by an earlier run. */
  offer(observation: Observation, matches: readonly SignatureMatch[], arrivedAt: number): boolean;
  /** Nothing but the kernel tells of a refusal, and only VMs that run could have asked for the device. */
  refusedByKernel(record: KernelRecord, matches: readonly SignatureMatch[], vms: readonly VmName[]): void;
  /** The observation is evidence of one. */
  tellsOf(observation: Observation): boolean;
  /** What is said of those that are not settled yet. */
  unfinished(): readonly { readonly observation: Observation; readonly arrivedAt: number }[];
  /** How many observations have ever been kept for one. */
  kept(): number;
}

interface WorkingHotPlug {
  value: HotPlug;
  isSettled: boolean;
  cancel: () => void;
}

/** Makes the reader of failed hot-plugs; `settled` hears of each, and again when more is said of it. */
export function createHotPlugs(options: {
  readonly clock: Clock;
  readonly book: AttemptBook;
  readonly pen: Pen;
  readonly unclaimed: Unclaimed;
  readonly settled: (hotPlug: HotPlug) => void;
}): HotPlugs {
  const { clock, book, pen, unclaimed } = options;
  let known: WorkingHotPlug[] = [];
  /** Questions of the host for a device that may still be answered. */
  const asked = new Map<string, { readonly observation: KernelRecord; readonly arrivedAt: number }>();
  let kept = 0;
  /** When each device was given back, or its VM ended. */
  const releasedAt = new Map<Bdf, number>();

  function settleSoon(entry: WorkingHotPlug): void {
    entry.cancel();
    entry.isSettled = false;
    kept += 1;
    entry.cancel = clock.after(QUIET_MS, () => {
      entry.isSettled = true;
      options.settled(entry.value);
    });
  }

  function begin(value: HotPlug): void {
    if (known.some((entry) => entry.value.id === value.id)) return;
    const entry: WorkingHotPlug = { value, isSettled: false, cancel: () => {} };
    known = [...known, entry].slice(-KEPT);
    settleSoon(entry);
  }

  function open(
    observation: Observation,
    matches: readonly SignatureMatch[],
    what: Pick<HotPlug, "vms" | "action" | "outcome" | "devices">,
  ): void {
    begin({
      id: `${observation.bootId ?? "unknown-boot"}/${what.action}/${observation.source}/${observation.identity}`,
      bootId: observation.bootId,
      at: observation.at,
      ...what,
      groups: groupsOf(what.devices),
      evidence: [{ observation, matches, count: 1, lastAt: observation.at }],
    });
  }

  function groupsOf(devices: readonly Bdf[]): readonly number[] {
    return [...new Set(devices.flatMap((device) => pen.groups.get(device) ?? []))];
  }

  function join(entry: WorkingHotPlug, observation: Observation, matches: readonly SignatureMatch[]): void {
    const { value } = entry;
    const evidence = [...value.evidence, { observation, matches, count: 1, lastAt: observation.at }];
    evidence.sort((a, b) => a.observation.at - b.observation.at);
    entry.value = { ...value, evidence };
    settleSoon(entry);
  }

  /** The VMs that ran then and did not have the device: no other can have asked for it. */
  function candidates(device: Bdf | undefined, at: number): readonly VmName[] {
    return [...book.runningAt(at)]
      .filter(({ vm, devices }) => {
        const has = device !== undefined && (devices.has(device) || hasNow(vm, device));
        return !has;
      })
      .map(({ vm }) => vm);
  }

  function hasNow(vm: VmName, device: Bdf): boolean {
    return devicesOf(pen.running.get(vm)).includes(device);
  }

  function concernsSame(value: HotPlug, device: Bdf): boolean {
    const group = pen.groups.get(device);
    return value.devices.includes(device) || (group !== undefined && value.groups.includes(group));
  }

  function fromLibvirt(record: LibvirtdRecord, matches: readonly SignatureMatch[]): boolean {
    if (record.level !== "error" || !DEVICE_ADD.test(record.text)) return false;
    const device = deviceIn(record.text, matches);
    // Disks, network cards and processors are plugged in too.
    if (device === undefined && !/\bvfio\b/i.test(record.text)) return false;
    const vms = record.vm === undefined ? candidates(device, record.at) : [record.vm];
    const devices = device === undefined ? [] : [device];
    open(record, matches, { vms, action: "attach", outcome: "refused", devices });
    for (const waiting of unclaimed.take((said) => isReasonFor(said, device, record.at)))
      offer(waiting.observation, waiting.matches, clock.now());
    return true;
  }

  function isReasonFor(said: Observation, device: Bdf | undefined, at: number): boolean {
    if (said.kind !== "kernel-record" || Math.abs(said.at - at) > ONE_TRY_MS) return false;
    const named = said.device;
    if (named === undefined || device === undefined) return false;
    return named === device || pen.groups.get(named) === pen.groups.get(device);
  }

  function fromKernel(record: KernelRecord, matches: readonly SignatureMatch[], arrivedAt: number): boolean {
    const device = record.device ?? deviceIn(record.text, matches);
    if (device === undefined) return false;
    const asking = matches.find(({ signature: { id } }) => id === RELEASE_ASKED || id === RELEASE_BLOCKED);
    if (asking !== undefined)
      return released(record, matches, device, asking.signature.id === RELEASE_BLOCKED, arrivedAt);
    if (!isDeviceRefusal(matches)) return false;
    const same = known.find(
      ({ value }) =>
        value.action === "attach" &&
        Math.abs(value.at - record.at) <= ONE_TRY_MS &&
        concernsSame(value, device),
    );
    if (same === undefined) return false;
    if (!hasEvidence(same.value, record)) join(same, record, matches);
    return true;
  }

  /** The host wants a device back that a VM has: `#0` is the question, `blocked` that somebody waits for the answer. */
  function released(
    record: KernelRecord,
    matches: readonly SignatureMatch[],
    device: Bdf,
    isBlocked: boolean,
    arrivedAt: number,
  ): boolean {
    const holders = [...book.runningAt(record.at)].filter(
      ({ vm, devices }) => devices.has(device) || hasNow(vm, device),
    );
    if (holders.length === 0) return false;
    if (joinHang(record, matches, device)) return true;
    const tell = () => {
      asked.delete(record.identity);
      const runs = new Set([...book.runningAt(clock.now())].map(({ vm }) => vm));
      if (!isStillHeld(device, record.at) || !holders.some(({ vm }) => runs.has(vm))) return;
      if (joinHang(record, matches, device)) return;
      const vms = holders.map(({ vm }) => vm);
      open(record, matches, { vms, action: "detach", outcome: "hangs", devices: [device] });
    };
    if (isBlocked) tell();
    else {
      asked.set(record.identity, { observation: record, arrivedAt });
      kept += 1;
      clock.after(Math.max(0, RELEASE_MS - Math.max(0, clock.now() - arrivedAt)), tell);
    }
    return true;
  }

  /** The kernel repeats itself while it waits. */
  function joinHang(record: KernelRecord, matches: readonly SignatureMatch[], device: Bdf): boolean {
    const same = known.find(
      ({ value }) =>
        value.outcome === "hangs" && value.devices.includes(device) && isStillHeld(device, value.at),
    );
    if (same === undefined) return false;
    if (!hasEvidence(same.value, record)) join(same, record, matches);
    return true;
  }

  function isStillHeld(device: Bdf, since: number): boolean {
    return (releasedAt.get(device) ?? Number.NEGATIVE_INFINITY) < since - ONE_TRY_MS;
  }

  function fromGuest(change: VmDeviceChange): boolean {
    const before = pen.running.get(change.vm);
    const device = before?.hostDevices.find(({ alias }) => alias === change.alias)?.bdf;
    if (change.running !== undefined) {
      for (const gone of goneFrom(before, change.running)) releasedAt.set(gone, change.at);
      pen.running.set(change.vm, change.running);
    }
    if (change.change !== "removal-failed" || device === undefined) return false;
    open(change, [], { vms: [change.vm], action: "detach", outcome: "refused", devices: [device] });
    return true;
  }

  function offer(observation: Observation, matches: readonly SignatureMatch[], arrivedAt: number): boolean {
    switch (observation.kind) {
      case "libvirtd-record":
        return fromLibvirt(observation, matches);
      case "kernel-record":
        return fromKernel(observation, matches, arrivedAt);
      case "vm-device":
        return fromGuest(observation);
      case "vm-lifecycle":
        if (observation.event === "stopped")
          for (const device of devicesOf(pen.running.get(observation.vm)))
            releasedAt.set(device, observation.at);
        return false;
      default:
        return false;
    }
  }

  return {
    offer,
    refusedByKernel(record, matches, vms) {
      const devices = record.device === undefined ? [] : [record.device];
      open(record, matches, { vms, action: "attach", outcome: "refused", devices });
    },
    unfinished: () => [
      ...known
        .filter(({ isSettled }) => !isSettled)
        .flatMap(({ value }) =>
          value.evidence.map(({ observation }) => ({ observation, arrivedAt: observation.at })),
        ),
      ...asked.values(),
    ],
    kept: () => kept,
    tellsOf: (observation) => known.some(({ value }) => hasEvidence(value, observation)),
  };
}

function hasEvidence({ evidence }: HotPlug, { source, identity }: Observation): boolean {
  return evidence.some(
    ({ observation }) => observation.source === source && observation.identity === identity,
  );
}

function deviceIn(text: string, matches: readonly SignatureMatch[]): Bdf | undefined {
  for (const { captures } of matches) {
    const device = parseBdf(captures.bdf ?? "");
    if (device !== undefined) return device;
  }
  return parseBdf(/\b[0-9a-f]{4,8}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]\b/i.exec(text)?.[0] ?? "");
}

function goneFrom(before: VmDefinition | undefined, now: VmDefinition): readonly Bdf[] {
  const left = new Set(devicesOf(now));
  return devicesOf(before).filter((device) => !left.has(device));
}
