import type { SignatureMatch } from "../model/catalogue.ts";
import type { VmName } from "../model/identifiers.ts";
import type { VmControlError, VmInventory, VmLifecycle, VmStateSeen } from "../model/observation.ts";
import { hasStarted, type VmState } from "../model/virtual-machine.ts";
import type { AttemptBook } from "./book.ts";
import { devicesOf } from "./definitions.ts";
import { momentOf, type Said } from "./moments.ts";
import { LATE_MS, nearest, type Pen, SLACK_MS } from "./pen.ts";
import type { WorkingAttempt } from "./working-attempt.ts";

/** A libvirtd that was killed and started again lists the VMs whose QEMU it is about to end as running (ms). */
function isBeingClearedAway(last: WorkingAttempt | undefined, steady: number): boolean {
  return last?.ended !== undefined && Math.abs(steady - last.ended.steady) <= LATE_MS;
}

/** Whoever connects while a VM starts may find it running, and hear a moment later that it was started. */
function isFoundStarting({ started, evidence }: WorkingAttempt, { steady }: Said): boolean {
  const isAnnounced = evidence.some(
    ({ observation }) => observation.kind === "vm-lifecycle" && observation.event === "started",
  );
  return !isAnnounced && started !== undefined && Math.abs(steady - started.steady) <= LATE_MS;
}

function isFailed({ state, reason }: VmState): boolean {
  return state === "shutoff" && reason === "failed";
}

/** What libvirt's events and answers tell of starts. */
export interface LibvirtSigns {
  lifecycle(event: Said<VmLifecycle>, matches: readonly SignatureMatch[]): boolean;
  controlError(event: Said<VmControlError>): boolean;
  stateSeen(seen: Said<VmStateSeen>): boolean;
  /** After a connection: a VM found running is a good start, one whose last state is `failed` a failed one. */
  reconcile(inventory: Said<VmInventory>): void;
}

/** Makes the reader of libvirt's events. */
export function createLibvirtSigns(book: AttemptBook, pen: Pen): LibvirtSigns {
  const states = new Map<VmName, VmState>();

  function lifecycle(event: Said<VmLifecycle>, matches: readonly SignatureMatch[]): boolean {
    if (event.definition !== undefined) pen.learn(event.definition, event);
    if (event.event === "undefined") pen.definitions.forget(event.vm);
    const current = book.current(event.vm);
    if (event.event === "started") {
      // A start may take minutes (128 GB are pinned page by page), and settle before libvirt calls it started.
      const isSame =
        current !== undefined &&
        (current.started === undefined || isFoundStarting(current, event)) &&
        !current.hasLogEnd &&
        current.ended === undefined &&
        (current.closed === undefined || current.outcome === "started");
      const attempt = isSame ? current : pen.open(event.vm, event, matches);
      attempt.started ??= momentOf(event);
      if (event.running !== undefined) {
        pen.running.set(event.vm, event.running);
        pen.hasDevices(attempt, devicesOf(event.running));
      }
      pen.join(attempt, event, matches);
      book.watchSettling(attempt);
      return true;
    }
    if (event.event === "stopped") pen.running.delete(event.vm);
    if (event.event === "stopped" && current?.started !== undefined && current.ended === undefined)
      current.ended = momentOf(event);
    if (current === undefined || current.closed !== undefined) return false;
    pen.join(current, event, matches);
    if (event.event !== "stopped" || current.started === undefined) return true;
    if (event.detail === "failed" || event.detail === "crashed") pen.died(current, momentOf(event));
    else book.close(current, momentOf(event), "started");
    return true;
  }

  function controlError(event: Said<VmControlError>): boolean {
    if (book.knows(event)) return true;
    // libvirt says it once for each start that fails, so an attempt that has it already is another one.
    const candidates = book
      .of(event.vm)
      .filter(
        (attempt) =>
          !attempt.evidence.some(({ observation }) => observation.kind === "vm-control-error") &&
          attempt.opened.steady <= event.steady + SLACK_MS &&
          (attempt.closed === undefined || Math.abs(attempt.closed.steady - event.steady) <= LATE_MS),
      );
    return pen.join(nearest(candidates, event) ?? pen.open(event.vm, event, []), event, []);
  }

  /** The state says of a VM whose last start failed that it did, until the next one. */
  function hasFailed(vm: VmName, state: VmState): boolean {
    const before = states.get(vm);
    states.set(vm, state);
    return isFailed(state) && before !== undefined && !isFailed(before);
  }

  function stateSeen(seen: Said<VmStateSeen>): boolean {
    const current = book.current(seen.vm);
    const isNews = hasFailed(seen.vm, seen.state);
    if (!isFailed(seen.state)) return false;
    const isKnown = current !== undefined && (current.closed === undefined || current.outcome === "failed");
    const over = current?.ended ?? current?.closed;
    if (!isKnown && isNews && (over === undefined || over.steady < seen.steady)) {
      pen.fail(pen.open(seen.vm, seen, []), momentOf(seen));
      return true;
    }
    if (current === undefined) return false;
    if (current.closed === undefined && current.started === undefined) {
      pen.join(current, seen, []);
      pen.fail(current, momentOf(seen));
      return true;
    }
    return current.outcome === "failed" ? pen.join(current, seen, []) : false;
  }

  function reconcile(inventory: Said<VmInventory>): void {
    for (const { definition, state, running } of inventory.vms) {
      if (running !== undefined) pen.running.set(definition.name, running);
      const current = book.current(definition.name);
      const own = {
        ...inventory,
        identity: `${inventory.identity}/${definition.name}`,
        vms: [{ definition, state, ...(running !== undefined && { running }) }],
      };
      // One that is still starting, as autostart does while the service connects, is neither: libvirt will tell.
      if (hasStarted(state)) {
        if (current !== undefined && current.closed === undefined) {
          current.started ??= momentOf(inventory);
          book.watchSettling(current);
        } else if (isBeingClearedAway(current, inventory.steady)) {
          // Its log has said the end already, and a new start would have begun there.
        } else if (current?.outcome !== "started" || current.ended !== undefined) {
          const attempt = pen.open(definition.name, own, []);
          attempt.started = momentOf(inventory);
          if (running !== undefined) pen.hasDevices(attempt, devicesOf(running));
          book.watchSettling(attempt);
        }
      } else if (isFailed(state)) {
        if (current === undefined) pen.fail(pen.open(definition.name, own, []), momentOf(inventory));
        else if (current.closed === undefined) {
          pen.join(current, own, []);
          pen.fail(current, momentOf(inventory));
        }
      }
    }
  }

  return { lifecycle, controlError, stateSeen, reconcile };
}
