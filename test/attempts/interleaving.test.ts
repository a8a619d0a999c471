import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type AttemptTracker, createAttemptTracker } from "../../src/attempts/tracker.ts";
import type { Unfinished } from "../../src/attempts/tracking.ts";
import { createEndingClock, createVirtualClock } from "../../src/clock.ts";
import type { StartAttempt } from "../../src/model/attempt.ts";
import type { SignatureMatch } from "../../src/model/catalogue.ts";
import type { VmStatus } from "../../src/model/host-state.ts";
import type { HotPlug } from "../../src/model/hot-plug.ts";
import type { Bdf } from "../../src/model/identifiers.ts";
import type { Observation } from "../../src/model/observation.ts";
import {
  base,
  bdf,
  bench,
  controlError,
  definition,
  kernel,
  libvirtd,
  lifecycle,
  logEnd,
  logLine,
  logStart,
  REFUSAL,
  SETTINGS,
  stateFailed,
  T0,
} from "./bench.ts";

/** One happens in each; between two there is time for everybody to say what he has to say. */
const SLOT = 60_000;
const VMS = ["a", "b", "c"] as const;
const DEVICES: readonly Bdf[] = ["0000:0a:00.0", "0000:0b:00.0", "0000:0c:00.0"].map(bdf);

type Deed = {
  readonly what: "good start" | "failed start" | "refused start" | "hot-plug" | "redefinition";
  readonly vm: number;
  readonly device: number;
};

/** What a host does and what is to be known of it, for deeds that can follow one another. */
function playOf(deeds: readonly Deed[]): {
  readonly pieces: readonly Observation[];
  readonly starts: readonly string[];
  readonly hotPlugs: readonly string[];
  /** What libvirt says of the VMs when it is asked at this time. */
  readonly inventoryAt: (at: number) => Observation;
} {
  const pieces: Observation[] = [];
  const starts: string[] = [];
  const hotPlugs: string[] = [];
  const has = new Map<string, readonly Bdf[]>();
  const next = new Map<string, readonly Bdf[]>(VMS.map((vm) => [vm, []]));
  const tellings: { readonly from: number; readonly vm: string; readonly status: Partial<VmStatus> }[] = [];
  const tell = (from: number, vm: string, status: Partial<VmStatus>) => tellings.push({ from, vm, status });
  deeds.forEach((deed, index) => {
    const at = 10_000 + index * SLOT;
    const vm = VMS[deed.vm] ?? "a";
    const device = DEVICES[deed.device] ?? bdf("0000:0a:00.0");
    const gets = next.get(vm) ?? [];
    const running = [...has.keys()];
    switch (deed.what) {
      case "redefinition": {
        next.set(vm, [device]);
        pieces.push({ ...lifecycle(vm, at, "defined", "updated"), definition: definition(vm, [device]) });
        tell(at, vm, { definition: definition(vm, [device]) });
        break;
      }
      case "good start":
        if (has.has(vm)) break;
        has.set(vm, gets);
        pieces.push(logStart(vm, at, gets));
        pieces.push({ ...lifecycle(vm, at + 400, "started", "booted"), running: definition(vm, gets) });
        starts.push(`${vm} started ${gets.join()}`);
        tell(at, vm, { state: STARTING });
        tell(at + 400, vm, {
          state: { state: "running", reason: "booted" },
          running: definition(vm, gets),
        });
        break;
      case "failed start":
        if (has.has(vm)) break;
        pieces.push(logStart(vm, at, gets));
        for (const one of gets) pieces.push(kernel(at + 100, one));
        pieces.push(logLine(vm, at + 150, "vfio: failed to setup container"));
        pieces.push(controlError(vm, at + 200), logEnd(vm, at + 210, "failed"), stateFailed(vm, at + 220));
        starts.push(`${vm} failed ${gets.join()}${gets.length > 0 ? " kernel" : ""}`);
        tell(at, vm, { state: STARTING });
        tell(at + 215, vm, { state: FAILED });
        break;
      case "refused start":
        if (has.has(vm)) break;
        pieces.push(libvirtd(at + 190, "internal error: the host would not"));
        pieces.push(logEnd(vm, at + 200, "failed"), stateFailed(vm, at + 210));
        starts.push(`${vm} failed ${gets.join()}`);
        tell(at + 205, vm, { state: FAILED });
        break;
      case "hot-plug": {
        const askers = running.filter((one) => !has.get(one)?.includes(device));
        if (askers.length === 0) break;
        pieces.push(kernel(at + 100, device));
        pieces.push(
          libvirtd(at + 130, `unable to execute QEMU command 'device_add': vfio ${device}: refused`),
        );
        hotPlugs.push(`${askers.toSorted().join()} ${device}`);
        break;
      }
    }
  });
  function inventoryAt(at: number): Observation {
    const vms = VMS.map((vm): VmStatus => {
      const all = tellings.filter((one) => one.vm === vm && T0 + one.from <= at);
      const start: VmStatus = {
        definition: definition(vm, []),
        state: { state: "shutoff", reason: "unknown" },
      };
      return Object.assign(start, ...all.map(({ status }) => status)) as VmStatus;
    });
    return { ...base(at - T0), kind: "vm-inventory", source: "libvirt", vms } as Observation;
  }
  return { pieces, starts: starts.toSorted(), hotPlugs: hotPlugs.toSorted(), inventoryAt };
}

