import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Bdf } from "../../src/model/identifiers.ts";
import type { Observation } from "../../src/model/observation.ts";
import {
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
} {
  const pieces: Observation[] = [];
  const starts: string[] = [];
  const hotPlugs: string[] = [];
  const has = new Map<string, readonly Bdf[]>();
  const next = new Map<string, readonly Bdf[]>(VMS.map((vm) => [vm, []]));
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
        break;
      }
      case "good start":
        if (has.has(vm)) break;
        has.set(vm, gets);
        pieces.push(logStart(vm, at, gets));
        pieces.push({ ...lifecycle(vm, at + 400, "started", "booted"), running: definition(vm, gets) });
        starts.push(`${vm} started ${gets.join()}`);
        break;
      case "failed start":
        if (has.has(vm)) break;
        pieces.push(logStart(vm, at, gets));
        for (const one of gets) pieces.push(kernel(at + 100, one));
        pieces.push(logLine(vm, at + 150, "vfio: failed to setup container"));
        pieces.push(controlError(vm, at + 200), logEnd(vm, at + 210, "failed"), stateFailed(vm, at + 220));
        starts.push(`${vm} failed ${gets.join()}${gets.length > 0 ? " kernel" : ""}`);
        break;
      case "refused start":
        if (has.has(vm)) break;
        pieces.push(libvirtd(at + 190, "internal error: the host would not"));
        pieces.push(logEnd(vm, at + 200, "failed"), stateFailed(vm, at + 210));
        starts.push(`${vm} failed ${gets.join()}`);
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
  return { pieces, starts: starts.toSorted(), hotPlugs: hotPlugs.toSorted() };
}

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
