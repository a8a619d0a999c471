import type { Alerter } from "../alerts/alerter.ts";
import { type ConcernedVm, composeFactsChanged, type FailedStart } from "../alerts/compose.ts";
import { incidentKey } from "../alerts/incident-policy.ts";
import { type ChangeLine, changeLines } from "../answer/change-lines.ts";
import { diffSnapshots } from "../facts/diff-snapshots.ts";
import { concernedVms, watchedChanges } from "../facts/watched-changes.ts";
import type { Change, Fact } from "../model/fact.ts";
import type { BootId } from "../model/identifiers.ts";
import type { VmDefinition } from "../model/virtual-machine.ts";
import type { Store } from "../store/store.ts";
import { isBiosTold, lastCompared, noteCompared } from "./compared-facts.ts";
import type { ServiceLog } from "./log.ts";
import type { StartsAwaited } from "./starts-awaited.ts";

/** Tells what changed about the machine while nothing has failed: since the last boot, or while it runs. */
export interface FactWatch {
  /** Compares with what was last compared; cheap while nothing changed. */
  look(snapshotId: string | undefined): void;
}

/** Makes the watch. The first look of all finds nothing to compare with and says nothing. */
export function createFactWatch(options: {
  readonly store: Store;
  readonly alerter: Alerter;
  readonly log: ServiceLog;
  readonly bootId: BootId;
  readonly now: () => number;
  readonly starts: StartsAwaited;
  readonly failureOf: (definition: VmDefinition) => FailedStart | undefined;
}): FactWatch {
  const { store, alerter, log, bootId } = options;
  let compared: string | undefined;

  function tell(found: Found, concerned: readonly VmDefinition[], after: string, isSameBoot: boolean): void {
    const underWay = options.starts.underWay();
    const vms = concerned.map((definition): ConcernedVm => {
      const vm = definition.name;
      return { vm, failed: options.failureOf(definition), isStarting: underWay.has(vm) };
    });
    const content = composeFactsChanged({
      // What a boot changed is named whole; while the host runs drivers come and go.
      changes: isSameBoot ? found.lines : found.all,
      since: isSameBoot ? "while the host runs" : "since the last boot",
      vms,
    });
    const key = incidentKey(content, `${bootId} ${after}`);
    alerter.raise({ key, content, at: options.now(), bootId });
    // It is an event and not a state: the same change of another day is news again.
    alerter.resolved(key, options.now());
  }

  /** An alert about a VM that fails, or will, has said it already, and better. */
  function isSaidAlready({ lines }: Found): boolean {
    const said = store.alerts
      .incidents({ openOnly: true })
      .filter(({ content, lastToldAt }) => content.vm !== undefined && lastToldAt !== undefined)
      .flatMap(({ content }) => content.changes);
    return lines.every(({ sentence }) => said.some((text) => text.includes(sentence)));
  }

  return {
    look(snapshotId) {
      if (snapshotId === undefined || snapshotId === compared) return;
      const last = lastCompared(store);
      const [lastBoot, before] = [last?.bootId, last?.snapshotId];
      const [old, current] = [before, snapshotId].map((id) =>
        id === undefined ? undefined : store.snapshots.get(id),
      );
      // What cannot be read now is compared when it can (law 7); it must not become what is compared with.
      if (current === undefined || current.facts.some(isUnreadable)) return;
      const every = findChanges(old === undefined ? [] : diffSnapshots(old, current));
      const found = isBiosTold(store, bootId) && lastBoot !== bootId ? withoutBios(every) : every;
      const { changes } = found;
      const snapshots = [old, current].filter((snapshot) => snapshot !== undefined);
      const concerned = changes.length === 0 ? [] : concernedVms(changes, snapshots, store.vms.present());
      if (options.starts.mustWait(concerned.map(({ name }) => name))) return;
      const written = store.durable(() => {
        if (changes.length > 0 && before !== undefined) {
          for (const { sentence } of changes) log.warn(`changed: ${sentence}`);
          if (!isSaidAlready(found)) tell(found, concerned, snapshotId, lastBoot === bootId);
        }
        if (old === undefined || lastBoot !== bootId || changes.length > 0)
          noteCompared(store, bootId, snapshotId);
      });
      if (written.state === "written") compared = snapshotId;
    },
  };
}

interface Found {
  /** Those that people hear of. */
  readonly changes: readonly Change[];
  /** The lines with one of them, and all lines of what a person or an update changed. */
  readonly lines: readonly ChangeLine[];
  readonly all: readonly ChangeLine[];
}

function findChanges(every: readonly Change[]): Found {
  const changes = watchedChanges(every);
  const watched = new Set(changes.map(({ key }) => key));
  const given = { changes: every, matters: () => true, suspects: [], newKeys: undefined, plausible: [] };
  const { lines } = changes.length === 0 ? { lines: [] } : changeLines(given);
  const isWatched = (line: ChangeLine) => line.changes.some(({ key }) => watched.has(key));
  return {
    changes,
    lines: lines.filter(isWatched),
    all: lines.filter((line) => line.knob !== undefined || isWatched(line)),
  };
}

/** Another BIOS, with what follows from it, is told at the boot's first look. */
function withoutBios({ changes, lines, all }: Found): Found {
  const [told, rest] = [lines, all].map((some) => some.filter(({ knob }) => knob !== "BIOS"));
  const keys = new Set(told?.flatMap((line) => line.changes.map(({ key }) => key)));
  return { changes: changes.filter(({ key }) => keys.has(key)), lines: told ?? [], all: rest ?? [] };
}

function isUnreadable({ key, value }: Fact): boolean {
  return value.state === "unknown" && (key === "firmware.bios.version" || key === "iommu.group");
}