const STARTING = { state: "paused", reason: "starting up" } as const;
const FAILED = { state: "shutoff", reason: "failed" } as const;

const deed: fc.Arbitrary<Deed> = fc.record({
  what: fc.constantFrom("good start", "failed start", "refused start", "hot-plug", "redefinition"),
  vm: fc.nat({ max: 2 }),
  device: fc.nat({ max: 2 }),
});

test("however the sources' pieces are mixed and delayed, the starts, their devices and causes are the same", () => {
  fc.assert(
    fc.property(
      fc.array(deed, { minLength: 1, maxLength: 8 }),
      fc.record({
        "kernel-log": fc.nat({ max: 5_000 }),
        libvirt: fc.nat({ max: 5_000 }),
        "domain-logs": fc.nat({ max: 5_000 }),
        "libvirtd-log": fc.nat({ max: 5_000 }),
      }),
      (deeds, delays: Readonly<Record<string, number>>) => {
        const { pieces, starts, hotPlugs } = playOf(deeds);
        const {
          tracker,
          clock,
          outcomes,
          hotPlugs: told,
        } = bench({
          others: VMS.map((vm) => definition(vm, [])),
        });
        tracker.learnGroups(new Map(DEVICES.map((device, index) => [device, 30 + index])));
        const arriving = pieces
          .map((piece) => ({ piece, at: piece.at + (delays[piece.source] ?? 0) }))
          .toSorted((a, b) => a.at - b.at);
        for (const { piece, at } of arriving) {
          clock.moveTo(at);
          tracker.observe(piece, piece.kind === "kernel-record" ? REFUSAL : []);
        }
        clock.moveTo(T0 + 10_000 + deeds.length * SLOT + 1_200_000);
        assert.deepEqual(
          outcomes()
            .map(({ vm, outcome, devices, evidence }) => {
              const isKernel = evidence.some(({ observation }) => observation.kind === "kernel-record");
              return `${vm} ${outcome} ${devices.join()}${isKernel ? " kernel" : ""}`;
            })
            .toSorted(),
          starts,
        );
        assert.deepEqual(
          told()
            .map(({ vms, devices }) => `${vms.toSorted().join()} ${devices.join()}`)
            .toSorted(),
          hotPlugs,
        );
      },
    ),
    { numRuns: 500 },
  );
});

/** The service ends at a time and is started again; what it had stored is this much older. */
interface Restart {
  readonly at: number;
  readonly unsavedMs: number;
  readonly downMs: number;
}

/** libvirt goes away at a time and comes back: what happened meanwhile it tells only by how the VMs are. */
interface Silence {
  readonly at: number;
  readonly forMs: number;
}

