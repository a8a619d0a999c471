import { createHash } from "node:crypto";
import type { Evidence, StartAttempt } from "../../src/model/attempt.ts";
import type { Signature } from "../../src/model/catalogue.ts";
import type { Diagnosis } from "../../src/model/diagnosis.ts";
import type { Fact, Snapshot } from "../../src/model/fact.ts";
import { type Bdf, type BootId, bootId, signatureId, vmName } from "../../src/model/identifiers.ts";
import type { Store } from "../../src/store/store.ts";
import {
  CARDS,
  cardAddress,
  fact,
  firstFacts,
  isFixed,
  MOVED_AT_BOOT,
  setHardware,
} from "./ten-year-facts.ts";

/** How much history to make. */
export interface HistorySizes {
  readonly boots: number;
  readonly attempts: number;
  readonly evidencePerAttempt: number;
  /** Known lines outside of attempts; the store collapses them. */
  readonly sightedLines: number;
  readonly factsPerSnapshot: number;
}

/** Ten years of a host that is rebooted every day: with the sighted lines two million events. */
export const TEN_YEARS: HistorySizes = {
  boots: 4000,
  attempts: 50_000,
  evidencePerAttempt: 30,
  sightedLines: 500_000,
  factsPerSnapshot: 2000,
};

/** What was planted, for whoever asks the history. */
export interface PlantedHistory {
  /** BIOS versions on which the first VM's GPU does not start; every other version works. */
  readonly brokenBios: readonly string[];
  readonly vm: StartAttempt["vm"];
  readonly device: Bdf;
  /** Its vendor and device, `10de:2805`. */
  readonly deviceKind: string;
  readonly startedAt: number;
  readonly endedAt: number;
}

const DAY = 86_400_000;
const BOOTS_PER_BIOS = 160;
const BROKEN_EVERY = 8;
const STARTED_AT = Date.UTC(2016, 0, 1);
const VMS = ["Windows 11", "Fedora", "macOS", "pfSense"].map(vmName);

const refusal: Signature = {
  id: signatureId("bench.direct-mapping"),
  class: "iommu-direct-mapping-required",
  layer: "kernel",
  role: "cause",
  severity: "fatal",
  pattern: "1:1 IOMMU mapping",
  meaning: "The firmware wants memory of this device mapped one to one.",
  sentence: "The firmware wants memory of {device} mapped one to one.",
  remedies: [],
  examples: [],
};

/** Fills an empty store, in bulk; the same sizes give the same history. */
export function buildHistory(store: Store, sizes: HistorySizes = TEN_YEARS): PlantedHistory {
  const random = createRandom(7);
  const facts = firstFacts(sizes.factsPerSnapshot);
  const brokenBios = new Set<string>();
  const perBoot = sizes.attempts / sizes.boots;
  const linesPerBoot = Math.floor(sizes.sightedLines / sizes.boots);
  let made = 0;
  for (let boot = 0; boot < sizes.boots; boot++) {
    const id = bootId(`${hex(boot, 8)}-0000-4000-8000-${hex(boot, 12)}`);
    const at = STARTED_AT + Math.floor((boot * 3652 * DAY) / sizes.boots);
    const bios = changeFacts(facts, boot, random);
    const broken = isBroken(boot);
    if (broken) brokenBios.add(bios);
    const snapshot = snapshotOf(facts);
    // One transaction a boot: as fast as in bulk, and the log of changes stays short.
    store.batched(() => {
      store.boots.begin({ id, startedAt: at, lastSeenAt: at + DAY / 2, end: "clean", origin: "live" });
      store.snapshots.save(snapshot);
      store.snapshots.link({ bootId: id, at, snapshotId: snapshot.id, reason: "service start" });
      for (; made < Math.round((boot + 1) * perBoot); made++) {
        const vm = made % VMS.length;
        const failed = (broken && vm === 0) || random() < 0.01;
        const attempt = makeAttempt(
          made,
          id,
          at + 60_000 * (made % 600),
          vm,
          cardAddress(vm, boot),
          failed,
          sizes.evidencePerAttempt,
        );
        store.attempts.save(attempt, { origin: "live", snapshotId: snapshot.id });
      }
      store.sightings.record(
        Array.from({ length: linesPerBoot }, (_, line) => ({
          bootId: id,
          source: "kernel-log" as const,
          signature: signatureId(`bench.sighting-${line % 5}`),
          text: `pcieport 0000:00:01.${line % 3}: AER: Corrected error message received`,
          at: at + line * 1000,
        })),
      );
    });
  }
  return {
    brokenBios: [...brokenBios],
    vm: VMS[0] ?? vmName(""),
    device: cardAddress(0, MOVED_AT_BOOT),
    deviceKind: CARDS[0]?.identity.slice(0, 9) ?? "",
    startedAt: STARTED_AT,
    endedAt: STARTED_AT + 3652 * DAY,
  };
}

