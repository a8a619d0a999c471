import type { Clock } from "../clock.ts";
import type { SignatureMatch } from "../model/catalogue.ts";
import type { HotPlug } from "../model/hot-plug.ts";
import { type Bdf, parseBdf, signatureId, type VmName } from "../model/identifiers.ts";
import type { KernelRecord, LibvirtdRecord, Observation, VmDeviceChange } from "../model/observation.ts";
import type { VmDefinition } from "../model/virtual-machine.ts";
import type { AttemptBook } from "./book.ts";
import { devicesOf } from "./definitions.ts";
import { isDeviceRefusal } from "./device-refusal.ts";
import { createHotPlugBook } from "./hot-plug-book.ts";
import { type Moments, type Said, unfinishedOf } from "./moments.ts";
import type { Pen } from "./pen.ts";
import type { Unfinished } from "./tracking.ts";
import type { Unclaimed } from "./unclaimed.ts";

/** What kernel, QEMU and libvirt say of one try is said within this time (ms). */
const ONE_TRY_MS = 2_000;
/** A guest that is asked for a device lets go of it within seconds, or not at all (ms). */
const RELEASE_MS = 15_000;
const RELEASE_ASKED = signatureId("kernel.release-asked");
const RELEASE_BLOCKED = signatureId("kernel.release-blocked");
/** libvirt's texts are translated, QEMU's commands are not (law 11). */
const DEVICE_ADD = /'device_add'/;

/** Devices that could not be plugged into or out of VMs that run; what is said of them is no sign of a start. */
export interface HotPlugs {
  /** True where the observation tells of one. */
  offer(said: Said, matches: readonly SignatureMatch[]): boolean;
  /** Nothing but the kernel tells of a refusal, and only VMs that run could have asked for the device. */
  refusedByKernel(
    record: Said<KernelRecord>,
    matches: readonly SignatureMatch[],
    vms: readonly VmName[],
  ): void;
  /** The observation is evidence of one. */
  tellsOf(observation: Observation): boolean;
  /** What is said of those of which more may be said. */
  unfinished(): readonly Unfinished[];
  /** How many observations have ever been kept for one. */
  kept(): number;
}

