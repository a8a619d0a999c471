import { makeSnapshot } from "../../src/facts/snapshot.ts";
import type { CauseClass } from "../../src/model/catalogue.ts";
import type { Fact, FactGroup } from "../../src/model/fact.ts";
import type { Origin } from "../../src/model/history.ts";
import { type Bdf, type BootId, bootId, signatureId, vmName } from "../../src/model/identifiers.ts";
import type { VmDefinition } from "../../src/model/virtual-machine.ts";
import type { SightingInput } from "../../src/store/record-stores.ts";
import type { Store } from "../../src/store/store.ts";
import { factValue } from "./facts.ts";

/** One boot of a made-up host with its starts, in their order. */
export interface MadeBoot {
  /** UUIDs of the VMs that are defined, by name. */
  readonly defined?: Readonly<Record<string, string>>;
  readonly facts: Facts;
  readonly starts: readonly MadeStart[];
  readonly origin?: Origin;
  /** What the clock says at its beginning; a day after the boot before it in the list where it is not given. */
  readonly at?: number;
  /** The boot's snapshot was not taken. */
  readonly withoutSnapshot?: boolean;
}

export type Facts = Readonly<Record<string, string>>;

export interface MadeStart {
  readonly vm?: string;
  /** Undefined: a good start. */
  readonly cause?: CauseClass;
  readonly refused?: boolean;
  readonly devices?: readonly string[];
  readonly times?: number;
  /** The host sleeps before it. */
  readonly afterSleep?: boolean;
}

export const DAY = 86_400_000;
export const BEGINNING = Date.UTC(2025, 7, 1, 18);
export const GPU_IDENTITY = "10de:2805/1462:5174";
export const AUDIO_IDENTITY = "10de:22bd/1462:5174";
export const GPU_ADDRESS = "0000:01:00.0";
const AUDIO_ADDRESS = "0000:01:00.1";
export const DIRECT: CauseClass = "iommu-direct-mapping-required";

/** A fact that is verifiably absent, among values. */
export const NONE = "(absent)";
/** A fact that could not be read. */
export const UNREADABLE = "(unreadable)";

/** The facts of the forum's host, as its collectors would write them, with what a scenario changes. */
export function hostFacts(changed: Facts = {}): Facts {
  return {
    "firmware.bios.version": "E7E49AMSI.1A63",
    "firmware.bios.date": "08/05/2025",
    "firmware.board.name": "MPG X870E CARBON WIFI (MS-7E49)",
    "firmware.secure-boot": "off",
    "firmware-tables.DMAR": NONE,
    "firmware-tables.IVRS.sha256": "aaaa",
    "firmware-tables.IVRS.ivmd.1":
      "IVMD type 21h, flags 03h (unity, read), device 0000:00:14.0, memory 0x1000-0x1fff",
    "iommu.units": "ivhd0",
    "iommu.interrupt-remapping": "on",
    [`iommu.group.${GPU_IDENTITY}.members`]: `${GPU_IDENTITY}, ${AUDIO_IDENTITY}`,
    [`iommu.group.${GPU_IDENTITY}.direct`]: NONE,
    [`iommu.group.${GPU_IDENTITY}.type`]: "identity",
    [`pci.${GPU_IDENTITY}.address`]: GPU_ADDRESS,
    [`pci.${GPU_IDENTITY}.name`]: "NVIDIA Corporation AD106 [GeForce RTX 4060 Ti 16GB]",
    [`pci.${GPU_IDENTITY}.class`]: "030000 graphics (VGA)",
    [`pci.${GPU_IDENTITY}.driver`]: "vfio-pci",
    [`pci.${AUDIO_IDENTITY}.address`]: AUDIO_ADDRESS,
    [`pci.${AUDIO_IDENTITY}.class`]: "040300 audio device",
    [`pci.${AUDIO_IDENTITY}.driver`]: "vfio-pci",
    "pci.144d:a80c/144d:a801.address": "0000:02:00.0",
    "pci.144d:a80c/144d:a801.driver": "nvme",
    "kernel.release": "6.12.54-Unraid",
    "kernel.parameter": "listed",
    "kernel.parameter.vfio-pci%2eids": "10de:2805,10de:22bd",
    "boot-loader": "listed",
    "boot-loader.running": "Limine",
    "vfio-setup.config": NONE,
    vm: "listed",
    "vm.Windows 11.machine": "pc-q35-9.2",
    "vm.Windows 11.devices": "0000:01:00.0 0000:01:00.1",
    "vm.Other.machine": "pc-q35-9.2",
    "software.os.name": "Unraid",
    "software.os.version": "7.2.3",
    "software.qemu": "9.2.0",
    ...changed,
  };
}