/** Every start and hot-plug of a play, told to services that are ended and started again. */
function live(
  { pieces, inventoryAt }: ReturnType<typeof playOf>,
  delays: Readonly<Record<string, number>>,
  restarts: readonly Restart[],
  silences: readonly Silence[],
): { readonly starts: readonly StartAttempt[]; readonly hotPlugs: readonly HotPlug[] } {
  const clock = createVirtualClock(T0);
  const starts = new Map<string, StartAttempt>();
  const open = new Map<string, StartAttempt>();
  const hotPlugs = new Map<string, HotPlug>();
  const matchesOf = ({ kind }: Observation): readonly SignatureMatch[] =>
    kind === "kernel-record" ? REFUSAL : [];
  let tracker: AttemptTracker;
  let end = () => {};

  function begin(
    stored: readonly StartAttempt[],
    unfinished: readonly Unfinished[],
    backlog: readonly Observation[],
  ) {
    const ending = createEndingClock(clock);
    end = ending.end;
    tracker = createAttemptTracker({
      ...{ clock: ending, settings: SETTINGS, stored, toldHotPlugs: new Set(hotPlugs.keys()) },
      events: {
        changed: (attempt) => open.set(attempt.id, attempt),
        settled(attempt) {
          open.set(attempt.id, attempt);
          starts.set(attempt.id, attempt);
        },
        hotPlug: (hotPlug) => hotPlugs.set(hotPlug.id, hotPlug),
      },
    });
    tracker.learnGroups(new Map(DEVICES.map((device, index) => [device, 30 + index])));
    for (const { observation, arrivedAt } of unfinished)
      tracker.observe(observation, matchesOf(observation), arrivedAt);
    for (const one of backlog.toSorted((a, b) => (a.source < b.source ? -1 : 1)))
      tracker.observe(one, matchesOf(one));
    tracker.observe(inventoryAt(clock.now()), []);
    tracker.release();
  }

  begin([], [], []);
  type Happening = { readonly at: number; readonly run: () => void };
  const heard = pieces.map((piece) => ({ piece, at: piece.at + (delays[piece.source] ?? 0) }));
  let saved: {
    readonly stored: readonly StartAttempt[];
    readonly told: readonly StartAttempt[];
    readonly hotPlugs: readonly HotPlug[];
    readonly unfinished: readonly Unfinished[];
    readonly at: number;
  };
  let isDown = false;
  const connectedAt = [
    ...silences.map(({ at, forMs }) => T0 + at + forMs),
    ...restarts.map(({ at, downMs }) => T0 + at + downMs),
  ];
  const isSilent = (at: number) =>
    silences.some((silence) => at >= T0 + silence.at && at < T0 + silence.at + silence.forMs);
  /** Nobody hears what libvirt said to a connection that is gone. */
  const isLost = (piece: Observation, at: number) =>
    piece.source === "libvirt" &&
    (isSilent(at) || connectedAt.some((connected) => piece.at <= connected && connected <= at));
  const happenings: Happening[] = [
    ...heard.map(({ piece, at }) => ({
      at,
      run: () => {
        if (!isDown && !isLost(piece, at)) tracker.observe(piece, matchesOf(piece));
      },
    })),
    ...silences.flatMap(({ at, forMs }) => [
      {
        at: T0 + at,
        run: () => {
          const lost = {
            ...base(at),
            kind: "connection",
            source: "libvirt",
            state: "lost",
            detail: "",
          } as const;
          if (!isDown) tracker.observe(lost, []);
        },
      },
      { at: T0 + at + forMs, run: () => void (isDown || tracker.observe(inventoryAt(clock.now()), [])) },
    ]),
    ...restarts.flatMap(({ at, unsavedMs, downMs }) => [
      {
        at: T0 + at - unsavedMs,
        run: () => {
          saved = {
            stored: [...open.values()],
            told: [...starts.values()],
            hotPlugs: [...hotPlugs.values()],
            unfinished: tracker.unfinished(),
            at: clock.now(),
          };
        },
      },
      {
        at: T0 + at,
        run: () => {
          isDown = true;
          end();
        },
      },
      {
        at: T0 + at + downMs,
        run: () => {
          isDown = false;
          const backlog = heard
            .filter(
              ({ piece, at: when }) => piece.source !== "libvirt" && when > saved.at && when <= clock.now(),
            )
            .map(({ piece }) => piece);
          // Nobody is told of what is not stored.
          forget(open, saved.stored);
          forget(starts, saved.told);
          forget(hotPlugs, saved.hotPlugs);
          begin(saved.stored, saved.unfinished, backlog);
        },
      },
    ]),
  ];
  for (const { at, run } of happenings.toSorted((a, b) => a.at - b.at)) {
    clock.moveTo(Math.max(clock.now(), at));
    run();
  }
  clock.moveTo(clock.now() + 1_200_000);
  return { starts: [...starts.values()], hotPlugs: [...hotPlugs.values()] };
}

