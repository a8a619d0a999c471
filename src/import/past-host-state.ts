import { textOf } from "../facts/fact-value.ts";
import { parametersInFacts } from "../facts/host-of-facts.ts";
import type { Fact } from "../model/fact.ts";
import type { HostState } from "../model/host-state.ts";
import { type Bdf, parseBdf, type VmName } from "../model/identifiers.ts";
import { type Reading, read, unreadable } from "../model/reading.ts";
import type { VmDefinition } from "../model/virtual-machine.ts";

const PAST = "not known of a boot of the past";

/**
 * What may be concluded from about a start of the past: only what holds for a whole boot, and which VMs ran at the
 * time. Drivers and groups may have been others then.
 */
export function hostOfPastBoot(
  facts: readonly Fact[],
  definitions: readonly VmDefinition[],
  running: ReadonlySet<VmName>,
): HostState {
  const byKey = new Map(facts.map((fact) => [fact.key, fact.value]));
  const known = <T>(value: T | undefined): Reading<T> =>
    value === undefined ? unreadable(PAST) : read(value);
  const version = textOf(byKey.get("firmware.bios.version"));
  const remapping = textOf(byKey.get("iommu.interrupt-remapping"));
  const parameters = parametersInFacts(facts);
  const vms = definitions.map((definition) => ({
    definition,
    state: running.has(definition.name)
      ? { state: "running" as const, reason: "unknown" }
      : { state: "nostate" as const, reason: "unknown" },
  }));
  return {
    kernelRelease: known(textOf(byKey.get("kernel.release"))),
    bios: known(version === undefined ? undefined : { version }),
    devices: unreadable(PAST),
    groups: unreadable(PAST),
    firmwareDemands: unreadable(PAST),
    vfioNodes: unreadable(PAST),
    modules: unreadable(PAST),
    vms: known(vms.length === 0 ? undefined : vms),
    interruptRemapping: known(remapping === undefined ? undefined : remapping === "on"),
    kernelParameters: known(parameters.length === 0 ? undefined : parameters),
  };
}

/** Which IOMMU group each device was in, as the facts have it. */
export function groupsInFacts(facts: readonly Fact[]): ReadonlyMap<Bdf, number> {
  const byKey = new Map(facts.map((fact) => [fact.key, fact.value]));
  const groups = new Map<Bdf, number>();
  for (const { key, value } of facts) {
    const device = /^(pci\.[^.]+)\.address$/.exec(key)?.[1];
    const bdf = parseBdf(textOf(value) ?? "");
    const group = textOf(byKey.get(`${device}.group`));
    if (device !== undefined && bdf !== undefined && group !== undefined) groups.set(bdf, Number(group));
  }
  return groups;
}
