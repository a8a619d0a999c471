import assert from "node:assert/strict";
import { test } from "node:test";
import { steadyNow } from "../../src/clock.ts";
import { vmName } from "../../src/model/identifiers.ts";
import type { Connection, Observation, VmInventory } from "../../src/model/observation.ts";
import {
  AUDIO,
  type Bench,
  base,
  bench,
  definition,
  GPU,
  kernel,
  lifecycle,
  logEnd,
  logLine,
  logStart,
  NIC,
  T0,
} from "./bench.ts";

const NIGHT = 8 * 3_600_000;
const outcomesOf = ({ outcomes }: Bench) => outcomes().map(({ vm, outcome }) => [vm, outcome]);

/** A host that sleeps: CLOCK_MONOTONIC and with it every timer stands still, the wall clock does not. */
function sleep({ clock }: Bench, milliseconds: number): void {
  clock.setWall(clock.now() + milliseconds);
}

test("a host that sleeps while a start settles settles it when it has been awake for long enough", () => {
  const host = bench();
  host.feed(logStart("Windows 11", 1000, [GPU, AUDIO]));
  host.feed(lifecycle("Windows 11", 1300, "started", "booted"));
  host.clock.moveTo(T0 + 30_000);
  sleep(host, NIGHT);
  assert.deepEqual(outcomesOf(host), [], "it was awake for half of the settling time");
  host.clock.moveTo(host.clock.now() + 32_000);
  assert.deepEqual(outcomesOf(host), [["Windows 11", "started"]]);
});

test("what the kernel and QEMU say at the awakening belongs to the run, and begins no start", () => {
  const host = bench();
  host.feed(logStart("Windows 11", 1000, [GPU, AUDIO]));
  host.feed(lifecycle("Windows 11", 1300, "started", "booted"));
  host.clock.moveTo(T0 + 200_000);
  sleep(host, NIGHT);
  const awake = 200_000 + NIGHT;
  host.feed(
    kernel(awake + 100, GPU, "Unable to change power state from D3cold to D0, device inaccessible"),
    [],
  );
  host.feed(
    logLine("Windows 11", awake + 200, "vfio_err_notifier_handler(0000:01:00.0) Unrecoverable error"),
  );
  host.feed(lifecycle("Windows 11", awake + 300, "suspended", "ioerror"));
  host.clock.moveTo(host.clock.now() + 120_000);
  assert.deepEqual(outcomesOf(host), [["Windows 11", "started"]]);
  assert.deepEqual([...host.tracker.runningAt(steadyNow(host.clock)).keys()], ["Windows 11"]);
  // Another VM that is started in the morning is a start of its own, with its own evidence.
  const late = host.clock.now() - T0;
  host.feed(logStart("ubuntu", late, [NIC]));
  host.feed(kernel(late + 50, NIC));
  host.feed(logEnd("ubuntu", late + 400, "failed"));
  host.clock.moveTo(host.clock.now() + 5_000);
  assert.deepEqual(outcomesOf(host), [
    ["Windows 11", "started"],
    ["ubuntu", "failed"],
  ]);
  const [first, second] = host.outcomes();
  assert.ok((second?.steady ?? 0) > (first?.steady ?? 0));
  assert.equal(second?.evidence.filter(({ observation }) => observation.kind === "kernel-record").length, 1);
});

test("a VM that slept with its host and ends in the morning ends the start of the evening", () => {
  const host = bench();
  host.feed(logStart("Windows 11", 1000, [GPU, AUDIO]));
  host.feed(lifecycle("Windows 11", 1300, "started", "booted"));
  host.clock.moveTo(T0 + 100_000);
  sleep(host, NIGHT);
  host.feed(logEnd("Windows 11", 100_500 + NIGHT, "shutdown"));
  host.feed(lifecycle("Windows 11", 100_600 + NIGHT, "stopped", "shutdown"));
  host.clock.moveTo(host.clock.now() + 60_000);
  assert.deepEqual(outcomesOf(host), [["Windows 11", "started"]]);
  assert.deepEqual([...host.tracker.runningAt(steadyNow(host.clock)).keys()], []);
});

const connection = (at: number, state: Connection["state"]): Observation =>
  ({ ...base(at), kind: "connection", source: "libvirt", state, detail: "virtqemud" }) as Observation;

function inventory(at: number, running: readonly string[]): VmInventory {
  const devices = new Map([
    ["Windows 11", [GPU, AUDIO]],
    ["ubuntu", [NIC]],
  ]);
  return {
    ...base(at),
    kind: "vm-inventory",
    source: "libvirt",
    vms: [...devices].map(([name, own]) =>
      running.includes(name)
        ? {
            definition: definition(name, own),
            running: definition(name, own),
            state: { state: "running", reason: "booted" },
          }
        : { definition: definition(name, own), state: { state: "shutoff", reason: "unknown" } },
    ),
  };
}

test("virtqemud, which ends after two minutes without clients and is woken by the next, begins no start again", () => {
  const host = bench();
  host.feed(logStart("Windows 11", 1000, [GPU, AUDIO]));
  host.feed(lifecycle("Windows 11", 1300, "started", "booted"));
  for (let turn = 1; turn <= 3; turn++) {
    host.feed(connection(turn * 130_000, "lost"));
    host.feed(connection(turn * 130_000 + 500, "connected"));
    host.feed(inventory(turn * 130_000 + 600, ["Windows 11"]));
  }
  host.clock.moveTo(host.clock.now() + 120_000);
  assert.deepEqual(outcomesOf(host), [["Windows 11", "started"]]);
});

test("a start that fails while virtqemud is away is told by its log and by the kernel", () => {
  const host = bench();
  host.feed(connection(500, "lost"));
  host.feed(logStart("Windows 11", 1000, [GPU, AUDIO]));
  host.feed(kernel(1200, GPU));
  host.feed(logEnd("Windows 11", 1500, "failed"));
  host.feed(connection(3000, "connected"));
  host.feed(inventory(3100, []));
  host.clock.moveTo(host.clock.now() + 5_000);
  assert.deepEqual(outcomesOf(host), [["Windows 11", "failed"]]);
  assert.equal(host.outcomes()[0]?.vm, vmName("Windows 11"));
});

test("a start of which libvirt does not tell is called good only when QEMU had time to fail, whatever is set", () => {
  const host = bench({ settlingMs: 5_000 });
  host.feed(connection(500, "lost"));
  host.feed(logStart("Windows 11", 1000, [GPU, AUDIO]));
  host.clock.moveTo(T0 + 40_000);
  assert.deepEqual(outcomesOf(host), []);
  host.feed(logEnd("Windows 11", 41_000, "failed"));
  host.clock.moveTo(T0 + 60_000);
  assert.deepEqual(outcomesOf(host), [["Windows 11", "failed"]]);
});