/** Takes what is in memory back to what is on the disk. */
function forget<T extends { readonly id: string }>(memory: Map<string, T>, disk: readonly T[]): void {
  memory.clear();
  for (const one of disk) memory.set(one.id, one);
}

const delayed = fc.record({
  "kernel-log": fc.nat({ max: 5_000 }),
  libvirt: fc.nat({ max: 5_000 }),
  "domain-logs": fc.nat({ max: 5_000 }),
  "libvirtd-log": fc.nat({ max: 5_000 }),
});

function assertSame(
  { starts, hotPlugs }: ReturnType<typeof playOf>,
  told: { readonly starts: readonly StartAttempt[]; readonly hotPlugs: readonly HotPlug[] },
): void {
  assert.deepEqual(
    told.starts
      .map(({ vm, outcome, devices, evidence }) => {
        const isKernel = evidence.some(({ observation }) => observation.kind === "kernel-record");
        return `${vm} ${outcome} ${devices.join()}${isKernel ? " kernel" : ""}`;
      })
      .toSorted(),
    starts,
  );
  assert.deepEqual(
    told.hotPlugs.map(({ vms, devices }) => `${vms.toSorted().join()} ${devices.join()}`).toSorted(),
    hotPlugs,
  );
}

test("ended and started again at any moments, the service comes to the same starts and hot-plugs", () => {
  fc.assert(
    fc.property(
      fc.array(deed, { minLength: 1, maxLength: 6 }),
      delayed,
      fc.array(
        fc.record({
          slot: fc.nat({ max: 5 }),
          within: fc.oneof(fc.nat({ max: 7_000 }), fc.integer({ min: 7_000, max: 30_000 })),
          unsavedMs: fc.constantFrom(0, 20, 600, 4_000),
          downMs: fc.constantFrom(0, 1_000, 10_000),
        }),
        { minLength: 1, maxLength: 2 },
      ),
      (deeds, delays, given) => {
        const play = playOf(deeds);
        const bySlot = new Map(given.map((one) => [one.slot, one]));
        const restarts = [...bySlot.values()].map(({ slot, within, unsavedMs, downMs }) => ({
          ...{ at: 10_000 + slot * SLOT + within, unsavedMs, downMs },
        }));
        assertSame(play, live(play, delays, restarts, []));
      },
    ),
    { numRuns: 300 },
  );
});

test("though libvirt goes away and comes back, and what it said meanwhile is lost, they are the same", () => {
  fc.assert(
    fc.property(
      fc.array(deed, { minLength: 1, maxLength: 6 }),
      delayed,
      fc.uniqueArray(
        fc.record({ slot: fc.nat({ max: 5 }), within: fc.integer({ min: 6_000, max: 40_000 }) }),
        {
          minLength: 1,
          maxLength: 2,
          selector: ({ slot }) => slot,
        },
      ),
      (deeds, delays, given) => {
        const play = playOf(deeds);
        const silences = given.map(({ slot, within }) => ({
          at: 10_000 + slot * SLOT + within,
          forMs: 3_000,
        }));
        assertSame(play, live(play, delays, [], silences));
      },
    ),
    { numRuns: 200 },
  );
});
