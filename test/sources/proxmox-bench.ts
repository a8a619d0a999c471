import type { TestContext } from "node:test";
import { createHostPaths, type HostPaths } from "../../src/host-paths.ts";
import { bootId } from "../../src/model/identifiers.ts";
import type { Observation } from "../../src/model/observation.ts";
import type { ResumePoints } from "../../src/model/source.ts";
import { createProxmoxSource } from "../../src/sources/proxmox.ts";
import { createProxmoxNode, type ProxmoxNode } from "../helpers/proxmox-host.ts";
import { createSkippingClock, type SkippingClock } from "../helpers/skipping-clock.ts";
import { type Observer, observe, temporaryDirectory } from "./observed.ts";

export const WIN11 = "name: win11\nhostpci0: 0000:01:00.0,pcie=1\nmachine: pc-q35-9.0\n";
export const REFUSED =
  "kvm: -device vfio-pci,host=0000:01:00.0,id=hostpci0: vfio 0000:01:00.0: failed to setup container for group 8";
export const FAILED = "TASK ERROR: start failed: QEMU exited with code 1";

export interface Bench {
  readonly paths: HostPaths;
  readonly clock: SkippingClock;
  readonly node: ProxmoxNode;
  /** Processes that are there. */
  readonly alive: Set<number>;
  /** Long enough ago for everything that follows in a test. */
  readonly t0: number;
  watch(
    resume?: ResumePoints,
    boot?: string,
  ): Promise<Observer & { readonly stop: () => Promise<void>; readonly state: () => string }>;
}

export function bench(context: TestContext): Bench {
  const paths = createHostPaths(temporaryDirectory(context));
  const clock = createSkippingClock();
  const node = createProxmoxNode(paths);
  const alive = new Set<number>();
  const t0 = Math.floor(clock.now() / 1000) * 1000 - 3_600_000;
  node.configure(101, WIN11);
  return {
    ...{ paths, clock, node, alive, t0 },
    async watch(resume, boot = "boot-1") {
      const source = createProxmoxSource({
        ...{ paths, clock, bootId: bootId(boot), since: t0 - 1000 },
        isAlive: (pid) => alive.has(pid),
      });
      const observer = await observe(context, source, resume);
      const state = () => JSON.stringify(source.health().state);
      return { ...observer, state, stop: () => source.stop() };
    },
  };
}

/** Everything but inventories, short enough to compare whole sequences. */
export function told(observations: readonly Observation[]): string[] {
  return observations.flatMap((observation) => {
    switch (observation.kind) {
      case "domain-log-start":
        return `${observation.vm} starts with ${observation.devices.join(" ")}`;
      case "domain-log-line":
        return observation.text;
      case "domain-log-end":
        return `${observation.vm} ${observation.reason}`;
      case "vm-lifecycle":
        return `${observation.vm} ${observation.event}, ${observation.detail}`;
      case "vm-inventory":
        return [];
      default:
        return observation.kind;
    }
  });
}

export const statesOf = (observations: readonly Observation[]) =>
  observations.flatMap((observation) =>
    observation.kind === "vm-inventory"
      ? [observation.vms.map(({ definition, state }) => `${definition.name} ${state.state}`)]
      : [],
  );

export const BEGINS = "101 (win11) starts with 0000:01:00.0";
