import type { VmStatus } from "../model/host-state.ts";
import type { VmName } from "../model/identifiers.ts";
import type { Observation, VmLifecycle } from "../model/observation.ts";
import type { VmDefinition } from "../model/virtual-machine.ts";

/** libvirt tells of a rename by two events at one moment (ms). */
const ONE_MOMENT = 1_000;

/**
 * A recording has the VMs as they were at its end. What they were called at its beginning is told by its renames, which
 * `virsh event` prints without the definition that libvirt's own event has: here they get it.
 */
export function withNamesThen(
  vms: readonly VmStatus[],
  events: readonly Observation[],
): { readonly vms: readonly VmStatus[]; readonly events: readonly Observation[] } {
  const byName = new Map<VmName, VmDefinition>(vms.map(({ definition }) => [definition.name, definition]));
  const statuses = new Map(vms.map((vm) => [vm.definition.uuid, vm]));
  const told = [...events];
  for (let index = events.length - 1; index > 0; index--) {
    const event = told[index];
    if (event === undefined || !isRename(event, "defined")) continue;
    const gone = told
      .slice(0, index)
      .findLast((one) => isRename(one, "undefined") && event.at - one.at <= ONE_MOMENT);
    const definition = byName.get(event.vm);
    if (gone === undefined || definition === undefined || !("vm" in gone) || gone.vm === undefined) continue;
    told[index] = { ...event, definition };
    byName.delete(event.vm);
    byName.set(gone.vm, { ...definition, name: gone.vm });
  }
  return {
    vms: [...byName.values()].flatMap((definition) => {
      const status = statuses.get(definition.uuid);
      return status === undefined ? [] : [{ ...status, definition }];
    }),
    events: told,
  };
}

function isRename(observation: Observation, event: VmLifecycle["event"]): observation is VmLifecycle {
  return (
    observation.kind === "vm-lifecycle" && observation.event === event && observation.detail === "renamed"
  );
}