function isBroken(boot: number): boolean {
  return Math.floor(boot / BOOTS_PER_BIOS) % BROKEN_EVERY === BROKEN_EVERY - 1;
}

/** Numbers in [0, 1), the same for the same seed (mulberry32). */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function hex(value: number, width: number): string {
  return value.toString(16).padStart(width, "0");
}

/** Moves BIOS and kernel on now and then, and a handful of others with most boots. Returns the BIOS version. */
function changeFacts(facts: Fact[], boot: number, random: () => number): string {
  const bios = `E7E49AMSI.1${hex(Math.floor(boot / BOOTS_PER_BIOS), 2)}`;
  facts[0] = fact("firmware.bios.version", bios);
  facts[1] = fact("kernel.release", `6.${Math.floor(boot / 55)}.0`);
  setHardware(facts, boot, isBroken(boot));
  for (let change = Math.floor(random() * 4); change > 0; change--) {
    const index = Math.floor(random() * facts.length);
    const old = facts[index];
    const value = `value ${Math.floor(random() * 4)}`;
    if (old !== undefined && !isFixed(old)) facts[index] = fact(old.key, value);
  }
  return bios;
}

function snapshotOf(facts: readonly Fact[]): Snapshot {
  const hash = createHash("sha256");
  for (const { key, value } of facts) hash.update(`${key}=${value.state === "value" ? value.value : ""}\n`);
  return { id: hash.digest("hex"), facts: [...facts] };
}

function makeAttempt(
  number: number,
  id: BootId,
  at: number,
  vm: number,
  device: Bdf,
  failed: boolean,
  lines: number,
): StartAttempt {
  const name = VMS[vm] ?? vmName("");
  const said = `vfio-pci ${device}: Firmware has requested this device have a 1:1 IOMMU mapping, rejecting`;
  const evidence = Array.from({ length: lines }, (_, line): Evidence => {
    const decisive = failed && line === 3;
    return {
      observation: {
        kind: "domain-log-line",
        source: "domain-logs",
        at: at + line,
        exactTime: true,
        bootId: id,
        identity: `2049:${1000 + vm}:${number * 4096 + line * 120}`,
        vm: name,
        text: decisive
          ? said
          : `2016-01-01T00:00:00.000000Z qemu-system-x86_64: message ${line} of this start`,
      },
      matches: decisive ? [{ signature: refusal, captures: { bdf: device } }] : [],
      count: 1,
      lastAt: at + line,
    };
  });
  return {
    id: `${vm}:${id}:${at}:${number}`,
    vm: name,
    bootId: id,
    openedAt: at,
    closedAt: at + 5000,
    outcome: failed ? "failed" : "started",
    devices: [device],
    groups: [14 + vm],
    evidence,
    ...(failed ? { diagnosis: diagnosisOf(device, 14 + vm, said) } : {}),
  };
}

function diagnosisOf(device: Bdf, group: number, said: string): Diagnosis {
  const sentence = `The firmware demands a 1:1 mapping for ${device}, and Linux refuses to hand out such a device.`;
  return {
    causes: [
      {
        class: "iommu-direct-mapping-required",
        certainty: "certain",
        signature: refusal.id,
        sentence,
        evidence: [said],
        devices: [device],
        groups: [group],
      },
    ],
    summary: sentence,
    deviceRelated: true,
    noEffect: [],
  };
}
