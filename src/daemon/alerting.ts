import type { Alerter } from "../alerts/alerter.ts";
import { composeFailure, composeRecovery, composeWillNotStart, type LastGood } from "../alerts/compose.ts";
import { incidentKey } from "../alerts/incident-policy.ts";
import { changesBetween } from "../history/changes-between.ts";
import { type GoodStart, lastGoodWith } from "../history/last-good.ts";
import type { StartAttempt } from "../model/attempt.ts";
import type { CauseClass } from "../model/catalogue.ts";
import type { Cause } from "../model/diagnosis.ts";
import type { HostState, VmStatus } from "../model/host-state.ts";
import type { Bdf, BootId } from "../model/identifiers.ts";
import type { Store } from "../store/store.ts";

/** Turns settled attempts and warnings into alerts, with what changed since the last good start. */
export interface Alerting {
  /** Call inside the transaction that stores the attempt. */
  attemptSettled(attempt: StartAttempt, number: number, snapshotId: string | undefined): void;
  /** A VM that is certain not to start, or to start again where it runs now, known before anyone tries. */
  willNotStart(
    vm: VmStatus,
    causes: readonly Cause[],
    snapshotId: string | undefined,
    isRunning: boolean,
  ): void;
}

/** A failure that is told again is at most so many starts old. */
const LOOK_BACK = 500;

/** Makes the link between diagnosis and alerts. `host` gives the newest host state, for names of devices. */
export function createAlerting(options: {
  readonly store: Store;
  readonly alerter: Alerter;
  readonly bootId: BootId | undefined;
  readonly now: () => number;
  readonly host: () => HostState | undefined;
}): Alerting {
  const { store, alerter, bootId } = options;

  function attemptSettled(attempt: StartAttempt, number: number, snapshotId: string | undefined): void {
    if (attempt.outcome === "started") {
      recovered(attempt, number, snapshotId);
      return;
    }
    // Read out of a log after it was over: a good start has followed, so there is nothing to do for anybody.
    if (isOverSince(attempt)) return;
    const concerned = concernedDevices(attempt.diagnosis?.causes ?? [], attempt.devices);
    const lastGood = lastGoodWith(store.attempts, attempt.vm, concerned, attempt.openedAt);
    const content = composeFailure({
      attempt,
      number,
      changes: changesBetween(store.snapshots, lastGood?.row.snapshotId, snapshotId),
      deviceNames: deviceNames(options.host()),
      ...(lastGood !== undefined && { lastGood: withBios(store, lastGood) }),
    });
    alerter.raise({
      key: incidentKey(content, reasonWithin(attempt)),
      content,
      at: attempt.openedAt,
      bootId,
      attemptId: attempt.id,
    });
  }

  function isOverSince({ vm, openedAt }: StartAttempt): boolean {
    return store.attempts.list({ vm, since: openedAt + 1, startedOnly: true, limit: 1 }).length > 0;
  }

  /** What the machine was in the boot before this one. */
  function snapshotOfLastBoot(): string | undefined {
    const boots = store.boots.list();
    const current = boots.findIndex(({ id }) => id === bootId);
    return boots.slice(0, Math.max(0, current)).findLast(({ snapshotId }) => snapshotId !== undefined)
      ?.snapshotId;
  }

  function recovered(attempt: StartAttempt, number: number, snapshotId: string | undefined): void {
    alerter.recovered(attempt.vm, attempt.openedAt, (incident) => {
      const failedSnapshot = store.attempts
        .list({ vm: attempt.vm, until: attempt.openedAt, limit: LOOK_BACK })
        .find(({ id }) => id === incident.attemptId)?.snapshotId;
      return composeRecovery({
        vm: attempt.vm,
        incident,
        changes: changesBetween(store.snapshots, failedSnapshot, snapshotId),
        number,
      });
    });
  }

  return {
    attemptSettled,
    willNotStart({ definition }, causes, snapshotId, isRunning) {
      const { name: vm, hostDevices } = definition;
      const concerned = concernedDevices(
        causes,
        hostDevices.map(({ bdf }) => bdf),
      );
      const lastGood = lastGoodWith(store.attempts, vm, concerned, options.now());
      const content = composeWillNotStart({
        vm,
        causes,
        isRunning,
        changes: changesBetween(
          store.snapshots,
          lastGood === undefined ? snapshotOfLastBoot() : lastGood.row.snapshotId,
          snapshotId,
        ),
        deviceNames: deviceNames(options.host()),
        ...(lastGood !== undefined && { lastGood: withBios(store, lastGood) }),
      });
      alerter.raise({ key: incidentKey(content), content, at: options.now(), bootId, attemptId: undefined });
    },
  };
}

/** Classes that hold reasons of all kinds; of these the reason itself makes the incident, or a new one goes untold. */
const WIDE_CLASSES: ReadonlySet<CauseClass> = new Set([
  "vm-config-invalid",
  "host-resource-missing",
  "vm-killed",
]);

function reasonWithin({ diagnosis }: StartAttempt): string | undefined {
  const [cause] = diagnosis?.causes ?? [];
  return cause !== undefined && WIDE_CLASSES.has(cause.class) ? cause.signature : undefined;
}

/** The devices that the failure is about; of a cause that names none, or others, all that the VM has. */
function concernedDevices([first]: readonly Cause[], devices: readonly Bdf[]): readonly Bdf[] {
  const named = devices.filter((device) => first?.devices.includes(device));
  return named.length > 0 ? named : devices;
}

function withBios(store: Store, { row, without }: GoodStart): LastGood {
  const fact =
    row.snapshotId === undefined ? undefined : store.snapshots.fact(row.snapshotId, "firmware.bios.version");
  return {
    openedAt: row.openedAt,
    ...(without.length > 0 && { without }),
    ...(fact?.value.state === "value" && { biosVersion: fact.value.value }),
  };
}

function deviceNames(host: HostState | undefined): ReadonlyMap<Bdf, string> {
  const names = new Map<Bdf, string>();
  if (host?.devices.state !== "read") return names;
  for (const { bdf, name } of host.devices.value.values()) if (name !== undefined) names.set(bdf, name);
  return names;
}