/** Makes the reader of failed hot-plugs; `settled` hears of each, and again when more is said of it. */
export function createHotPlugs(options: {
  readonly clock: Clock;
  readonly moments: Moments;
  readonly book: AttemptBook;
  readonly pen: Pen;
  readonly unclaimed: Unclaimed;
  readonly told: ReadonlySet<string>;
  readonly settled: (hotPlug: HotPlug) => void;
}): HotPlugs {
  const { clock, moments, book, pen, unclaimed } = options;
  const known = createHotPlugBook({
    clock,
    groups: pen.groups,
    told: options.told,
    settled: options.settled,
  });
  /** Questions of the host for a device that may still be answered. */
  const asked = new Map<string, Said<KernelRecord>>();
  let everAsked = 0;
  /** When each device was given back, or its VM ended, by the clock that nobody sets. */
  const releasedAt = new Map<Bdf, number>();

  /** The VMs that ran then and did not have the device: no other can have asked for it. */
  function candidates(device: Bdf | undefined, steady: number): readonly VmName[] {
    return book
      .runningAt(steady)
      .filter(({ vm, devices }) => {
        const has = device !== undefined && (devices.has(device) || hasNow(vm, device));
        return !has;
      })
      .map(({ vm }) => vm);
  }

  function hasNow(vm: VmName, device: Bdf): boolean {
    return devicesOf(pen.running.get(vm)).includes(device);
  }

  function concernsSame({ devices, groups }: HotPlug, device: Bdf): boolean {
    const group = pen.groups.get(device);
    return devices.includes(device) || (group !== undefined && groups.includes(group));
  }

  function fromLibvirt(record: Said<LibvirtdRecord>, matches: readonly SignatureMatch[]): boolean {
    if (record.level !== "error" || !DEVICE_ADD.test(record.text)) return false;
    const device = deviceIn(record.text, matches);
    // Disks, network cards and processors are plugged in too.
    if (device === undefined && !/\bvfio\b/i.test(record.text)) return false;
    const vms = record.vm === undefined ? candidates(device, record.steady) : [record.vm];
    const devices = device === undefined ? [] : [device];
    known.open(record, matches, { vms, action: "attach", outcome: "refused", devices });
    for (const waiting of unclaimed.take((said) => isReasonFor(said, device, record.steady)))
      offer(waiting.observation, waiting.matches);
    return true;
  }

  function isReasonFor(said: Said, device: Bdf | undefined, steady: number): boolean {
    if (said.kind !== "kernel-record" || Math.abs(said.steady - steady) > ONE_TRY_MS) return false;
    const named = said.device;
    if (named === undefined || device === undefined) return false;
    return named === device || pen.groups.get(named) === pen.groups.get(device);
  }

  function fromKernel(record: Said<KernelRecord>, matches: readonly SignatureMatch[]): boolean {
    const device = record.device ?? deviceIn(record.text, matches);
    if (device === undefined) return false;
    const asking = matches.find(({ signature: { id } }) => id === RELEASE_ASKED || id === RELEASE_BLOCKED);
    if (asking !== undefined)
      return released(record, matches, device, asking.signature.id === RELEASE_BLOCKED);
    if (!isDeviceRefusal(matches)) return false;
    const same = known.find(
      ({ value, steady }) =>
        value.action === "attach" &&
        Math.abs(steady - record.steady) <= ONE_TRY_MS &&
        concernsSame(value, device),
    );
    if (same === undefined) return false;
    known.join(same, record, matches);
    return true;
  }

  /** The host wants a device back that a VM has: `#0` is the question, `blocked` that somebody waits for the answer. */
  function released(
    record: Said<KernelRecord>,
    matches: readonly SignatureMatch[],
    device: Bdf,
    isBlocked: boolean,
  ): boolean {
    const holders = book
      .runningAt(record.steady)
      .filter(({ vm, devices }) => devices.has(device) || hasNow(vm, device));
    if (holders.length === 0) return false;
    if (joinHang(record, matches, device)) return true;
    const tell = () => {
      asked.delete(record.identity);
      const runs = new Set(book.runningAt(moments.now().steady).map(({ vm }) => vm));
      if (!isStillHeld(device, record.steady) || !holders.some(({ vm }) => runs.has(vm))) return;
      if (joinHang(record, matches, device)) return;
      const vms = holders.map(({ vm }) => vm);
      known.open(record, matches, { vms, action: "detach", outcome: "hangs", devices: [device] });
    };
    if (isBlocked) tell();
    else {
      asked.set(record.identity, record);
      everAsked += 1;
      const waited = Math.max(0, moments.now().steady - record.heard.steady);
      clock.after(Math.max(0, RELEASE_MS - waited), tell);
    }
    return true;
  }

  /** The kernel repeats itself while it waits. */
  function joinHang(record: Said<KernelRecord>, matches: readonly SignatureMatch[], device: Bdf): boolean {
    const same = known.find(
      ({ value, steady }) =>
        value.outcome === "hangs" && value.devices.includes(device) && isStillHeld(device, steady),
    );
    if (same === undefined) return false;
    known.join(same, record, matches);
    return true;
  }

  function isStillHeld(device: Bdf, since: number): boolean {
    return (releasedAt.get(device) ?? Number.NEGATIVE_INFINITY) < since - ONE_TRY_MS;
  }

  function fromGuest(change: Said<VmDeviceChange>): boolean {
    const before = pen.running.get(change.vm);
    const device = before?.hostDevices.find(({ alias }) => alias === change.alias)?.bdf;
    if (change.running !== undefined) {
      for (const gone of goneFrom(before, change.running)) releasedAt.set(gone, change.steady);
      pen.running.set(change.vm, change.running);
    }
    if (change.change !== "removal-failed" || device === undefined) return false;
    known.open(change, [], { vms: [change.vm], action: "detach", outcome: "refused", devices: [device] });
    return true;
  }

  function offer(said: Said, matches: readonly SignatureMatch[]): boolean {
    switch (said.kind) {
      case "libvirtd-record":
        return fromLibvirt(said, matches);
      case "kernel-record":
        return fromKernel(said, matches);
      case "vm-device":
        return fromGuest(said);
      case "vm-lifecycle":
        if (said.event === "stopped")
          for (const device of devicesOf(pen.running.get(said.vm))) releasedAt.set(device, said.steady);
        return false;
      default:
        return false;
    }
  }

  return {
    offer,
    refusedByKernel(record, matches, vms) {
      const devices = record.device === undefined ? [] : [record.device];
      known.open(record, matches, { vms, action: "attach", outcome: "refused", devices });
    },
    unfinished: () => [...known.unfinished(), ...[...asked.values()].map(unfinishedOf)],
    kept: () => everAsked + known.kept(),
    tellsOf: known.tellsOf,
  };
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
