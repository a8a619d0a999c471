import type { SignatureMatch } from "../model/catalogue.ts";
import type { VmName } from "../model/identifiers.ts";
import type { VmControlError, VmInventory, VmLifecycle, VmStateSeen } from "../model/observation.ts";
import { isStarting, type VmState } from "../model/virtual-machine.ts";
import type { AttemptBook } from "./book.ts";
import { devicesOf } from "./definitions.ts";
import { LATE_MS, nearest, type Pen, SLACK_MS } from "./pen.ts";

const RUNNING_STATES: ReadonlySet<VmState["state"]> = new Set([
  "running",
  "blocked",
  "paused",
  "pmsuspended",
]);

/** A libvirtd that was killed and started again lists the VMs whose QEMU it is about to end as running (ms). */
function isBeingClearedAway(endedAt: number | undefined, at: number): boolean {
  return endedAt !== undefined && Math.abs(at - endedAt) <= LATE_MS;
}

function isFailed({ state, reason }: VmState): boolean {
  return state === "shutoff" && reason === "failed";
}

/** What libvirt's events and answers tell of starts. */
export interface LibvirtSigns {
  lifecycle(event: VmLifecycle, matches: readonly SignatureMatch[]): boolean;
  controlError(event: VmControlError): boolean;
  stateSeen(seen: VmStateSeen): boolean;
  /** After a connection: a VM found running is a good start, one whose last state is `failed` a failed one. */
  reconcile(inventory: VmInventory): void;
}

/** Makes the reader of libvirt's events. */
export function createLibvirtSigns(book: AttemptBook, pen: Pen): LibvirtSigns {
  const states = new Map<VmName, VmState>();

  function lifecycle(event: VmLifecycle, matches: readonly SignatureMatch[]): boolean {
    if (event.definition !== undefined) pen.learn(event.definition, event.at);
    if (event.event === "undefined") pen.definitions.forget(event.vm);
    const current = book.current(event.vm);
    if (event.event === "started") {
      // A start may take minutes (128 GB are pinned page by page), and settle before libvirt calls it started.
      const isSame =
        current !== undefined &&
        current.startedAt === undefined &&
        !current.hasLogEnd &&
        (current.closedAt === undefined || current.outcome === "started");
      const attempt = isSame ? current : pen.open(event.vm, event, matches);
      attempt.startedAt = event.at;
      if (event.running !== undefined) {
        pen.running.set(event.vm, event.running);
        pen.hasDevices(attempt, devicesOf(event.running));
      }
      pen.join(attempt, event, matches);
      book.watchSettling(attempt);
      return true;
    }
    if (event.event === "stopped") pen.running.delete(event.vm);
    if (event.event === "stopped" && current?.startedAt !== undefined && current.endedAt === undefined)
      book.ended(current, event.at);
    if (current === undefined || current.closedAt !== undefined) return false;
    pen.join(current, event, matches);
    if (event.event !== "stopped" || current.startedAt === undefined) return true;
    if (event.detail === "failed" || event.detail === "crashed") pen.died(current, event.at);
    else book.close(current, event.at, "started");
    return true;
  }

  function controlError(event: VmControlError): boolean {
    if (book.knows(event)) return true;
    // libvirt says it once for each start that fails, so an attempt that has it already is another one.
    const candidates = book
      .of(event.vm)
      .filter(
        (attempt) =>
          !attempt.evidence.some(({ observation }) => observation.kind === "vm-control-error") &&
          attempt.openedAt <= book.timeWithin(attempt, event.at) + SLACK_MS &&
          (attempt.closedAt === undefined || Math.abs(attempt.closedAt - event.at) <= LATE_MS),
      );
    return pen.join(nearest(candidates, event.at) ?? pen.open(event.vm, event, []), event, []);
  }

  /** The state says of a VM whose last start failed that it did, until the next one. */
  function hasFailed(vm: VmName, state: VmState): boolean {
    const before = states.get(vm);
    states.set(vm, state);
    return isFailed(state) && before !== undefined && !isFailed(before);
  }

  function stateSeen(seen: VmStateSeen): boolean {
    const current = book.current(seen.vm);
    const isNews = hasFailed(seen.vm, seen.state);
    if (!isFailed(seen.state)) return false;
    const isKnown = current !== undefined && (current.closedAt === undefined || current.outcome === "failed");
    if (!isKnown && isNews && (current?.endedAt ?? current?.closedAt ?? 0) < seen.at) {
      pen.fail(pen.open(seen.vm, seen, []), seen.at);
      return true;
    }
    if (current === undefined) return false;
    if (current.closedAt === undefined && current.startedAt === undefined) {
      pen.join(current, seen, []);
      pen.fail(current, seen.at);
      return true;
    }
    return current.outcome === "failed" ? pen.join(current, seen, []) : false;
  }

  function reconcile(inventory: VmInventory): void {
    for (const { definition, state, running } of inventory.vms) {
      if (running !== undefined) pen.running.set(definition.name, running);
      const current = book.current(definition.name);
      // Autostart while the service connects: it neither runs yet nor has it failed, and libvirt will tell.
      if (isStarting(state)) continue;
      const own = {
        ...inventory,
        identity: `${inventory.identity}/${definition.name}`,
        vms: [{ definition, state, ...(running !== undefined && { running }) }],
      };
      if (RUNNING_STATES.has(state.state)) {
        if (current?.closedAt === undefined && current !== undefined) {
          current.startedAt ??= inventory.at;
          book.watchSettling(current);
        } else if (isBeingClearedAway(current?.endedAt, inventory.at)) {
          // Its log has said the end already, and a new start would have begun there.
        } else if (current?.outcome !== "started" || current.endedAt !== undefined) {
          const attempt = pen.open(definition.name, own, []);
          attempt.startedAt = inventory.at;
          if (running !== undefined) pen.hasDevices(attempt, devicesOf(running));
          book.watchSettling(attempt);
        }
      } else if (isFailed(state)) {
        if (current === undefined) pen.fail(pen.open(definition.name, own, []), inventory.at);
        else if (current.closedAt === undefined) {
          pen.join(current, own, []);
          pen.fail(current, inventory.at);
        }
      }
    }
  }

  return { lifecycle, controlError, stateSeen, reconcile };
}