/** What the new BIOS brings: an entry for the GPU in front of the one that was there, and the region it makes. */
export const BIOS_A95: Facts = {
  "firmware.bios.version": "E7E49AMSI.1A95",
  "firmware.bios.date": "03/02/2026",
  "firmware-tables.IVRS.sha256": "bbbb",
  "firmware-tables.IVRS.ivmd.1":
    "IVMD type 22h, flags 08h (exclusion), devices 0000:00:00.0-0000:0f:1f.7, memory 0xa5a32000-0xa5a32fff",
  "firmware-tables.IVRS.ivmd.2":
    "IVMD type 21h, flags 03h (unity, read), device 0000:00:14.0, memory 0x1000-0x1fff",
  [`iommu.group.${GPU_IDENTITY}.direct`]: "0xa5a32000-0xa5a32fff",
};

export const good = (times = 1, extra: Partial<MadeStart> = {}): MadeStart => ({ times, ...extra });
export const bad = (times = 1, cause: CauseClass = DIRECT, extra: Partial<MadeStart> = {}): MadeStart => ({
  times,
  cause,
  ...extra,
});

/** Stores boots a day apart, each with its snapshot and starts. */
export function storeHistory(store: Store, boots: readonly MadeBoot[]): void {
  store.batched(() => {
    for (const [index, boot] of boots.entries()) storeBoot(store, boot, index);
  });
}

function storeBoot(store: Store, boot: MadeBoot, index: number): void {
  const { origin = "live" } = boot;
  const { at = BEGINNING + index * DAY } = boot;
  const id = bootId(`${String(index).padStart(8, "0")}-0000-4000-8000-000000000000`);
  const snapshot = makeSnapshot(factsOf(boot.facts));
  store.boots.begin({ id, startedAt: at, lastSeenAt: at + DAY / 2, end: "clean", origin });
  if (boot.withoutSnapshot !== true) {
    store.snapshots.save(snapshot);
    store.snapshots.link({ bootId: id, at, snapshotId: snapshot.id, reason: "service start" });
  }
  const defined = Object.entries(boot.defined ?? {}).map(([name, uuid]) => definedVm(name, uuid));
  if (defined.length > 0) store.vms.remember(defined, at);
  let minute = 0;
  for (const start of boot.starts) {
    for (let time = 0; time < (start.times ?? 1); time++) {
      minute += 1;
      if (start.afterSleep === true && time === 0)
        store.sightings.record(sleepAt(id, at + minute * 60_000 - 30_000));
      const openedAt = at + minute * 60_000;
      const { vm = "Windows 11", cause, refused = false } = start;
      const devices = (start.devices ?? [GPU_ADDRESS, AUDIO_ADDRESS]) as Bdf[];
      store.attempts.save(
        {
          id: `${vm}:${id}:${minute}`,
          vm: vmName(vm),
          bootId: id,
          openedAt,
          closedAt: openedAt + 5_000,
          outcome: refused ? "refused" : cause === undefined ? "started" : "failed",
          devices,
          groups: [14],
          evidence: [],
          ...(cause !== undefined && {
            diagnosis: {
              causes: [
                {
                  class: cause,
                  certainty: "certain" as const,
                  signature: signatureId("test.made"),
                  sentence: `It failed with ${cause}.`,
                  evidence: [],
                  devices,
                  groups: [14],
                },
              ],
              summary: `It failed with ${cause}.`,
              deviceRelated: true,
              noEffect: [],
            },
          }),
        },
        { origin, ...(boot.withoutSnapshot !== true && { snapshotId: snapshot.id }) },
      );
    }
  }
}

/** What the kernel says when the host goes to sleep and wakes up. */
function sleepAt(id: BootId, at: number): readonly SightingInput[] {
  const said = { bootId: id, source: "kernel-log", signature: signatureId("kernel.suspend") } as const;
  return [
    { ...said, text: "PM: suspend entry (deep)", at },
    { ...said, text: "PM: suspend exit", at: at + 10_000 },
  ];
}

function factsOf(facts: Facts): readonly Fact[] {
  return Object.entries(facts).map(([key, text]): Fact => {
    const group = (key.split(".")[0] ?? "software") as FactGroup;
    if (text === NONE) return { group, key, value: { state: "absent" } };
    if (text === UNREADABLE) return { group, key, value: { state: "unknown", why: "needs root" } };
    return { group, key, value: factValue(key, text) };
  });
}

/** The same boot several times. */
export function repeat(times: number, boot: MadeBoot): readonly MadeBoot[] {
  return Array.from({ length: times }, () => boot);
}

/** A definition with the GPU, as libvirt would tell it. */
export function definedVm(
  name: string,
  uuid: string,
  devices: readonly string[] = [GPU_ADDRESS],
): VmDefinition {
  return {
    name: vmName(name),
    uuid,
    machine: "pc-q35-9.2",
    firmware: "uefi",
    memoryKiB: 16 * 1024 * 1024,
    hugepages: false,
    hostDevices: devices.map((bdf) => ({ bdf: bdf as Bdf, managed: true })),
  };
}
