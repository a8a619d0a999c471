/**
 * Measures how long it takes to read the host and make facts of it, on a synthetic server with many PCI functions
 * (default 4000; budget: 1 s), or on the machine itself with `--live`.
 *
 *   node tools/bench/host-snapshot.ts [functions | --live]
 */
import { fileURLToPath } from "node:url";
import { collectFacts } from "../../src/facts/facts-of-host.ts";
import { createHostMemory } from "../../src/host/host-memory.ts";
import { readHostState } from "../../src/host/host-state.ts";
import { createPciNames } from "../../src/host/pci-names.ts";
import { createHostPaths, type HostPaths } from "../../src/host-paths.ts";
import type { Fact } from "../../src/model/fact.ts";
import { bdfFromParts } from "../../src/model/identifiers.ts";
import { read } from "../../src/model/reading.ts";
import type { RecordedDevice, RecordedGroup } from "../../src/replay/recorded-snapshot.ts";
import { buildHostTree } from "../../src/replay/recorded-tree.ts";
import { acpiTable, deviceEntry, ivhd, ivmd, ivrsInfo } from "../../test/helpers/acpi-tables.ts";
import { syntheticDevice, temporaryDirectory } from "../../test/helpers/recorded-tree.ts";

const RUNS = 7;

/** Real directories of sysfs have about so many more names that are never read. */
const UNREAD = Array.from({ length: 24 }, (_, index) => [`attribute${index}`, "0\n"] as const);
const UNUSED = "0x0000000000000000 0x0000000000000000 0x0000000000000000\n";

/** Root ports on bus 0 of as many segments as it takes, behind each a bus full of network functions. */
function syntheticServer(count: number): { devices: RecordedDevice[]; groups: RecordedGroup[] } {
  const devices: RecordedDevice[] = [];
  const groups: RecordedGroup[] = [];
  const add = (segment: number, bus: number, slot: number, fn: number, buses?: readonly [number, number]) => {
    const group = groups.length;
    const device = syntheticDevice({
      bdf: bdfFromParts(segment, bus, slot, fn),
      id: buses === undefined ? `15b3:${(0x1000 + (devices.length % 40)).toString(16)}` : "1022:14a5",
      subsystem: "15b3:0058",
      classCode: buses === undefined ? "020000" : "060400",
      driver: buses === undefined ? "mlx5_core" : "pcieport",
      group,
      ...(buses === undefined ? {} : { buses }),
      attributes: {
        ...Object.fromEntries(UNREAD),
        resource: `0x000000e000000000 0x000000e001ffffff 0x000000000014220c\n${UNUSED.repeat(12)}`,
        reset_method: "flr bus\n",
        d3cold_allowed: "1\n",
      },
    });
    devices.push(device);
    groups.push({
      id: group,
      type: "DMA-FQ",
      members: [device.bdf],
      reservedRegions:
        "0x00000000fee00000 0x00000000feefffff msi\n0x000000fd00000000 0x000000ffffffffff reserved\n",
    });
  };
  for (let port = 0; devices.length < count; port++) {
    const segment = Math.floor(port / 32);
    const bus = 1 + (port % 32);
    add(segment, 0, port % 32, 0, [bus, bus]);
    for (let fn = 0; fn < 64 && devices.length < count; fn++) add(segment, bus, fn >> 3, fn & 7);
  }
  return { devices, groups };
}

/** Looks at the host as the service does, which keeps names and what did not change from one look to the next. */
function looker(paths: HostPaths): { readonly facts: () => readonly Fact[]; readonly devices: () => number } {
  const kept = { paths, pciNames: createPciNames(paths), memory: createHostMemory() };
  return {
    facts: () => collectFacts({ ...kept, vms: read([]) }),
    devices() {
      const { devices } = readHostState({ ...kept, vms: read([]) });
      return devices.state === "read" ? devices.value.size : 0;
    },
  };
}

/** Milliseconds of several readings of the facts, the first of them with everything still cold. */
export function snapshotTimes(paths: HostPaths): readonly number[] {
  const { facts } = looker(paths);
  return timesOf(() => facts().length).times;
}

function timesOf(work: () => number): { readonly times: number[]; readonly size: number } {
  const times: number[] = [];
  let size = 0;
  for (let run = 0; run < RUNS; run++) {
    const start = performance.now();
    size = work();
    times.push(performance.now() - start);
  }
  return { times, size };
}

function measure(name: string, work: () => number): void {
  const { times, size } = timesOf(work);
  const first = times[0] ?? 0;
  times.sort((a, b) => a - b);
  const milliseconds = (time: number | undefined) => `${(time ?? 0).toFixed(1)} ms`;
  console.log(
    `${name}: first ${milliseconds(first)}, median ${milliseconds(times[RUNS >> 1])}, worst ${milliseconds(times.at(-1))} (${size})`,
  );
}

function bench(paths: HostPaths): void {
  const { facts } = looker(paths);
  measure("facts", () => facts().length);
  measure("host state", looker(paths).devices);
}

/** Builds a server with so many PCI functions below `directory`. */
export function buildSyntheticServer(directory: string, functions: number): HostPaths {
  const all = ivmd(0x20, 0x08, { start: 0xa5a32000, length: 0x1000 });
  const ivrs = acpiTable(
    "IVRS",
    ivrsInfo(0x43),
    ivhd(0x40, { entries: [deviceEntry(1, 0)] }),
    ...[all, all, all],
  );
  return buildHostTree(directory, {
    ...syntheticServer(functions),
    units: ["ivhd0"],
    tables: new Map([["IVRS", ivrs]]),
    modules: ["vfio", "vfio_pci"],
    vfioNodes: ["vfio"],
  });
}

function main(argument: string): void {
  if (argument === "--live") {
    bench(createHostPaths());
    return;
  }
  const directory = temporaryDirectory();
  try {
    bench(buildSyntheticServer(directory.path, Number(argument)));
  } finally {
    directory.remove();
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main(process.argv[2] ?? "4000");
