import { systemClock } from "../clock.ts";
import { foreignMachine } from "../history/known-machine.ts";
import { readBootIdentity } from "../host/boot-identity.ts";
import { readMachine } from "../host/machine.ts";
import type { HostPaths } from "../host-paths.ts";
import type { Snapshot } from "../model/fact.ts";
import type { BootId } from "../model/identifiers.ts";
import type { Store } from "../store/store.ts";
import { formatMinute } from "../time-words.ts";

/** A history of another machine than the one that the command runs on. */
export interface ForeignHistory {
  /** Which, in words: `another machine (board X)`. */
  readonly machine: string;
  /** The newest facts of that machine, in the place of what this host is now. */
  readonly newest:
    | { readonly label: string; readonly snapshot: Snapshot; readonly bootId: BootId }
    | undefined;
}

/** Whether the history is of another machine; undefined where it is of this one. */
export function findForeign(store: Store, paths: HostPaths): ForeignHistory | undefined {
  const { bootId } = readBootIdentity({ paths, clock: systemClock });
  const running = bootId.state === "read" ? bootId.value : undefined;
  const its = foreignMachine(store, readMachine(paths), running);
  if (its === undefined) return undefined;
  const boot = store.boots.list().findLast(({ snapshotId }) => snapshotId !== undefined);
  const snapshot = boot?.snapshotId === undefined ? undefined : store.snapshots.get(boot.snapshotId);
  return {
    machine: its.board === undefined ? "another machine" : `another machine (board ${its.board})`,
    newest:
      boot === undefined || snapshot === undefined
        ? undefined
        : {
            label: `the newest facts of that machine, boot b${boot.ordinal} (${formatMinute(boot.startedAt)})`,
            snapshot,
            bootId: boot.id,
          },
  };
}
